import { afterEach, describe, expect, it } from 'vitest';
import type { MarketBatch } from '../../src/domain/market.ts';
import type { Stories } from '../../src/engine/context.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { candlesBetween, ingestCursor } from '../../src/store/market.ts';
import { setClock } from '../harness.ts';
import { type Arena, arenaConfig, count, feed, never, one, openTestArena, PROVIDER, T0, tick, until } from './arena.ts';
import { withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SYMBOLS = 6;

let arena: Arena;
afterEach(() => arena.run.close());

const openQuick = () => openTestArena(arenaConfig({ history: '30m' }));

/** The stories with a market that also says this. */
function saying(stories: Stories, extra: Partial<MarketBatch>): Stories {
  const fetch: Stories['market']['fetch'] = async (fromMs, toMs, signal) => {
    const batch = await stories.market.fetch(fromMs, toMs, signal);
    return {
      ...batch,
      ticks: [...batch.ticks, ...(extra.ticks ?? [])],
      candles: [...batch.candles, ...(extra.candles ?? [])],
    };
  };
  return {
    ...stories,
    market: { ...stories.market, provider: PROVIDER, assets: () => stories.market.assets(), fetch },
  };
}

/** Everything the market's tables hold, without what the wall clock wrote. */
const stored = () =>
  one(
    arena.db,
    `SELECT (SELECT jsonb_agg(to_jsonb(t) - 'id' - 'ingested_at' ORDER BY seq) FROM price_ticks t) AS ticks,
            (SELECT jsonb_agg(to_jsonb(f) ORDER BY seq) FROM funding_rates f) AS fundings,
            (SELECT jsonb_agg(to_jsonb(c) ORDER BY symbol, open_ts_ms) FROM price_candles c) AS candles,
            (SELECT jsonb_agg(to_jsonb(l) - 'updated_at' ORDER BY symbol) FROM price_latest l) AS latest,
            (SELECT jsonb_agg(to_jsonb(x) ORDER BY symbol, ts_ms) FROM market_asset_ctx x) AS contexts,
            (SELECT jsonb_agg(to_jsonb(c) - 'updated_at') FROM ingest_cursors c) AS cursors`,
  );

describe('a stretch of the market', () => {
  it('is stored with its history, its newest prices and its watermark', async () => {
    arena = await openQuick();
    expect(await ingestPrices(arena.stories, T0, never)).toEqual({ kind: 'done', note: { ticks: true } });
    expect(await ingestPrices(arena.stories, T0 + MINUTE_MS, never)).toMatchObject({ kind: 'done' });
    const batch = await arena.stories.market.fetch(T0, T0 + MINUTE_MS);
    expect(await count(arena.db, 'price_ticks')).toBe(SYMBOLS + batch.ticks.length);
    expect(await count(arena.db, 'price_candles')).toBe(31 * SYMBOLS);
    expect((await ingestCursor(arena.db, PROVIDER))?.watermarkMs).toBe(T0 + MINUTE_MS);
    const latest = await arena.db.query<{ symbol: string; price: number; tsMs: number }>(
      'SELECT symbol, price, ts_ms AS "tsMs" FROM price_latest ORDER BY symbol',
    );
    const newest = batch.ticks.filter((each) => each.tsMs === T0 + MINUTE_MS);
    expect(latest).toEqual(
      newest.map(({ symbol, price, tsMs }) => ({ symbol, price, tsMs })).sort((a, b) => (a.symbol < b.symbol ? -1 : 1)),
    );
    const { candles: bySymbol } = await candlesBetween(arena.db, PROVIDER, T0, T0 + MINUTE_MS);
    const candles = bySymbol.get('BTC');
    expect(candles).toEqual(batch.candles.filter(({ symbol }) => symbol === 'BTC'));
  });

  it('is numbered in the order of time, funding prints between the ticks before and after them', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0 - 2000, never);
    await ingestPrices(arena.stories, T0 + 2000, never);
    const events = await arena.db.query<{ seq: number; tsMs: number; kind: string }>(
      `SELECT seq, ts_ms AS "tsMs", 'tick' AS kind FROM price_ticks UNION ALL SELECT seq, ts_ms, 'funding' FROM funding_rates ORDER BY seq`,
    );
    expect(events.map(({ tsMs }) => tsMs)).toEqual(events.map(({ tsMs }) => tsMs).sort((a, b) => a - b));
    expect(new Set(events.map(({ seq }) => seq)).size).toBe(events.length);
    expect(events.filter(({ kind }) => kind === 'funding').map(({ tsMs }) => tsMs)).toEqual(Array(SYMBOLS).fill(T0));
  });

  it('of a replay goes on where the last one ended, also where a crash has taken that back', async () => {
    arena = await openQuick();
    const told = saying(arena.stories, {});
    const asked: (number | null)[] = [];
    const replayed: Stories = {
      ...told,
      market: {
        ...told.market,
        extent: { startMs: T0 - MINUTE_MS, endMs: T0 + 10 * MINUTE_MS },
        fetch: (fromMs, toMs, signal) => {
          asked.push(fromMs);
          return told.market.fetch(fromMs, toMs, signal);
        },
      },
    };
    await ingestPrices(replayed, T0, never);
    await ingestPrices(replayed, T0 + MINUTE_MS, never);
    await arena.db.query('DELETE FROM price_ticks WHERE ts_ms > $1', [T0]);
    await arena.db.query('UPDATE ingest_cursors SET watermark_ms = $1', [T0]);
    expect(await ingestPrices(replayed, T0 + 2 * MINUTE_MS, never)).toMatchObject({ kind: 'done' });
    expect(asked).toEqual([null, T0, T0 + MINUTE_MS, T0]);
    const { ticks } = await told.market.fetch(T0, T0 + 2 * MINUTE_MS);
    expect(await count(arena.db, 'price_ticks')).toBe(SYMBOLS + ticks.length);
    expect((await ingestCursor(arena.db, PROVIDER))?.watermarkMs).toBe(T0 + 2 * MINUTE_MS);
    expect(await ingestPrices(replayed, T0 + 2 * MINUTE_MS, never)).toMatchObject({ kind: 'skipped' });
  });

  it('beyond the clock of a replay waits until its slot has fired again', async () => {
    arena = await openQuick();
    await setClock(arena.db, T0 + MINUTE_MS);
    await ingestPrices(arena.stories, T0, never);
    const before = await stored();
    const early = await ingestPrices(arena.stories, T0 + 2 * MINUTE_MS, never);
    expect(early).toMatchObject({ kind: 'snoozed', reason: expect.stringContaining('fires again') });
    expect(await stored()).toEqual(before);
    expect(await ingestPrices(arena.stories, T0 + MINUTE_MS, never)).toMatchObject({ kind: 'done' });
    expect((await ingestCursor(arena.db, PROVIDER))?.watermarkMs).toBe(T0 + MINUTE_MS);
    await setClock(arena.db, T0 + 2 * MINUTE_MS);
    expect(await ingestPrices(arena.stories, T0 + 2 * MINUTE_MS, never)).toMatchObject({ kind: 'done' });
    expect((await ingestCursor(arena.db, PROVIDER))?.watermarkMs).toBe(T0 + 2 * MINUTE_MS);
  });

  it('is stored once: the job run again changes nothing', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    await ingestPrices(arena.stories, T0 + 5000, never);
    const before = await stored();
    expect(await ingestPrices(arena.stories, T0 + 5000, never)).toMatchObject({ kind: 'skipped' });
    expect(await ingestPrices(arena.stories, T0 + 1000, never)).toMatchObject({ kind: 'skipped' });
    expect(await stored()).toEqual(before);
  });

  it('is stored once by workers that ingest it at the same time', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, () => ingestPrices(arena.stories, T0 + 10_000, never)),
    );
    expect(outcomes.filter((outcome) => outcome.kind === 'done' && outcome.note?.ticks === true)).toHaveLength(1);
    const together = await stored();
    await arena.run.close();
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    await ingestPrices(arena.stories, T0 + 10_000, never);
    expect(together).toEqual(await stored());
  });

  it('that overlaps with another worker leaves no gap behind for the next one', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    await Promise.all([1000, 4000, 2000, 3000].map((ms) => ingestPrices(arena.stories, T0 + ms, never)));
    await ingestPrices(arena.stories, T0 + 6000, never);
    const times = await arena.db.query<{ tsMs: number }>(
      `SELECT ts_ms AS "tsMs" FROM price_ticks WHERE symbol = 'BTC' ORDER BY ts_ms`,
    );
    expect(times.map(({ tsMs }) => tsMs - T0)).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000]);
  });

  it('in which the job is aborted stores nothing', async () => {
    arena = await openQuick();
    const aborted = AbortSignal.abort(new Error('shutting down'));
    await expect(ingestPrices(arena.stories, T0, aborted)).rejects.toThrow('shutting down');
    expect(await count(arena.db, 'price_ticks')).toBe(0);
    expect((await ingestCursor(arena.db, PROVIDER))?.watermarkMs).toBe(0);
  });
});

