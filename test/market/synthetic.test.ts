import { describe, expect, it } from 'vitest';
import { CANDLE_INTERVAL_MS, type MarketBatch } from '../../src/domain/market.ts';
import { CodedError } from '../../src/errors.ts';
import { openMarket } from '../../src/market/index.ts';
import type { MarketData } from '../../src/market/market-data.ts';
import { syntheticMarket } from '../../src/market/synthetic.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOON = Date.UTC(2025, 6, 22, 12);
const SYMBOLS = ['BTC', 'ETH', 'SOL', 'BNB', 'DOGE', 'XRP'];

const open = (seed = 'seed', historyMs = HOUR, tickMs = 1000): MarketData =>
  syntheticMarket({ seed, historyMs, tickMs });

/** The stretch cut at the given times, each piece asked on its own; contexts are left out, they belong to a fetch's end. */
async function inPieces(market: MarketData, cuts: readonly number[], order: 'forward' | 'backward') {
  const pieces = cuts.slice(1).map((to, i) => ({ from: cuts[i] ?? 0, to }));
  const answers = new Map<number, MarketBatch>();
  for (const { from, to } of order === 'forward' ? pieces : pieces.toReversed()) {
    answers.set(to, await market.fetch(from, to));
  }
  const batches = pieces.flatMap(({ to }) => answers.get(to) ?? []);
  return {
    ticks: batches.flatMap((batch) => batch.ticks),
    candles: batches.flatMap((batch) => batch.candles),
    fundings: batches.flatMap((batch) => batch.fundings),
  };
}

function annualisedVolatility(closes: readonly number[], minutesApart: number): number {
  const picked = closes.filter((_, i) => i % minutesApart === 0).map(Math.log);
  const squares = picked.slice(1).map((log, i) => (log - (picked[i] ?? log)) ** 2);
  return Math.sqrt((squares.reduce((a, b) => a + b, 0) / squares.length) * ((365 * DAY) / MINUTE / minutesApart));
}

describe('synthetic market: the same whoever asks', () => {
  it('answers a stretch and its pieces alike, in any order and from any instance', async () => {
    const cuts = [-30_000, -29_999, -12_345, -1, 0, 1, 999, 1000, 17_001, 60_000, 90_000].map(
      (offset) => NOON + offset,
    );
    const { ticks, candles, fundings } = await open().fetch(NOON - 30_000, NOON + 90_000);
    const whole = { ticks, candles, fundings };
    expect([ticks.length, candles.length, fundings.length]).toEqual([120 * 6, 2 * 6, 6]);
    expect(await inPieces(open(), cuts, 'forward')).toEqual(whole);
    expect(await inPieces(open(), cuts, 'backward')).toEqual(whole);
  });

  it('gives candles and prints of a first fetch that equal those fetched minute by minute', async () => {
    const market = open();
    const first = await market.fetch(null, NOON + 20_000);
    const cuts = Array.from({ length: 61 }, (_, i) => NOON - HOUR + 20_000 + i * MINUTE);
    const { candles, fundings } = await inPieces(open(), cuts, 'backward');
    expect({ candles: first.candles, fundings: first.fundings }).toEqual({ candles, fundings });
    expect(candles).toHaveLength(60 * 6);
  });

  it('gives other prices to another seed', async () => {
    const [a, b] = [await open('a').fetch(null, NOON), await open('b').fetch(null, NOON)];
    expect(a.ticks.map((tick) => tick.price)).not.toEqual(b.ticks.map((tick) => tick.price));
  });
});

