/** Open positions, marked at the prices of this second, between their stop and their target. */

import { arena, type OpenPosition } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import { number, price, signedUsd, size, usd } from '../format.ts';
import { Change, Corridor, Empty, ModelLink, Side, Table, Waiting } from './parts.tsx';

const MODEL = { label: 'Model' };
const COLUMNS = [
  { label: 'Position' },
  { label: 'Value', numeric: true },
  { label: 'Entry', numeric: true },
  { label: 'Mark', numeric: true },
  { label: 'Stop → target' },
  { label: 'P&L', numeric: true },
];

type Props = { readonly positions: readonly OpenPosition[]; readonly ready: boolean; readonly single?: boolean };

export function Positions({ positions, ready, single = false }: Props) {
  if (!ready && positions.length === 0) return <Waiting rows={6} />;
  if (positions.length === 0)
    return <Empty>{single ? 'Flat: no position is open.' : 'Every model is flat: no position is open.'}</Empty>;
  return (
    <Table caption="Open positions" columns={single ? COLUMNS : [MODEL, ...COLUMNS]} class="positions">
      {positions.map((position) => (
        <Row key={`${position.modelId} ${position.symbol}`} position={position} single={single} />
      ))}
    </Table>
  );
}

function Row({ position, single }: { readonly position: OpenPosition; readonly single: boolean }) {
  const { symbol, quantity, leverage } = position;
  const mark = useStore(arena, (value) => value.prices[symbol]?.price) ?? position.current_price;
  const pnl = quantity * (mark - position.entry_price);
  return (
    <tr>
      {!single && (
        <td class="who first">
          <ModelLink id={position.modelId} />
        </td>
      )}
      <td
        class={single ? 'first' : 'plain'}
        data-label="Position"
        title={`${size(quantity)} ${symbol}, liquidated at ${price(position.liquidation_price)}`}
      >
        <Side quantity={quantity} /> <strong>{symbol}</strong>{' '}
        <span class="quiet-text figure">{number(leverage, 0)}×</span>
      </td>
      <td class="numeric" data-label="Value">
        <span class="figure">{usd(Math.abs(quantity) * mark, 0)}</span>
      </td>
      <td class="numeric" data-label="Entry">
        <span class="figure">{price(position.entry_price)}</span>
      </td>
      <td class="numeric" data-label="Mark">
        <span class="figure">{price(mark)}</span>
      </td>
      <td class="whole plain" data-label="Stop → target">
        <Corridor
          stop={position.exit_plan.stop_loss}
          target={position.exit_plan.profit_target}
          entry={position.entry_price}
          mark={mark}
        />
      </td>
      <td class="numeric strong result" data-label="P&L">
        <Change value={pnl} text={signedUsd(pnl)} />
      </td>
    </tr>
  );
}
