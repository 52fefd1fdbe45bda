/** The equities desk on one page: the session, what is held and watched, what was seen. */

import { arena } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Desk } from '../data/types.ts';
import { count, dollars, NONE, number, plural, sentence, signedPct, signedUsd, timeOf, words } from '../format.ts';
import { useTitle } from '../router.tsx';
import { Equity } from './arena.tsx';
import { DeskPositions } from './desk-positions.tsx';
import { DeskSignals } from './desk-signals.tsx';
import { DecisionFeed } from './feed.tsx';
import { Change, Empty, Place, Section, Table, Waiting } from './parts.tsx';
import { Trades } from './trades.tsx';

const SHOWN_TRADES = 15;

export function DeskView() {
  const desk = useStore(arena, (value) => value.desk);
  const trades = useStore(arena, (value) => value.trades);
  const ready = useStore(arena, (value) => value.ready);
  useTitle(desk?.performance ? `${signedUsd(desk.performance.daily_pnl)} · nof0 desk` : 'nof0 desk');
  return (
    <>
      <div class="hero">
        <h1>{desk === null ? 'The equities desk' : headline(desk)}</h1>
      </div>
      <SessionFigures desk={desk} />
      <DeskPositions desk={desk} />
      <div class="two">
        <div class="stack">
          <Candidates desk={desk} />
          <Equity />
          <Section
            id="trades"
            title="Closed trades"
            aside={trades.length > SHOWN_TRADES ? `newest ${SHOWN_TRADES}` : undefined}
          >
            <Trades trades={trades.slice(0, SHOWN_TRADES)} ready={ready} single />
          </Section>
        </div>
        <div class="stack">
          <DeskSignals desk={desk} />
          <DecisionFeed />
          <Market desk={desk} />
        </div>
      </div>
    </>
  );
}

type Props = { readonly desk: Desk | null };

const STATUS = { pre_market: 'Pre-market', open: 'Open', after_hours: 'After hours', closed: 'Closed' } as const;

/** How the session stands, as one would say it. */
function headline({ system, performance }: Desk): string {
  const held = system.active_positions_count;
  const holds = held === 0 ? 'everything is flat' : `${plural(held, 'position')} open`;
  const trades = (performance?.win_count ?? 0) + (performance?.loss_count ?? 0);
  const brought = trades === 0 ? '' : `${signedUsd(performance?.daily_pnl)} from ${plural(trades, 'trade')}, `;
  if (system.market_status === 'pre_market') return `Before the bell: ${holds}`;
  return system.market_status === 'open'
    ? `The market is open: ${brought}${holds}`
    : `After the close: ${brought}${holds}`;
}

function SessionFigures({ desk }: Props) {
  const { system, performance, market } = desk ?? {};
  const breadth = market?.market_breadth;
  return (
    <section id="session" aria-label="The session">
      <dl class="figures desk-figures">
        <div>
          <dt>Market</dt>
          <dd>{system ? STATUS[system.market_status] : NONE}</dd>
        </div>
        <div title="Closed trades of this session, after their fees">
          <dt>Closed today</dt>
          <dd>
            <Change value={performance?.daily_pnl} text={signedUsd(performance?.daily_pnl)} />{' '}
            <small class="quiet-text figure">{signedPct(performance?.daily_pnl_pct)}</small>
          </dd>
        </div>
        <div>
          <dt>Won, lost</dt>
          <dd class="figure">{performance ? `${performance.win_count}, ${performance.loss_count}` : NONE}</dd>
        </div>
        <div>
          <dt>Regime</dt>
          <dd>{market ? sentence(market.market_regime) : NONE}</dd>
        </div>
        <div>
          <dt>Volatility index</dt>
          <dd class="figure">{number(market?.vix)}</dd>
        </div>
        <div title="Stocks of the universe against the last close">
          <dt>Rising, falling</dt>
          <dd class="figure">{breadth ? `${count(breadth.advancing)}, ${count(breadth.declining)}` : NONE}</dd>
        </div>
      </dl>
      {system && system.state !== 'running' && (
        <p class="notice">
          <strong>The trader is {words(system.state)}.</strong> Signals are seen, nothing is entered.
        </p>
      )}
    </section>
  );
}

const CANDIDATES = [
  { label: '#' },
  { label: 'Stock' },
  { label: 'Signals' },
  { label: 'Price', numeric: true },
  { label: 'Score', numeric: true, hint: 'From 0 to 1: how many signals it shows, and how clearly' },
];

function Candidates({ desk }: Props) {
  const scanned = desk?.system.last_scan_time;
  return (
    <Section id="candidates" title="Candidates" aside={scanned ? `scanned ${timeOf(Date.parse(scanned))}` : undefined}>
      <Place rows={3}>
        {desk === null ? (
          <Waiting rows={3} />
        ) : desk.candidates.length === 0 ? (
          <Empty>
            {scanned ? 'No stock on the watchlist shows a signal.' : 'Stocks are ranked once the session runs.'}
          </Empty>
        ) : (
          <Table caption="Ranked candidates" columns={CANDIDATES} class="candidates">
            {desk.candidates.map((candidate, index) => (
              <tr key={candidate.symbol}>
                <td class="figure quiet-text rank">{index + 1}</td>
                <td class="first">
                  <strong>{candidate.symbol}</strong>
                </td>
                <td class="whole plain" data-label="Signals">
                  <span class="tags">
                    {candidate.signals.map((signal) => (
                      <span key={signal} class="tag">
                        {words(signal)}
                      </span>
                    ))}
                  </span>
                </td>
                <td class="numeric" data-label="Price">
                  <span class="figure">{dollars(candidate.price)}</span>
                </td>
                <td class="numeric strong result" data-label="Score">
                  <span class="figure">{number(candidate.score)}</span>
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Place>
      <Watchlist symbols={desk?.watchlist ?? []} />
    </Section>
  );
}

/** Its place is kept while nothing stands in it. */
function Watchlist({ symbols }: { readonly symbols: readonly string[] }) {
  return (
    <div class="watchlist">
      <h3>Watchlist</h3>
      {symbols.length === 0 ? (
        <p class="quiet-text">empty</p>
      ) : (
        <ul class="tags">
          {symbols.map((symbol) => (
            <li key={symbol} class="tag">
              {symbol}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const SECTORS = [{ label: 'Sector' }, { label: 'Against the last close', numeric: true }];

function Market({ desk }: Props) {
  const sectors = Object.entries(desk?.market?.sector_performance ?? {}).sort(([, a], [, b]) => b - a);
  return (
    <Section id="sectors" title="Sectors">
      <Place rows={5} height={38}>
        {desk === null ? (
          <Waiting rows={5} height={38} />
        ) : sectors.length === 0 ? (
          <Empty>Sectors are compared once the session runs.</Empty>
        ) : (
          <Table caption="Sectors, best first" columns={SECTORS}>
            {sectors.map(([name, change]) => (
              <tr key={name}>
                <td class="first">{sentence(name)}</td>
                <td class="numeric result">
                  <Change value={change} text={signedPct(change)} />
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Place>
    </Section>
  );
}
