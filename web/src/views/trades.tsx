/** Closed trades, newest first. */

import { arena, marketNow } from '../data/arena.ts';
import type { Trade } from '../data/types.ts';
import { lasting, price, signedUsd, usd, when } from '../format.ts';
import { Change, Empty, ModelLink, Side, Table, Waiting } from './parts.tsx';

const MODEL = { label: 'Model' };
const COLUMNS = [
  { label: 'Trade' },
  { label: 'Entry → exit', numeric: true },
  { label: 'Held', numeric: true },
  { label: 'Fees', numeric: true },
  { label: 'Net', numeric: true },
];

type Props = { readonly trades: readonly Trade[]; readonly ready: boolean; readonly single?: boolean };

export function Trades({ trades, ready, single = false }: Props) {
  if (!ready && trades.length === 0) return <Waiting rows={6} />;
  if (trades.length === 0) return <Empty>No trade has been closed yet.</Empty>;
  const now = marketNow(arena.value);
  const columns = [{ label: 'Closed' }, ...(single ? [] : [MODEL]), ...COLUMNS];
  return (
    <Table caption="Closed trades" columns={columns} class="trades">
      {trades.map((trade) => (
        <tr key={trade.id}>
          <td class="plain" data-label="Closed">
            <time class="figure quiet-text">{when(trade.exit_time * 1000, now)}</time>
          </td>
          {!single && (
            <td class="who first">
              <ModelLink id={trade.model_id} />
            </td>
          )}
          <td class={single ? 'first' : 'plain'} data-label="Trade">
            <Side quantity={trade.quantity} /> <strong>{trade.symbol}</strong>{' '}
            <span class="quiet-text figure">{usd(Math.abs(trade.quantity) * trade.entry_price, 0)}</span>
          </td>
          <td class="numeric plain" data-label="Entry → exit">
            <span class="figure">
              {price(trade.entry_price)} → {price(trade.exit_price)}
            </span>
          </td>
          <td class="numeric" data-label="Held">
            <span class="figure">{lasting((trade.exit_time - trade.entry_time) * 1000)}</span>
          </td>
          <td class="numeric" data-label="Fees">
            <span class="figure">{usd(trade.total_commission_dollars)}</span>
          </td>
          <td class="numeric strong result" data-label="Net">
            <Change value={trade.realized_net_pnl} text={signedUsd(trade.realized_net_pnl)} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