describe('ticks', () => {
  it('of symbols that nobody knows are refused and counted', async () => {
    arena = await openQuick();
    const strange = [tick('PEPE', T0, 1), tick('PEPE', T0 + 1, 2)];
    await ingestPrices(saying(arena.stories, { ticks: strange }), T0, never);
    expect(await count(arena.db, `price_ticks WHERE symbol = 'PEPE'`)).toBe(0);
    expect(await count(arena.db, `price_latest WHERE symbol = 'PEPE'`)).toBe(0);
    expect(await one(arena.db, 'SELECT refused FROM ingest_cursors')).toEqual({ refused: 2 });
    const metric = await arena.stories.metrics.ticksRefused.get();
    expect(metric.values[0]?.value).toBe(2);
  });

  it('older than the newest price are stored without replacing it, and one that is there already is left alone', async () => {
    arena = await openQuick();
    await feed(arena.db, { ticks: [tick('BTC', T0, 100_000)] });
    await feed(arena.db, { ticks: [tick('BTC', T0 - 1000, 90_000), tick('BTC', T0, 80_000)], watermarkMs: T0 });
    expect(await one(arena.db, `SELECT price, ts_ms AS "tsMs" FROM price_latest WHERE symbol = 'BTC'`)).toEqual({
      price: 100_000,
      tsMs: T0,
    });
    const prices = await arena.db.query(`SELECT price FROM price_ticks WHERE symbol = 'BTC' ORDER BY ts_ms`);
    expect(prices).toEqual([{ price: 90_000 }, { price: 100_000 }]);
  });

  it('of another day find the partition of that day made for them', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    const nextDayMs = Math.ceil(T0 / DAY_MS) * DAY_MS;
    await ingestPrices(arena.stories, nextDayMs + 1000, never);
    const partitions = await arena.db.query<{ part: string }>(
      'SELECT DISTINCT tableoid::regclass::text AS part FROM price_ticks ORDER BY part',
    );
    expect(partitions.map(({ part }) => part)).toEqual(['price_ticks_20250915', 'price_ticks_20250916']);
  });
});

