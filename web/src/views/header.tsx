/** What stands above every view: where one is, whether money is real, whether what is shown is live, and the prices. */

import { useEffect, useState } from 'preact/hooks';
import { type Arena, arena } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Run } from '../data/types.ts';
import { lasting, price, timeOf } from '../format.ts';
import { Link } from '../router.tsx';
import { SchemeButton } from '../theme.tsx';

/** The server says whether anybody may operate; where nobody may, those pages are not there. */
const hasOperators = document.body.dataset.operators !== undefined;

export function Header() {
  return (
    <header class="top">
      <div class="bar">
        <Link to="/" class="brand" label="nof0 arena, all models">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path
              d="M5 22l6-7 5 4 10-12"
              fill="none"
              stroke="currentColor"
              stroke-width="3"
              stroke-linecap="round"
              stroke-linejoin="round"
            />
            <circle cx="26" cy="7" r="3" class="accent" />
          </svg>
          nof0
        </Link>
        <RunState />
        <nav aria-label="Operations">
          {hasOperators && <a href="/ops">Operations</a>}
          {hasOperators && <a href="/queues">Queues</a>}
          <a href="/api">API</a>
        </nav>
        <SchemeButton />
      </div>
      <Ticker />
    </header>
  );
}

const MODES: Record<Run['mode'], { readonly word: string; readonly about: string }> = {
  paper: { word: 'Paper', about: 'Orders fill at a simulated exchange. No money moves.' },
  testnet: { word: 'Testnet', about: 'Orders go to the test network of the exchange. The money is play money.' },
  live: { word: 'Live', about: 'Orders move real money.' },
  replay: { word: 'Replay', about: 'Recorded prices are played again. No money moves.' },
};
const MARKETS: Record<string, string> = {
  synthetic: 'synthetic market',
  hyperliquid: 'Hyperliquid',
  replay: 'recorded market',
  equities: 'stocks',
};

function RunState() {
  const run = useStore(arena, (value) => value.run);
  const connection = useStore(arena, (value) => value.connection);
  const said = { connecting: 'Connecting', live: 'Streaming', lost: 'Disconnected' }[connection];
  return (
    <div class="state">
      {run && (
        <span class={`mode ${run.mode}`} title={MODES[run.mode].about}>
          {MODES[run.mode].word}
        </span>
      )}
      {run && <span class="market">{MARKETS[run.kind] ?? run.kind}</span>}
      <output class={`connection ${connection}`}>
        <span class="pulse" />
        {run?.state === 'finished' && connection === 'live' ? 'Finished' : said}
      </output>
    </div>
  );
}

/** Money that is real is said in a line of its own, on every view. */
export function ModeBanner() {
  const run = useStore(arena, (value) => value.run);
  if (run?.mode !== 'live' && run?.mode !== 'testnet') return null;
  const { word, about } = MODES[run.mode];
  return (
    <p class={`notice mode-notice ${run.mode}`}>
      <strong>{word}.</strong> {about}
    </p>
  );
}

export function ConnectionBanner() {
  const connection = useStore(arena, (value) => value.connection);
  const lostAt = useStore(arena, (value) => value.lostAt);
  const ready = useStore(arena, (value) => value.ready);
  if (connection !== 'lost' || lostAt === null) return null;
  return (
    <p class="notice lost" role="alert">
      <strong>No connection to the arena.</strong>{' '}
      {ready ? `Everything here is as it was at ${timeOf(lostAt)}.` : 'Nothing could be read yet.'} Trying again by
      itself.
    </p>
  );
}

/** Older than this, prices are no longer those of now. */
const STALE_MS = 60_000;

function Ticker() {
  const prices = useStore(arena, (value) => value.prices);
  const list = Object.values(prices);
  return (
    <section class="ticker" aria-label="Prices">
      <ul>
        {list.length === 0 && <li class="quiet-text">Waiting for prices</li>}
        {list.map(({ symbol, price: value, moved }) => (
          <li key={symbol}>
            <span class="symbol">{symbol}</span>
            <span class="figure">{price(value)}</span>
            <span class={`moved ${moved > 0 ? 'gain' : moved < 0 ? 'loss' : ''}`} aria-hidden="true">
              {moved > 0 ? '▲' : moved < 0 ? '▼' : ' '}
            </span>
          </li>
        ))}
      </ul>
      <PriceAge />
    </section>
  );
}

function newest({ prices }: Arena): number {
  return Math.max(0, ...Object.values(prices).map(({ timestamp }) => timestamp));
}

/** How old the prices are, once they are too old; the time until the next decisions while they are not. */
function PriceAge() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const run = useStore(arena, (value) => value.run);
  const newestMs = useStore(arena, newest);
  if (run === null || newestMs === 0) return <span class="price-age" />;
  // A session of the desk may be played again, too.
  if (run.mode === 'replay') return <span class="price-age">Market time {timeOf(newestMs)}</span>;
  const age = now - newestMs;
  if (age > STALE_MS) return <span class="price-age stale">Prices are {lasting(age)} old</span>;
  const every = run.decision_every_ms;
  if (every === null) return <span class="price-age" />;
  return (
    <span class="price-age">
      Next decisions in <span class="figure">{lasting(every - (now % every))}</span>
    </span>
  );
}
