import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Candle } from '../../src/domain/market.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import type { Database } from '../../src/store/database.ts';
import { ingestCursor } from '../../src/store/market.ts';
import { setClock } from '../harness.ts';
import { type Arena, arenaConfig, count, feed, never, openTestArena, PROVIDER, T0, tick, until } from './arena.ts';
import { withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
/** How long a frame of a live market waits for its prices. */
const LIVE_WAIT_MS = 3000;

let arena: Arena;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig());
});
afterEach(() => arena.run.close());

/** Stores what the market said and works it through, as an ingest does. */
const told = async (batch: Parameters<typeof feed>[1]) => {
  await feed(arena.db, batch);
  await arena.stories.exchange.match?.(never);
};
/** The arena's database, to which something happens before the first statement of this kind. */
function crashingBefore(pattern: RegExp, crash: () => Promise<void>): Database {
  let isUp = true;
  return new Proxy(arena.db, {
    get: (db, name) => {
      if (name !== 'query') return Reflect.get(db, name, db);
      return async (text: string, values?: unknown[]) => {
        if (isUp && pattern.test(text)) {
          isUp = false;
          await crash();
        }
        return db.query(text, values);
      };
    },
  });
}
/** The arena's database, how many statements of this kind it was sent, and how many of them it has answered. */
function counting(pattern: RegExp) {
  let [sent, answered] = [0, 0];
  const db: Database = new Proxy(arena.db, {
    get: (target, name) => {
      if (name !== 'query') return Reflect.get(target, name, target);
      return async (text: string, values?: unknown[]) => {
        const counts = pattern.test(text);
        if (counts) sent += 1;
        const rows = await target.query(text, values);
        if (counts) answered += 1;
        return rows;
      };
    },
  });
  return { db, sent: () => sent, answered: () => answered };
}
const forget = () => arena.db.query('DELETE FROM market_frames');
const candle = (openTsMs: number, close: number): Candle => ({
  ...{ symbol: 'BTC', openTsMs, open: close, high: close, low: close },
  ...{ close, volume: 1 },
});