describe('accounts with fills that their ledger does not know', () => {
  it('are asked to fetch them, which is promised again until the ledger has them', async () => {
    arena = await openQuick();
    await ingestPrices(arena.stories, T0, never);
    const { exchange } = arena.stories;
    const order = { cloid: 'c1', symbol: 'SOL', side: 'buy', size: 1, kind: 'market' } as const;
    const rest = { triggerPrice: null, reduceOnly: false, leverage: 1 };
    await exchange.send(exchange.prepare('holder', [{ ...order, ...rest }], T0, T0 + 10_000), T0, never);
    await ingestPrices(arena.stories, T0 + 1000, never);
    const effects = await arena.db.query<{ target: string; payload: object }>(
      `SELECT target, payload FROM effects WHERE kind = 'enqueue'`,
    );
    expect(effects).toMatchObject([
      {
        target: 'trade-ingest_holder',
        payload: { job: 'trade-ingest', data: { modelId: 'holder', provider: 'paper', fills: [], asOfMs: T0 + 1000 } },
      },
    ]);
    // It reached the queue, and the row stays until the job's consumer has finished.
    const queue = arena.run.resources.queues.all().find(({ name }) => name === 'trade-ingest');
    await until('the job in the queue', async () => (await queue?.getWaitingCount()) === 1);
    // Covered ticks do not make it forget them.
    expect(await ingestPrices(arena.stories, T0 + 1000, never)).toMatchObject({ kind: 'done' });
    expect(await count(arena.db, `effects WHERE kind = 'enqueue'`)).toBe(2);
  });
});

it('refreshes the price keys behind its commit', async () => {
  arena = await openQuick();
  await ingestPrices(arena.stories, T0, never);
  const { resources } = arena.run;
  const btc = await resources.cacheRedis.hget(resources.keys.key('cryptoPrices', []), `${PROVIDER}:BTC`);
  expect(JSON.parse(btc ?? 'null')).toMatchObject({ symbol: 'BTC', timestamp: T0 });
  expect(await count(arena.db, `effects WHERE kind = 'project'`)).toBe(0);
});

it('refreshes them also when the exchange fails, which the next try works through', async () => {
  arena = await openQuick();
  const match = async () => {
    throw new Error('connection reset');
  };
  await expect(ingestPrices(withExchange(arena.stories, { match }), T0, never)).rejects.toThrow('connection reset');
  const { resources } = arena.run;
  expect(await resources.cacheRedis.hlen(resources.keys.key('cryptoPrices', []))).toBe(SYMBOLS);
  await ingestPrices(arena.stories, T0, never);
  expect(await arena.stories.exchange.matchedUntil?.()).toBe(T0);
});