describe('synthetic market: nothing is known too early or twice', () => {
  it.each([
    { name: 'a second', from: NOON - 1000, to: NOON },
    { name: 'a part of a second', from: NOON + 1, to: NOON + 500 },
    { name: 'two minutes off the grid', from: NOON - MINUTE - 7, to: NOON + MINUTE - 7 },
    { name: 'three hours off the grid', from: NOON - HOUR - 20_001, to: NOON + 2 * HOUR + 30_500 },
  ])('keeps $name inside (from, to] and in time order', async ({ from, to }) => {
    const { ticks, candles, contexts, fundings, watermarkMs } = await open().fetch(from, to);
    const times = [ticks, contexts, fundings].map((items) => items.map((item) => item.tsMs));
    const all = [...times, candles.map((candle) => candle.openTsMs + CANDLE_INTERVAL_MS)];
    for (const known of all) {
      expect(known.every((ts) => ts > from && ts <= to)).toBe(true);
      expect(known).toEqual(known.toSorted((a, b) => a - b));
    }
    expect(watermarkMs).toBe(to);
    expect(fundings.every((print) => print.tsMs % HOUR === 0)).toBe(true);
  });

  it('tells a long stretch by the paths of its candles and the newest instant', async () => {
    const { ticks, candles } = await open().fetch(NOON, NOON + 10 * MINUTE + 5500);
    expect(candles).toHaveLength(60);
    // The first open is stamped NOON itself, which the stretch before has told.
    expect(ticks).toHaveLength(60 * 4 - 6 + 6);
    expect(ticks.slice(-6).map((tick) => tick.tsMs)).toEqual(SYMBOLS.map(() => NOON + 10 * MINUTE + 5000));
  });

  it('starts with one tick and one context a coin at the newest tick time', async () => {
    const { ticks, contexts, fundings } = await open('seed', HOUR, 5000).fetch(null, NOON + 7000);
    expect(ticks.map((tick) => [tick.symbol, tick.tsMs])).toEqual(SYMBOLS.map((symbol) => [symbol, NOON + 5000]));
    expect(contexts.map((context) => context.markPrice)).toEqual(ticks.map((tick) => tick.price));
    expect(contexts.map((context) => context.fundingRate)).toEqual(fundings.map((print) => print.rate));
  });
});

describe('synthetic market: plausible', () => {
  it('contains every price of a minute in its candle, which opens where the last one closed', async () => {
    const market = open('seed', HOUR, 250);
    const { ticks, candles } = await market.fetch(NOON, NOON + 2 * MINUTE);
    for (const symbol of SYMBOLS) {
      const [first, second] = candles.filter((candle) => candle.symbol === symbol);
      expect(second?.open).toBe(first?.close);
      const prices = ticks.filter((t) => t.symbol === symbol && t.tsMs <= NOON + MINUTE).map((tick) => tick.price);
      expect(Math.max(...prices)).toBeLessThanOrEqual(first?.high ?? 0);
      expect(Math.min(...prices)).toBeGreaterThanOrEqual(first?.low ?? Number.POSITIVE_INFINITY);
      expect(prices.at(-1)).toBe(first?.close);
    }
  });

  it('moves like a random walk of 40 to 110 % a year from minutes to hours', async () => {
    const { candles } = await open('seed', 14 * DAY).fetch(null, NOON);
    for (const symbol of SYMBOLS) {
      const closes = candles.filter((candle) => candle.symbol === symbol).map((candle) => candle.close);
      for (const minutes of [1, 15, 60]) {
        expect(annualisedVolatility(closes, minutes)).toBeGreaterThan(0.4);
        expect(annualisedVolatility(closes, minutes)).toBeLessThan(1.1);
      }
    }
  });

  it('stays within a small factor of where it began over decades', async () => {
    const prices: number[] = [];
    for (let ts = NOON; ts < NOON + 30 * 365 * DAY; ts += 9.7 * DAY) {
      prices.push((await open('seed', 0).fetch(null, ts)).ticks[0]?.price ?? Number.NaN);
    }
    expect(Math.min(...prices)).toBeGreaterThan(105_000 / 3);
    expect(Math.max(...prices)).toBeLessThan(105_000 * 3);
  });

  it('prints funding around the usual rate, sometimes paid by shorts', async () => {
    const market = open();
    const rates: number[] = [];
    for (let hour = NOON; hour < NOON + 60 * DAY; hour += HOUR) {
      for (const print of (await market.fetch(hour - 1, hour)).fundings) rates.push(print.rate);
    }
    expect(rates).toHaveLength(60 * 24 * 6);
    expect(Math.abs(rates.reduce((a, b) => a + b, 0) / rates.length - 0.0000125)).toBeLessThan(0.000004);
    expect(rates.filter((rate) => rate < 0).length / rates.length).toBeGreaterThan(0.02);
    expect(Math.max(...rates.map(Math.abs))).toBeLessThan(0.0001);
  });

  it('knows six coins with prices and sizes on their grids', async () => {
    const market = await openMarket({ kind: 'synthetic', seed: 'seed', historyMs: HOUR, tickMs: 1000 });
    const assets = await market.assets();
    expect(assets.map((asset) => asset.symbol)).toEqual(SYMBOLS);
    const { candles } = await market.fetch(null, NOON);
    for (const { symbol, close, volume } of candles) {
      const asset = assets.find((known) => known.symbol === symbol);
      expect(Number(close.toFixed(asset?.precision))).toBe(close);
      expect(Number(volume.toFixed(asset?.sizeDecimals))).toBe(volume);
    }
  });

  it('refuses a tick of no length', () => {
    expect(() => open('seed', HOUR, 0)).toThrow(CodedError);
  });
});