describe('the frame of a slot', () => {
  it('is the same for every model and process that asks, and stored once', async () => {
    await ingestPrices(arena.stories, T0, never);
    const other = new FrameBuilder(arena.stories);
    const frames = await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 ? other : arena.frames).frame(T0, never)),
    );
    frames.push(await new FrameBuilder(arena.stories).frame(T0, never));
    expect(new Set(frames.map((stored) => JSON.stringify(stored))).size).toBe(1);
    expect(frames[0]?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await count(arena.db, 'market_frames')).toBe(1);
    expect(Object.keys(frames[0]?.frame.assets ?? {})).toHaveLength(6);
  });

  it('comes to the same digest when it is built again from the same rows', async () => {
    await ingestPrices(arena.stories, T0, never);
    const first = await arena.frames.frame(T0, never);
    await forget();
    expect((await new FrameBuilder(arena.stories).frame(T0, never))?.digest).toBe(first?.digest);
    // Candles that a process remembers from the frame before are the same as those it reads.
    await ingestPrices(arena.stories, T0 + 10 * MINUTE_MS, never);
    const remembered = await arena.frames.frame(T0 + 10 * MINUTE_MS, never);
    await forget();
    const read = await new FrameBuilder(arena.stories).frame(T0 + 10 * MINUTE_MS, never);
    expect(remembered?.digest).toBe(read?.digest);
  });

  it('knows nothing that happened after the slot, and no candle that was still open', async () => {
    await ingestPrices(arena.stories, T0, never);
    const before = await arena.frames.frame(T0, never);
    await forget();
    const context = { midPrice: null, oraclePrice: null, fundingRate: 1, openInterest: 1, volume24h: 1 };
    await feed(arena.db, {
      ticks: [tick('BTC', T0 + 1, 1), tick('BTC', T0 + 5000, 1)],
      candles: [candle(T0 - MINUTE_MS + 1, 1), candle(T0, 1)],
      contexts: [{ symbol: 'BTC', tsMs: T0 + 1, markPrice: 1, ...context }],
      watermarkMs: T0 + 5000,
    });
    const after = await new FrameBuilder(arena.stories).frame(T0, never);
    expect(after?.digest).toBe(before?.digest);
    expect(after?.frame).toMatchObject({ slotMs: T0, watermarkMs: T0 });
    expect(Math.max(...Object.values(after?.frame.assets ?? {}).map(({ priceTsMs }) => priceTsMs))).toBe(T0);
  });

  it('knows the candle that closed at the very slot and the tick of its very moment', async () => {
    await told({ ticks: [tick('BTC', T0, 123)] });
    for (let back = 5; back >= 1; back -= 1)
      await told({ candles: [candle(T0 - back * MINUTE_MS, 100 + back)], watermarkMs: T0 });
    const stored = await arena.frames.frame(T0, never);
    expect(stored?.frame.assets.BTC).toMatchObject({ price: 123, closes: [101] });
  });

  it('is fixed once it is stored, whatever is learnt later', async () => {
    await ingestPrices(arena.stories, T0, never);
    const first = await arena.frames.frame(T0, never);
    await told({ ticks: [tick('BTC', T0 - 1, 1)], candles: [candle(T0 - 3 * MINUTE_MS, 1)] });
    await arena.db.query(`DELETE FROM price_ticks`);
    expect(await arena.frames.frame(T0, never)).toEqual(first);
    expect(await new FrameBuilder(arena.stories).frame(T0, never)).toEqual(first);
  });

  it('waits until the prices of its moment are there', async () => {
    await told({ ticks: [tick('BTC', T0 - 1000, 100)] });
    const building = arena.frames.frame(T0, never);
    await told({ ticks: [tick('BTC', T0, 101)] });
    expect((await building)?.frame).toMatchObject({ watermarkMs: T0, assets: { BTC: { price: 101 } } });
  });

  it('waits until the stops and margins are worked through up to its moment', async () => {
    await told({ ticks: [tick('BTC', T0, 100)] });
    const worked = [T0 - 1, T0 - 1, T0];
    const matchedUntil = async () => worked.shift() ?? T0;
    await new FrameBuilder(withExchange(arena.stories, { matchedUntil })).frame(T0, never);
    expect(worked).toEqual([]);
    expect(await arena.stories.exchange.matchedUntil?.()).toBe(T0);
  });

  it('is not built of prices that the database forgot after it had told how far they go', async () => {
    await told({ ticks: [tick('BTC', T0 - 1000, 100)] });
    const crashed = async () => {
      await arena.db.query('DELETE FROM price_ticks WHERE ts_ms > $1', [T0 - 1000]);
      await arena.db.query('UPDATE ingest_cursors SET watermark_ms = $1', [T0 - 1000]);
    };
    await told({ ticks: [tick('BTC', T0, 101)] });
    const builder = new FrameBuilder({ ...arena.stories, db: crashingBefore(/FROM ingest_cursors w JOIN/, crashed) });
    const building = builder.frame(T0, never);
    await until('the prices to be forgotten', async () => {
      return (await ingestCursor(arena.db, PROVIDER))?.watermarkMs === T0 - 1000;
    });
    await told({ ticks: [tick('BTC', T0, 101)] });
    expect((await building)?.frame).toMatchObject({ watermarkMs: T0, assets: { BTC: { price: 101 } } });
  });

  it('of a replay waits for its prices however long a crash holds them up', async () => {
    await told({ ticks: [tick('BTC', T0 - 1000, 100)] });
    const replayed = { ...arena.stories, clock: { ...arena.stories.clock, repeats: true } };
    const building = new FrameBuilder(replayed).frame(T0, never);
    await sleep(LIVE_WAIT_MS + 500);
    await told({ ticks: [tick('BTC', T0, 101)] });
    expect((await building)?.frame).toMatchObject({ watermarkMs: T0, assets: { BTC: { price: 101 } } });
  });

  it('of a replay does not wait in the place of a job for a slot that has to fire again', async () => {
    await ingestPrices(arena.stories, T0, never);
    await setClock(arena.db, T0);
    const frames = new FrameBuilder({ ...arena.stories, clock: { ...arena.stories.clock, repeats: true } });
    await expect(frames.frame(T0 + MINUTE_MS, never)).rejects.toMatchObject({
      code: 'NOF0_FRAME_MISSING',
      details: { retryAfterMs: expect.any(Number) },
    });
    await setClock(arena.db, T0 + MINUTE_MS);
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    expect((await frames.frame(T0 + MINUTE_MS, never))?.frame.watermarkMs).toBe(T0 + MINUTE_MS);
  });

  it('of a replay is not built of what was read ahead of its prices', async () => {
    const replayed = { ...arena.stories, clock: { ...arena.stories.clock, repeats: true } };
    const read = counting(/FROM ingest_cursors w JOIN/);
    const building = new FrameBuilder({ ...replayed, db: read.db }).frame(T0, never);
    await until('the market to be read', async () => read.answered() === 1);
    await told({ ticks: [tick('BTC', T0, 101)] });
    expect((await building)?.frame).toMatchObject({ watermarkMs: T0, assets: { BTC: { price: 101 } } });
    expect(read.sent()).toBe(2);
  });

  it('of a live market that waits in vain is built on what is there, and what came too late is in the next one', async () => {
    await ingestPrices(arena.stories, T0, never);
    await arena.frames.frame(T0, never);
    const starved = await arena.frames.frame(T0 + 15 * MINUTE_MS, never);
    expect(starved?.frame.watermarkMs).toBe(T0);
    await ingestPrices(arena.stories, T0 + 30 * MINUTE_MS, never);
    const next = await arena.frames.frame(T0 + 30 * MINUTE_MS, never);
    await forget();
    const elsewhere = await new FrameBuilder(arena.stories).frame(T0 + 30 * MINUTE_MS, never);
    expect(next?.digest).toBe(elsewhere?.digest);
  });

  it('of a late slot is used when there is one and never built when there is none', async () => {
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    expect(await arena.frames.frame(T0, never, false)).toBeNull();
    expect(await count(arena.db, 'market_frames')).toBe(0);
    const built = await arena.frames.frame(T0, never);
    expect(await new FrameBuilder(arena.stories).frame(T0, never, false)).toEqual(built);
  });

  it('does not exist before the first price', async () => {
    await told({ watermarkMs: T0 });
    await expect(arena.frames.frame(T0, never)).rejects.toMatchObject({ code: 'NOF0_FRAME_MISSING' });
    // The failure is not remembered.
    await told({ ticks: [tick('BTC', T0, 100)] });
    expect(await arena.frames.frame(T0, never)).not.toBeNull();
  });

  it('is looked up once for all who ask at the same moment, and built once', async () => {
    await ingestPrices(arena.stories, T0, never);
    const lookUps = counting(/LEFT JOIN market_frames/);
    const builder = new FrameBuilder({ ...arena.stories, db: lookUps.db });
    const asked = [false, true, true, false, true].map((mayBuild) => builder.frame(T0, never, mayBuild));
    const [late, ...frames] = await Promise.all(asked);
    expect(lookUps.sent()).toBe(1);
    // Who may not build has none as long as nobody else builds; after that he shares it.
    expect(late).toBeNull();
    expect(new Set(frames.map((stored) => stored?.digest))).toEqual(new Set([frames[0]?.digest]));
    expect(frames[0]).not.toBeNull();
    await builder.frame(T0, never);
    expect(lookUps.sent()).toBe(1);
  });

  it('is looked up again after a look-up that failed', async () => {
    await ingestPrices(arena.stories, T0, never);
    const failing = async () => {
      throw new Error('connection reset');
    };
    const builder = new FrameBuilder({ ...arena.stories, db: crashingBefore(/LEFT JOIN market_frames/, failing) });
    const asked = await Promise.allSettled([builder.frame(T0, never), builder.frame(T0, never)]);
    expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await builder.frame(T0, never)).not.toBeNull();
  });

  it('comes to those who share it although the job that began to build it is given up', async () => {
    await told({ ticks: [tick('BTC', T0 - 1000, 100)] });
    const job = new AbortController();
    const first = arena.frames.frame(T0, job.signal);
    const second = arena.frames.frame(T0, never);
    job.abort(new Error('shutting down'));
    await expect(first).rejects.toThrow();
    await told({ ticks: [tick('BTC', T0, 101)] });
    expect((await second)?.frame).toMatchObject({ watermarkMs: T0, assets: { BTC: { price: 101 } } });
  });

  it('is given up when the job is', async () => {
    const job = new AbortController();
    const building = arena.frames.frame(T0, job.signal);
    job.abort(new Error('shutting down'));
    await expect(building).rejects.toThrow();
    expect(await count(arena.db, 'market_frames')).toBe(0);
  });
});
