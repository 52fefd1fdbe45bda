import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foldFills } from '../../src/domain/ledger.ts';
import { uniform } from '../../src/domain/random.ts';
import { slotAt } from '../../src/domain/time.ts';
import type { Stories } from '../../src/engine/context.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { HyperliquidExchange } from '../../src/exchange/hyperliquid/hyperliquid-exchange.ts';
import { openingId } from '../../src/exchange/hyperliquid/ledger.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { HyperliquidClient } from '../../src/hyperliquid/client.ts';
import { HyperliquidMarket } from '../../src/market/hyperliquid/hyperliquid-market.ts';
import { RateLimiter } from '../../src/redis/rate-limiter.ts';
import type { Database } from '../../src/store/database.ts';
import { entryTimeMs } from '../../src/store/ledger.ts';
import { startFeed } from '../../workers/feed.ts';
import { startWorkers } from '../../workers/main.ts';
import { arenaConfig, until } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { MINUTE, STEP_MS, Venue } from './venue.ts';

/** Ten market minutes, which pass an hour. */
const SPEED = 40;
const CHAOS_MS = 10 * MINUTE;
const START = Date.UTC(2026, 8, 1, 11, 55);
const HOUR = START + 5 * MINUTE;
const KEY = `0x${'7'.repeat(64)}`;
const USER = `0x${'a'.repeat(40)}`;
/** `DEAD` is listed, and kills every connection that names it; `NOPE` is not listed at all. */
const LISTED = ['BTC', 'ETH', 'DEAD'];
const SYMBOLS = [...LISTED, 'NOPE'];
const FUNDING = [{ coin: 'BTC', time: HOUR + 46, usdc: '-0.25' }];
const OWNER = { account: 'alpha', address: USER };

let run: TestRun;
let db: Database;
let standIn: StandIn;
let venue: Venue;
let stories: Stories;
let chaotic = false;
let dice = 0;
const chance = (p: number) => chaotic && uniform('chaos', String(++dice)) < p;

beforeAll(async () => {
  standIn = await startStandIn();
  const env = {
    TRADING_MODE: 'live',
    KEY_ALPHA: KEY,
    HYPERLIQUID_API_URL: standIn.addresses.apiUrl,
    HYPERLIQUID_WS_URL: standIn.addresses.wsUrl,
  };
  const models = [{ id: 'alpha', strategy: 'buy-and-hold', live: { address: USER, keyEnv: 'KEY_ALPHA' } }];
  venue = new Venue({ startMs: START, speed: SPEED, symbols: LISTED, user: USER });
  venue.serve(standIn, FUNDING, () => {
    if (chance(0.04)) return { http: { status: 502, body: 'Bad Gateway', contentType: 'text/html' } };
    if (chance(0.03)) return { http: { status: 200, body: '{"garbage":' } };
    return undefined;
  });
  standIn.state.coins = new Set(['BTC', 'ETH']);
  standIn.state.onSubscribe = (socket, subscription) => venue.greet(socket, subscription);
  const config = arenaConfig({ models, hyperliquid: { symbols: SYMBOLS }, history: '10m' }, env);
  run = await createRun({ config, kind: 'hyperliquid', settings: { network: 'testnet', trading: 'live' } });
  db = run.resources.db;
  const opened = await run.stories();
  const { metrics, queueRedis, keys } = run.resources;
  const client = new HyperliquidClient({
    addresses: standIn.addresses,
    // The minutes here are shorter than the provider's.
    budget: new RateLimiter(queueRedis, keys.rateLimit('chaos'), { perMinute: 1_000_000, reserved: 0 }),
    metrics,
    retryMs: 5,
    timeoutMs: 1000,
    now: venue.now,
  });
  const market = new HyperliquidMarket(client, {
    symbols: SYMBOLS,
    historyMs: 10 * MINUTE,
    settleMs: 0,
    feed: {
      accounts: new Map([[USER, 'alpha']]),
      metrics,
      log: () => {},
      heartbeatMs: 900,
      reconnectMs: 20,
      beatMs: 20,
    },
  });
  const exchange = await HyperliquidExchange.open(client, {
    accounts: [{ ...OWNER, key: KEY, isVault: false, initialUsd: 10_000 }],
    ledgerBeganMs: (account) => entryTimeMs(db, openingId(account)),
  });
  stories = {
    ...opened.stories,
    market,
    exchange,
    clock: { repeats: false, now: (asOfMs) => Math.max(asOfMs, venue.now()) },
  };
  await registerArena(stories, run.resources.run, START);
  // The ledger begins before anything is executed.
  await takeSnapshot(stories, 'alpha', venue.now());
}, 60_000);
afterAll(async () => {
  await run?.close();
  await standIn?.close();
});

