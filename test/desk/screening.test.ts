/** What the screen sees in bars, one named signal after the other. */

import { describe, expect, it } from 'vitest';
import type { Bar } from '../../src/domain/bars.ts';
import { candidateOf, rankCandidates, type Screened, watchlistOf } from '../../src/domain/desk/screening.ts';

type Odd = Partial<Omit<Bar, 'openTsMs'>>;

/** Sixty quiet bars around 100, the last ones as given. */
function bars(...last: Odd[]): Bar[] {
  const odd = new Map(last.map((bar, i) => [60 - last.length + i, bar]));
  return Array.from({ length: 60 }, (_, i) => {
    const quiet = { open: 100, close: 100, high: 100.5, low: 99.5, volume: 1000 };
    return { openTsMs: i * 300_000, ...quiet, ...odd.get(i) };
  });
}

const stock = (own: readonly Bar[], more: Partial<Screened> = {}): Screened => ({
  ...{ symbol: 'AAPL', price: own.at(-1)?.close ?? 0, bars: own, isCurrent: true, change: 0, sentiment: 0 },
  ...more,
});
const seen = (...last: Odd[]) => candidateOf(stock(bars(...last))).signals;

describe('a signal', () => {
  it('is none in a quiet market, and none in too few bars', () => {
    expect(seen()).toEqual([]);
    const few = bars({ close: 103, high: 103, volume: 9000 }).slice(-35);
    expect(candidateOf(stock(few))).toMatchObject({ signals: [], score: 0 });
  });

  it('breakout: a close above everything of the window before, and not at it', () => {
    expect(seen({ close: 100.51, high: 101 })).toContain('breakout');
    expect(seen({ close: 100.5, high: 101 })).not.toContain('breakout');
    expect(seen({ high: 104, close: 101 }, { close: 103, high: 103 })).not.toContain('breakout');
  });

  it('volume_surge: twice the usual volume of the newest bar', () => {
    expect(seen({ volume: 2000 })).toContain('volume_surge');
    expect(seen({ volume: 1990 })).not.toContain('volume_surge');
    expect(seen({ volume: 5000 }, {})).not.toContain('volume_surge');
  });

  it('support_bounce: down to the low of the window, held there, and up again', () => {
    const down = { open: 100, close: 99.6, low: 99.45, high: 100 };
    const up = { open: 99.6, close: 99.9, low: 99.55, high: 100 };
    expect(seen(down, up)).toContain('support_bounce');
    expect(seen({ ...down, low: 98 }, up)).not.toContain('support_bounce');
    expect(seen(down, { ...up, open: 99.9, close: 99.6 })).not.toContain('support_bounce');
    expect(seen(down, { ...up, close: 99.65 })).not.toContain('support_bounce');
  });

  it('macd_cross: the line goes above its signal with the newest bar, once', () => {
    const falling = Array.from({ length: 8 }, (_, i) => ({ close: 99.9 - 0.1 * i }));
    expect(seen(...falling)).not.toContain('macd_cross');
    expect(seen(...falling, { close: 102 })).toContain('macd_cross');
    expect(seen(...falling, { close: 102 }, { close: 102.1 })).not.toContain('macd_cross');
  });

  it('is none when its bar is of yesterday, or has ended long ago', () => {
    const surge = stock(bars({ close: 103, high: 103, volume: 9000 }));
    expect(candidateOf(surge).signals).toEqual(expect.arrayContaining(['breakout', 'volume_surge', 'macd_cross']));
    expect(candidateOf({ ...surge, isCurrent: false })).toMatchObject({ signals: [], score: 0 });
  });
});

describe('candidates', () => {
  const tired = bars({ close: 101, high: 101, volume: 2500 });
  /** The same on a way that went up and down before. */
  const surge = tired.map((bar, i) => (i % 2 === 0 ? { ...bar, close: 100.2 } : bar));

  it('score higher with more signals and good news, lower with bad news and when everybody has bought, within 0 and 1', () => {
    const score = (more: Partial<Screened>, own = surge) => candidateOf(stock(own, more)).score;
    expect(score({})).toBeGreaterThan(candidateOf(stock(bars({ close: 101, high: 101 }))).score);
    expect(score({ sentiment: 0.5 })).toBeGreaterThan(score({}));
    expect(score({ sentiment: -0.5 })).toBeLessThan(score({}));
    expect(score({ change: 0.01 })).toBeGreaterThan(score({}));
    expect(score({ change: 0.5, sentiment: 1 })).toBe(1);
    // 1 − ½ · 0.7 · 0.55 of breakout, surge and bounce; with the cross 0.6 of the rest, and 0.15 less when all have bought.
    expect(candidateOf(stock(surge))).toMatchObject({ score: 0.81 });
    expect(candidateOf(stock(tired))).toMatchObject({ score: 0.73, rsi: 100 });
  });

  it('are the watched ones with signals, best first, and no more than wanted; equal ones by name', () => {
    const named = (symbol: string, more: Partial<Screened> = {}) => stock(surge, { symbol, ...more });
    const stocks = [
      named('C'),
      named('B'),
      named('A', { sentiment: -1 }),
      named('D', { sentiment: 1 }),
      stock(bars(), { symbol: 'Q' }),
    ];
    const ranked = (watched: string[], count: number) =>
      rankCandidates(stocks, watched, count).map(({ symbol }) => symbol);
    expect(ranked(['A', 'B', 'C', 'D', 'Q'], 9)).toEqual(['D', 'B', 'C', 'A']);
    expect(ranked(['A', 'C', 'Q'], 9)).toEqual(['C', 'A']);
    expect(ranked(['A', 'B', 'C', 'D'], 2)).toEqual(['D', 'B']);
  });

  it('come from the busiest stocks: moved most on unusual volume, dear enough, with a history', () => {
    const named = (symbol: string, change: number | null, more: Partial<Screened> = {}) =>
      stock(bars(), { symbol, change, ...more });
    const busy = stock(bars({ volume: 9000 }, { volume: 9000 }, { volume: 9000 }), { symbol: 'BUSY', change: 0.01 });
    const stocks = [
      named('UP', 0.02),
      named('DOWN', -0.03),
      named('FLAT', null),
      busy,
      named('PENNY', 0.5, { price: 4.99 }),
    ];
    expect(watchlistOf([...stocks, stock(bars().slice(-20), { symbol: 'NEW', change: 1 })], 9)).toEqual([
      'BUSY',
      'DOWN',
      'UP',
      'FLAT',
    ]);
    expect(watchlistOf(stocks, 2)).toEqual(['BUSY', 'DOWN']);
  });
});
