/** The changes that a context is stored with, against what the same candles say read from scratch. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeOver } from '../../src/domain/indicators.ts';
import type { AssetContext, Candle } from '../../src/domain/market.ts';
import { uniform } from '../../src/domain/random.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { type Arena, arenaConfig, cached, feed, never, one, openTestArena, PROVIDER, T0 } from './arena.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m' }));
});
afterAll(() => arena.run.close());

function candle(openTsMs: number, close: number): Candle {
  return { symbol: 'BTC', openTsMs, open: close, high: close, low: close, close, volume: 1 };
}

function context(tsMs: number): AssetContext {
  const unknown = { midPrice: null, oraclePrice: null, fundingRate: null, openInterest: null, volume24h: null };
  return { symbol: 'BTC', tsMs, markPrice: 1, ...unknown };
}

const stored = (tsMs: number) =>
  one<{ hour: number | null; four: number | null }>(
    arena.db,
    `SELECT change_1h AS hour, change_4h AS four FROM market_asset_ctx WHERE symbol = 'BTC' AND ts_ms = $1`,
    [tsMs],
  );

describe('a stored context', () => {
  it('has no change without the history that it needs', async () => {
    await feed(arena.db, { contexts: [context(T0 - 20 * HOUR_MS)], watermarkMs: T0 - 20 * HOUR_MS });
    expect(await stored(T0 - 20 * HOUR_MS)).toEqual({ hour: null, four: null });
  });

  it('has those of the candles that were known, of its own batch and before it, with gaps and out of order', async () => {
    const draw = (index: number) => uniform('changes', index);
    const candles = Array.from({ length: 900 }, (_, i) => candle(T0 + i * MINUTE_MS, 100 + 20 * draw(i)))
      // Some are missing here and there, and a long stretch of more than two hours.
      .filter((_, i) => draw(1000 + i) < 0.7 && (i < 420 || i > 560));
    const known: Candle[] = [];
    for (let from = 0; from < candles.length; ) {
      const size = 1 + Math.floor(40 * draw(2000 + from));
      const batch = candles.slice(from, from + size);
      from += size;
      known.push(...batch);
      const tsMs = (batch.at(-1)?.openTsMs ?? 0) + Math.floor(3 * MINUTE_MS * draw(3000 + from));
      await feed(arena.db, { candles: batch.toReversed(), contexts: [context(tsMs)], watermarkMs: tsMs });
      const expected = { hour: changeOver(known, HOUR_MS, tsMs), four: changeOver(known, 4 * HOUR_MS, tsMs) };
      const row = await stored(tsMs);
      for (const span of ['hour', 'four'] as const) {
        if (expected[span] === null) expect(row[span]).toBeNull();
        else expect(row[span]).toBeCloseTo(expected[span], 12);
      }
    }
    const counted = await one<{ hours: number; fours: number; none: number }>(
      arena.db,
      'SELECT count(change_1h) AS hours, count(change_4h) AS fours, count(*) - count(change_1h) AS none FROM market_asset_ctx',
    );
    expect(counted).toEqual({ hours: expect.any(Number), fours: expect.any(Number), none: expect.any(Number) });
    for (const each of Object.values(counted)) expect(each).toBeGreaterThan(3);
  });

  it('keeps its changes when it comes again after a candle that was late', async () => {
    const newest = 'SELECT * FROM market_asset_ctx ORDER BY ts_ms DESC LIMIT 1';
    const before = await one<{ ts_ms: number }>(arena.db, newest);
    const late = candle(Math.floor(before.ts_ms / MINUTE_MS) * MINUTE_MS - MINUTE_MS, 1);
    await arena.db.query(`DELETE FROM price_candles WHERE symbol = 'BTC' AND open_ts_ms = $1`, [late.openTsMs]);
    await feed(arena.db, { candles: [late], watermarkMs: before.ts_ms + 1 });
    await feed(arena.db, { contexts: [context(before.ts_ms)], watermarkMs: before.ts_ms + 2 });
    expect(await one(arena.db, newest)).toEqual(before);
  });
});

it('says the same as the key of the context, where both speak of one moment', async () => {
  const other = await openTestArena(arenaConfig({ history: '48h' }));
  try {
    await ingestPrices(other.stories, T0, never);
    const rows = await other.db.query<{ symbol: string; tsMs: number; hour: number; four: number }>(
      'SELECT symbol, ts_ms AS "tsMs", change_1h AS hour, change_4h AS four FROM market_asset_ctx ORDER BY symbol',
    );
    expect(rows).toHaveLength(6);
    for (const { symbol, tsMs, hour, four } of rows) {
      const shown = (await cached(other.run, 'marketCtx', PROVIDER, symbol)) as {
        change_1h: number;
        change_4h: number;
      };
      expect(tsMs).toBe(T0);
      expect(hour).toBeCloseTo(shown.change_1h, 12);
      expect(four).toBeCloseTo(shown.change_4h, 12);
    }
  } finally {
    await other.run.close();
  }
});