/** Sends frames of the truth, out of order, again, and between garbage. */
async function pushFrames(): Promise<void> {
  const held: unknown[] = [];
  let sent = -1;
  while (venue.now() < venue.endMs + STEP_MS) {
    const step = Math.floor((Math.min(venue.now(), venue.endMs) - START) / STEP_MS);
    for (let next = sent + 1; next <= step; next++)
      for (const symbol of ['BTC', 'ETH']) {
        const frame = venue.bbo(symbol, next);
        if (chance(0.2)) held.push(frame);
        else standIn.push('bbo', symbol, frame);
        if (chance(0.15)) standIn.push('bbo', symbol, venue.bbo(symbol, Math.max(0, next - 3)));
        standIn.push('activeAssetCtx', symbol, {
          channel: 'activeAssetCtx',
          data: { coin: symbol, ctx: venue.context(symbol) },
        });
      }
    sent = step;
    while (held.length > 0 && (held.length > 4 || !chaotic)) standIn.push('bbo', null, held.shift());
    if (chance(0.2))
      standIn.push('bbo', null, '{"channel":"bbo","data":{"coin":"BTC","time":"soon","bbo":[null,null]}}');
    if (chance(0.1)) standIn.push('bbo', null, 'no JSON at all \u0000');
    if (chance(0.1)) {
      const execution = venue.execute();
      for (const fills of [[execution], [execution], []])
        standIn.push('userFills', null, { channel: 'userFills', data: { user: USER, fills } });
    }
    if (chance(0.02)) for (const socket of standIn.sockets) socket.raw.terminate();
    await pause(25);
  }
  for (const frame of held) standIn.push('bbo', null, frame);
  for (const symbol of ['BTC', 'ETH'])
    standIn.push('bbo', symbol, venue.bbo(symbol, Math.floor((venue.endMs - START) / STEP_MS)));
}

describe('ten minutes of dropped connections, repeated and reordered frames, garbage and 502s', () => {
  it('leave ledger, prices and candles as they truly were', async () => {
    const workers = await startWorkers(
      run.resources,
      { stories, frames: new FrameBuilder(stories) },
      {
        queues: ['price-ingest', 'snapshot'],
        concurrency: 2,
      },
    );
    const feed = startFeed(run.resources, stories, 2000);
    try {
      chaotic = true;
      venue.endMs = venue.now() + CHAOS_MS;
      const pushing = pushFrames();
      await until('the chaos to end', async () => venue.now() >= venue.endMs, 60_000);
      chaotic = false;
      await pushing;
      // Some calm: a minute ends, and everybody asks once more.
      const calmMs = venue.endMs + 2 * MINUTE;
      await until('the calm', async () => venue.now() >= calmMs, 60_000);
      standIn.push('userFills', null, { channel: 'userFills', data: { user: USER, fills: [] } });
      await until('the watermark', async () => (await watermark()) >= calmMs, 20_000);
      await until('the ledger', async () => (await ledgerIds()).length === venue.executions.length + 2, 20_000);
    } finally {
      await feed.stop();
      await workers.close(5000);
    }
    expect(venue.executions.length).toBeGreaterThan(10);
    await compareLedger();
    await compareCandles();
    await comparePrices();
    await expectChaosWasHeard();
  }, 120_000);
});

