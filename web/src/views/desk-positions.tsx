/** What the desk holds, with the monitor's last look at each: how far to its target and its stop, how long held, what the chart says. */

import type { Desk } from '../data/types.ts';
import { dollars, number, plural, signedPct, signedUsd, size, words } from '../format.ts';
import { Change, Corridor, Empty, Place, Section, Side, Table, Waiting } from './parts.tsx';

const COLUMNS = [
  { label: 'Position' },
  { label: 'Entry', numeric: true },
  { label: 'Now', numeric: true },
  { label: 'Stop → target' },
  { label: 'To stop, target', numeric: true, hint: 'How far the price is from either' },
  { label: 'Held', numeric: true },
  { label: 'Chart', hint: 'RSI of minutes, MACD of five minutes, the next level' },
  { label: 'P&L', numeric: true },
];

type Seen = Desk['positions'][number];
type Position = NonNullable<Seen['position']>;
type Monitoring = NonNullable<Seen['monitoring']>;

export function DeskPositions({ desk }: { readonly desk: Desk | null }) {
  const rows =
    desk?.positions.flatMap(({ position, monitoring }) => (position ? [{ position, monitoring }] : [])) ?? [];
  return (
    <Section id="positions" title="Open positions" aside={plural(rows.length, 'position')}>
      <Place rows={3}>
        {desk === null ? (
          <Waiting rows={3} />
        ) : rows.length === 0 ? (
          <Empty>Everything is flat: no position is open.</Empty>
        ) : (
          <Table caption="Open positions of the desk" columns={COLUMNS} class="positions">
            {rows.map((row) => (
              <Row key={row.position.symbol} {...row} />
            ))}
          </Table>
        )}
      </Place>
    </Section>
  );
}

function Row({ position, monitoring }: { readonly position: Position; readonly monitoring: Monitoring | null }) {
  const { symbol, quantity, side, entry_price: entry, current_price: now } = position;
  const { stop_loss: stop, take_profit: target } = position;
  return (
    <tr>
      <td class="first">
        <Side quantity={side === 'short' ? -1 : 1} /> <strong>{symbol}</strong>{' '}
        <span class="quiet-text figure">{size(quantity)}</span>
      </td>
      <td class="numeric" data-label="Entry">
        <span class="figure">{dollars(entry)}</span>
      </td>
      <td class="numeric" data-label="Now">
        <span class="figure">{dollars(now)}</span>
      </td>
      <td class="whole plain" data-label="Stop → target">
        <Corridor stop={stop} target={target} entry={entry} mark={now} show={dollars} />
      </td>
      <td class="numeric" data-label="To stop, target">
        <span class="figure">{distances(monitoring)}</span>
      </td>
      <td class="numeric" data-label="Held">
        <span class="figure">{monitoring?.time_in_trade ?? '–'}</span>
      </td>
      <td class="whole plain" data-label="Chart">
        {monitoring === null ? <span class="quiet-text">not looked at yet</span> : <Chart {...monitoring} />}
      </td>
      <td class="numeric strong result" data-label="P&L">
        <Change value={position.unrealized_pnl} text={signedUsd(position.unrealized_pnl)} />{' '}
        <small class="quiet-text figure">{signedPct(position.unrealized_pnl_pct)}</small>
      </td>
    </tr>
  );
}

function distances(monitoring: Monitoring | null): string {
  return [monitoring?.stop_loss.distance, monitoring?.profit_target.distance].map((each) => each ?? '–').join(', ');
}

/** Words that call for something stand out. */
const LOUD: Readonly<Record<string, string>> = {
  overbought: 'warn',
  oversold: 'warn',
  weakening: 'loss',
  strengthening: 'good',
};

function Chart({ technical_signals: { rsi_1m: rsi, macd_5m: macd, support_resistance: level } }: Monitoring) {
  return (
    <span class="tags">
      <span class={`tag ${LOUD[rsi.signal] ?? ''}`}>
        RSI {number(rsi.value, 0)}
        {rsi.signal === 'neutral' || rsi.signal === 'unknown' ? '' : ` ${words(rsi.signal)}`}
      </span>
      {macd.signal !== 'unknown' && <span class={`tag ${LOUD[macd.signal] ?? ''}`}>MACD {words(macd.signal)}</span>}
      {level.next_level !== null && (
        <span class="tag">
          {words(level.type)} {dollars(level.next_level)}
        </span>
      )}
    </span>
  );
}
