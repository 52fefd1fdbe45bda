/** Signals of the session: the newest of each kind a stock. */

import type { Desk } from '../data/types.ts';
import { dollars, number, pct, timeOf, words } from '../format.ts';
import { Empty, Place, Section, Waiting } from './parts.tsx';

const SHOWN = 10;

export function DeskSignals({ desk }: { readonly desk: Desk | null }) {
  const seen = (desk?.signals ?? [])
    .flatMap(({ type, symbol, signal }) => (signal ? [{ type, symbol, ...signal }] : []))
    .sort((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp) || a.symbol.localeCompare(b.symbol));
  return (
    <Section id="signals" title="Signals" aside={seen.length > SHOWN ? `newest ${SHOWN}` : undefined}>
      <Place rows={5} height={56}>
        {desk === null ? (
          <Waiting rows={5} height={56} />
        ) : seen.length === 0 ? (
          <Empty>No signal in this session yet.</Empty>
        ) : (
          <ol class="feed">
            {seen.slice(0, SHOWN).map((signal) => (
              <li key={`${signal.type} ${signal.symbol}`}>
                <div class="feed-head">
                  <span>
                    <span class={`tag ${signal.type === 'entry' ? 'good' : 'warn'}`}>{words(signal.type)}</span>{' '}
                    <strong>{signal.symbol}</strong> {words(signal.reason)}
                  </span>
                  <time class="figure quiet-text">{timeOf(Date.parse(signal.timestamp))}</time>
                </div>
                <p class="feed-why figure">
                  at {dollars(signal.price)}, confidence {pct(100 * signal.confidence, 0)}
                  {signal.indicators.rsi === null ? '' : `, RSI ${number(signal.indicators.rsi, 0)}`}
                  {signal.indicators.macd === null ? '' : `, MACD ${number(signal.indicators.macd, 3)}`}
                </p>
              </li>
            ))}
          </ol>
        )}
      </Place>
    </Section>
  );
}