const watermark = async () =>
  (await db.query<{ ms: number }>('SELECT watermark_ms AS ms FROM ingest_cursors'))[0]?.ms ?? 0;
const ledgerIds = async () => (await db.query<{ id: string }>('SELECT id FROM fills')).map((row) => row.id).sort();

async function compareLedger(): Promise<void> {
  const { fills } = parseUserFills(venue.executions, OWNER);
  const others = [openingId('alpha'), `hyperliquid:alpha:funding:BTC:${HOUR + 46}`];
  expect(await ledgerIds()).toEqual([...fills.map((fill) => fill.id), ...others].sort());
  const truth = foldFills(
    fills.map((fill) => ({ ...fill, modelId: 'alpha' })),
    { sizeDecimals: 1, priorTrades: new Map() },
  );
  const trades = await db.query<{ id: string; net: number }>(
    'SELECT id, realized_net_pnl AS net FROM trades WHERE voided_at IS NULL ORDER BY id',
  );
  expect(trades.map(({ id }) => id)).toEqual(truth.trades.map(({ id }) => id).sort());
  for (const { id, net } of trades)
    expect(net).toBeCloseTo(truth.trades.find((trade) => trade.id === id)?.realizedNetPnl ?? Number.NaN, 8);
  const open = await db.query(`SELECT quantity FROM positions WHERE status = 'open'`);
  expect(open).toEqual(truth.positions.filter((each) => each.status === 'open').map(({ quantity }) => ({ quantity })));
}

async function compareCandles(): Promise<void> {
  const rows = await db.query<{ symbol: string; t: number; o: number; h: number; l: number; c: number }>(
    'SELECT symbol, open_ts_ms AS t, o, h, l, c FROM price_candles ORDER BY symbol, open_ts_ms',
  );
  const untilMs = slotAt(venue.endMs, MINUTE);
  for (const symbol of LISTED) {
    const own = rows.filter((row) => row.symbol === symbol && row.t < untilMs);
    const minutes = (untilMs - (own[0]?.t ?? 0)) / MINUTE;
    expect(own[0]?.t).toBeLessThanOrEqual(START);
    expect(own, symbol).toHaveLength(minutes);
    for (const { t, o, h, l, c } of own) {
      const truth = venue.bar(symbol, t, t + MINUTE);
      expect([o, h, l, c], `${symbol} ${t}`).toEqual([truth.o, truth.h, truth.l, truth.c].map(Number));
    }
  }
}

async function comparePrices(): Promise<void> {
  const latest = await db.query<{ symbol: string; price: number }>(
    'SELECT symbol, price FROM price_latest ORDER BY symbol',
  );
  const last = Math.floor((venue.endMs - START) / STEP_MS);
  expect(latest.map(({ symbol }) => symbol)).toEqual(LISTED.toSorted());
  for (const { symbol, price } of latest) expect(price, symbol).toBeCloseTo(venue.price(symbol, last), 8);
  const ticks = await db.query<{ symbol: string; ms: number; price: number }>(
    `SELECT symbol, ts_ms AS ms, price FROM price_ticks WHERE source = 'bbo'`,
  );
  expect(ticks.length).toBeGreaterThan(100);
  for (const { symbol, ms, price } of ticks) expect(price).toBeCloseTo(venue.price(symbol, (ms - START) / STEP_MS), 8);
}

/** The chaos took place, was counted, and did not take the good subscriptions down. */
async function expectChaosWasHeard(): Promise<void> {
  const { metrics } = run.resources;
  const refused = (await metrics.providerRefused.get()).values.map(({ labels }) => labels.what);
  expect(refused).toEqual(expect.arrayContaining(['frame', 'bbo', 'subscription']));
  const reconnects = (await metrics.feedReconnects.get()).values.reduce((sum, { value }) => sum + value, 0);
  expect(reconnects).toBeGreaterThan(2);
  const requests = (await metrics.providerRequests.get()).values.filter(({ labels }) => labels.outcome === '502');
  expect(requests.length).toBeGreaterThan(0);
}
