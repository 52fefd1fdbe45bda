import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CandleHistory, type CandleView } from '../../src/domain/candle-history.ts';
import type { Candle } from '../../src/domain/market.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIVE = 5 * MINUTE;
/** 300 bars of five minutes. */
const EPOCH = 300 * FIVE;

/** A price that wanders; every `gap`-th minute has no candle. */
function walk(fromMs: number, count: number, gap: number, seed = 1): Candle[] {
  let state = seed;
  let close = 100;
  return Array.from({ length: count }, (_, i) => {
    state = (state * 48_271) % 2_147_483_647;
    const open = close;
    close = Math.max(1, open + (state / 2_147_483_647 - 0.5) * 2);
    const [high, low] = [Math.max(open, close) + 0.3, Math.min(open, close) - 0.3];
    return { symbol: 'BTC', openTsMs: fromMs + i * MINUTE, open, high, low, close, volume: state % 1000 };
  }).filter((_, i) => gap === 0 || i % gap !== gap - 1);
}

const closedBy = (candles: readonly Candle[], tsMs: number) =>
  candles.filter((candle) => candle.openTsMs + MINUTE <= tsMs);

/** As somebody sees it who has read nothing before: everything from where the history has to begin, at once. */
function fromScratch(candles: readonly Candle[], tsMs: number, intervalMs = FIVE): CandleView {
  const empty = CandleHistory.before(tsMs, intervalMs);
  const own = closedBy(candles, tsMs).filter((candle) => candle.openTsMs >= empty.uptoMs);
  return empty.plus(new Map([['BTC', own]]), tsMs).view('BTC', tsMs);
}

function expectSame(one: CandleView, other: CandleView) {
  const numbers = (view: CandleView) => [
    view.change1h,
    view.change4h,
    ...Object.values(view.indicators),
    ...view.closes,
  ];
  const [ours, theirs] = [numbers(one), numbers(other)];
  expect(ours).toHaveLength(theirs.length);
  for (const [i, value] of ours.entries()) {
    const wanted = theirs[i] ?? null;
    if (value === null || wanted === null) expect(value).toBe(wanted);
    else expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(wanted)));
  }
}

describe('a history of candles', () => {
  it('that is carried on candle by candle says the same as one from scratch, whenever somebody looks', () => {
    const looks = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 3, maxLength: 12 });
    const starts = fc.integer({ min: 0, max: 2 * (EPOCH / MINUTE) });
    fc.assert(
      fc.property(
        starts,
        looks,
        fc.constantFrom(0, 7, 61),
        fc.integer({ min: 1, max: 1e6 }),
        (start, steps, gap, seed) => {
          const candles = walk(start * MINUTE, 5000, gap, seed);
          let tsMs = start * MINUTE + 300 * MINUTE;
          let history = CandleHistory.before(tsMs, FIVE);
          for (const step of steps) {
            tsMs += step * MINUTE + 15_000;
            const fresh = closedBy(candles, tsMs).filter((candle) => candle.openTsMs >= history.uptoMs);
            history = history.plus(new Map([['BTC', fresh]]), tsMs - MINUTE + 1);
            expectSame(history.view('BTC', tsMs), fromScratch(candles, tsMs));
          }
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  it('rests on one to two epochs, however long the past is', () => {
    const candles = walk(0, 9000, 0);
    const tsMs = 9000 * MINUTE;
    const { ema200 } = fromScratch(candles, tsMs).indicators;
    expect(fromScratch(candles.slice(-2 * (EPOCH / MINUTE)), tsMs).indicators.ema200).toBe(ema200);
    expect(CandleHistory.before(tsMs, FIVE).uptoMs).toBe(Math.floor(tsMs / EPOCH - 1) * EPOCH);
  });

  it('does not see a candle or a bar that is still open', () => {
    const candles = walk(0, 100, 0);
    const at = (tsMs: number) => fromScratch(candles, tsMs).closes;
    expect(at(60 * MINUTE)).toHaveLength(12);
    expect(at(60 * MINUTE - 1)).toHaveLength(11);
    expect(at(60 * MINUTE).at(-1)).toBe(candles[59]?.close);
  });

  it('is null of everything that the past does not cover', () => {
    const { change1h, indicators, closes } = fromScratch(walk(0, 55, 0), 55 * MINUTE);
    expect({ change1h, closes: closes.length, ema20: indicators.ema20 }).toEqual({
      change1h: null,
      closes: 11,
      ema20: null,
    });
    expect(Object.values(fromScratch([], HOUR).indicators).every((value) => value === null)).toBe(true);
  });

  it('can be tried with candles that are not certain: what was there before stays as it was', () => {
    const candles = walk(0, 400, 0);
    const certain = CandleHistory.before(300 * MINUTE, FIVE).plus(
      new Map([['BTC', candles.slice(0, 300)]]),
      300 * MINUTE,
    );
    const before = certain.view('BTC', 300 * MINUTE);
    certain.plus(new Map([['BTC', candles.slice(300)]]), 400 * MINUTE);
    expect(certain.view('BTC', 300 * MINUTE)).toEqual(before);
  });

  it('refuses bars that are no whole number of minutes', () => {
    expect(() => CandleHistory.before(0, 90_000)).toThrow(expect.objectContaining({ code: 'NOF0_INPUT_INVALID' }));
  });
});
