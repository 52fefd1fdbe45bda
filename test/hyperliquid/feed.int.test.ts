import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Stories } from '../../src/engine/context.ts';
import { ingestPushed } from '../../src/engine/ingest-prices.ts';
import { PricePusher } from '../../src/engine/push-prices.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import type { FeedSink } from '../../src/market/market-data.ts';
import { type RunningFeed, startFeed } from '../../workers/feed.ts';
import { arenaConfig, count, never, until } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';

const NOW = Date.UTC(2026, 8, 1, 12);
let run: TestRun;
let base: Stories;
/** Sinks of feeds that are open now. */
const open = new Set<FeedSink>();

beforeAll(async () => {
  run = await createRun({ config: arenaConfig() });
  base = (await run.stories()).stories;
  await registerArena(base, run.resources.run, NOW);
});
afterAll(() => run.close());

/** The run's stories on a market whose feed only says that it is open. */
function listening(): Stories {
  const market = {
    ...base.market,
    assets: () => base.market.assets(),
    openFeed: async (sink: FeedSink) => {
      open.add(sink);
      return { close: async () => void open.delete(sink) };
    },
  };
  return { ...base, market };
}

describe('the feed of a provider', () => {
  it('has one holder; when it stops or dies another follows', async () => {
    const feeds: RunningFeed[] = [1, 2, 3].map(() => startFeed(run.resources, listening(), 600));
    const holders = () => feeds.filter((feed) => feed.holds());
    await until('a holder', async () => holders().length === 1 && open.size === 1);
    const [first] = holders();
    await first?.stop();
    await until('its follower', async () => holders().length === 1 && open.size === 1);
    expect(holders()[0]).not.toBe(first);
    // Dead, for the others: its lock is somebody else's now.
    await run.resources.queueRedis.del(run.resources.keys.feedLock(base.market.provider));
    await until('one holder again', async () => holders().length === 1 && open.size === 1);
    await Promise.all(feeds.map((feed) => feed.stop()));
    expect(open.size).toBe(0);
  });
});

describe('what a feed heard', () => {
  const tick = (tsMs: number, price: number, symbol = 'BTC') => ({ symbol, tsMs, price, source: 'bbo' });
  const batch = (id: string, ticks: ReturnType<typeof tick>[], watermarkMs = 0) => ({
    id,
    ticks,
    candles: [],
    contexts: [],
    fundings: [],
    watermarkMs,
  });
  const latest = () => base.db.query(`SELECT price, ts_ms AS "tsMs" FROM price_latest WHERE symbol = 'BTC'`);

  it('is known by its keys: late, repeated and out of order it changes nothing; strangers are refused', async () => {
    await ingestPushed(base, batch('b', [tick(NOW + 2000, 12), tick(NOW + 1000, 11)], NOW + 2000), NOW, never);
    await ingestPushed(base, batch('a', [tick(NOW + 500, 10), tick(NOW + 2000, 99)], NOW + 1000), NOW, never);
    await ingestPushed(base, batch('a', [tick(NOW + 500, 10)], NOW + 1000), NOW, never);
    await ingestPushed(base, batch('c', [tick(NOW + 9000, 1, 'NOPE')]), NOW, never);
    const counted = async (name: 'ticksIngested' | 'ticksRepeated' | 'ticksLate' | 'ticksRefused') =>
      (await base.metrics[name].get()).values[0]?.value;
    expect([
      await counted('ticksIngested'),
      await counted('ticksRepeated'),
      await counted('ticksLate'),
      await counted('ticksRefused'),
    ]).toEqual([3, 2, 2, 1]);
    expect(await latest()).toEqual([{ price: 12, tsMs: NOW + 2000 }]);
    expect(await count(base.db, `price_ticks WHERE symbol = 'BTC'`)).toBe(3);
    expect(await count(base.db, `price_ticks WHERE symbol = 'NOPE'`)).toBe(0);
    expect(await base.db.query('SELECT watermark_ms AS ms FROM ingest_cursors')).toEqual([{ ms: NOW + 2000 }]);
  });

  it('waits while the database is away, and goes into the outbox in jobs that are not too large', async () => {
    let away = true;
    const db = new Proxy(base.db, {
      get(target, name) {
        if (name === 'query' && away) return () => Promise.reject(new Error('gone'));
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const stories: Stories = { ...base, db, drain: async () => {} };
    const pusher = new PricePusher(stories, { source: 'test', flushMs: 3_600_000, maxRows: 2 });
    pusher.rows({ ticks: [tick(NOW + 3000, 1), tick(NOW + 3001, 2), tick(NOW + 3002, 3)] });
    pusher.covered(NOW + 3002);
    await pusher.flush();
    expect(await count(base.db, `effects WHERE target LIKE 'price-ingest%test-%'`)).toBe(0);
    away = false;
    await pusher.close();
    const jobs = await base.db.query<{ n: number; ms: number }>(
      `SELECT cardinality(string_to_array(payload->'data'->'batch'->'ticks'->>'rows', E'\\n')) AS n, (payload->'data'->'batch'->>'watermarkMs')::float8 AS ms
       FROM effects WHERE target LIKE 'price-ingest%test-%' ORDER BY id`,
    );
    expect(jobs).toEqual([
      { n: 2, ms: 0 },
      { n: 1, ms: NOW + 3002 },
    ]);
  });

  it('becomes a job as soon as it is enough for one, but while the workers are behind it waits and becomes a larger one', async () => {
    const burst = (from: number) => Array.from({ length: 200 }, (_, i) => tick(NOW + 10_000 + from + i, 1 + i));
    const sizes = async () => {
      const rows = await base.db.query<{ n: number }>(
        `SELECT cardinality(string_to_array(payload->'data'->'batch'->'ticks'->>'rows', E'\\n')) AS n
         FROM effects WHERE target LIKE 'price-ingest%busy-%' ORDER BY id`,
      );
      return rows.map(({ n }) => n);
    };
    let looks = 0;
    const db = new Proxy(base.db, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (String(args[0]).startsWith('SELECT id, target FROM effects')) looks += 1;
          return value.apply(target, args) as unknown;
        };
      },
    });
    const pusher = new PricePusher({ ...base, db, drain: async () => {} }, { source: 'busy', flushMs: 3_600_000 });
    pusher.rows({ ticks: burst(0) });
    await until('the first job', async () => (await sizes()).length === 1);
    pusher.rows({ ticks: burst(1000) });
    await until('the second job', async () => (await sizes()).length === 2);
    pusher.rows({ ticks: burst(2000) });
    await until('a look at what is left to do', async () => looks > 0);
    pusher.rows({ ticks: burst(3000) });
    expect(await sizes()).toEqual([200, 200]);
    await base.db.query(`DELETE FROM effects WHERE target LIKE 'price-ingest%busy-%'`);
    await until('the job of all that waited', async () => (await sizes()).length === 1);
    expect(await sizes()).toEqual([400]);
    await pusher.close();
  });
});
