import { describe, expect, it } from 'vitest';
import { addCandle, assertBarInterval, type Bar, endedBy, NO_CANDLES } from '../../src/domain/bars.ts';
import type { Candle } from '../../src/domain/market.ts';

const MINUTE = 60_000;
const FIVE = 5 * MINUTE;

function candle(minute: number, close: number, overrides: Partial<Candle> = {}): Candle {
  const base = {
    symbol: 'BTC',
    openTsMs: minute * MINUTE,
    open: close,
    high: close + 1,
    low: close - 1,
    close,
    volume: 2,
  };
  return { ...base, ...overrides };
}

function minutes(from: number, to: number): Candle[] {
  return Array.from({ length: to - from }, (_, i) => candle(from + i, 100 + from + i));
}

/** Closed bars of candles that were added one by one, those after `uptoMs` too. */
function aggregate(candles: readonly Candle[], intervalMs: number, uptoMs: number): Bar[] {
  const bars: Bar[] = [];
  let open = NO_CANDLES;
  for (const each of candles) {
    const { next, closed } = addCandle(open, each, intervalMs);
    if (closed !== null) bars.push(closed);
    open = next;
  }
  const ended = endedBy(open, intervalMs, uptoMs);
  return (ended === null ? bars : [...bars, ended]).filter((bar) => bar.openTsMs + intervalMs <= uptoMs);
}

describe('bars', () => {
  it('takes open of the first, close of the last, the extremes and the sum of volumes', () => {
    const candles = [
      candle(0, 10, { open: 9 }),
      candle(1, 30, { high: 35 }),
      candle(2, 5, { low: 1 }),
      candle(3, 8),
      candle(4, 7),
    ];
    expect(aggregate(candles, FIVE, FIVE)).toEqual([{ openTsMs: 0, open: 9, high: 35, low: 1, close: 7, volume: 10 }]);
  });

  it('aligns bars to the clock', () => {
    expect(aggregate(minutes(5, 20), FIVE, 20 * MINUTE).map((bar) => bar.openTsMs / MINUTE)).toEqual([5, 10, 15]);
  });

  it('shows a bar only when it has ended, to the millisecond', () => {
    expect(aggregate(minutes(0, 10), FIVE, 2 * FIVE - 1)).toHaveLength(1);
    expect(aggregate(minutes(0, 10), FIVE, 2 * FIVE)).toHaveLength(2);
  });

  it('does not let later candles change the bars of an earlier time', () => {
    const early = aggregate(minutes(0, 10), FIVE, 10 * MINUTE);
    expect(aggregate(minutes(0, 30), FIVE, 10 * MINUTE)).toEqual(early);
  });

  it('drops a first bar whose beginning is missing', () => {
    expect(aggregate(minutes(3, 10), FIVE, 10 * MINUTE).map((bar) => bar.openTsMs / MINUTE)).toEqual([5]);
  });

  it('gives no bar for a gap and keeps a bar that misses some minutes', () => {
    const bars = aggregate([...minutes(0, 5), ...minutes(12, 14)], FIVE, 20 * MINUTE);
    expect(bars.map((bar) => bar.openTsMs / MINUTE)).toEqual([0, 10]);
    expect(bars.at(-1)).toMatchObject({ open: 112, close: 113, volume: 4 });
  });

  it('has no bars without candles', () => {
    expect(aggregate([], FIVE, 100 * MINUTE)).toEqual([]);
  });

  it.each([0, -FIVE, 90_000, Number.NaN])('refuses an interval of %s ms', (intervalMs) => {
    expect(() => assertBarInterval(intervalMs)).toThrow(expect.objectContaining({ code: 'NOF0_INPUT_INVALID' }));
  });
});
