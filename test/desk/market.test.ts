/** Headlines and the market as a whole: what they come to. */

import { describe, expect, it } from 'vitest';
import { contextOf, realisedVolatility } from '../../src/domain/desk/market-context.ts';
import { performanceOf } from '../../src/domain/desk/performance.ts';
import { marketContextSchema, performanceSchema } from '../../src/domain/desk/published.ts';
import { NEWS_SPAN_MS, scoreHeadline, sentimentLabel, sentimentOf } from '../../src/domain/desk/sentiment.ts';

const NOW = Date.UTC(2025, 4, 9, 15);
const HOUR_MS = 3_600_000;

describe('a headline', () => {
  it.each([
    ['Company beats estimates as profit rises', 'bullish'],
    ['Shares plunge on fraud probe', 'bearish'],
    ['Company holds its annual meeting', 'neutral'],
    ['No fraud found at Company', 'bullish'],
    ['Regulator denies lawsuit over products', 'bullish'],
    ['SURGES!!! constructor __proto__ toString', 'bullish'],
    ['', 'neutral'],
  ])('%s is %s', (text, label) => {
    const score = scoreHeadline(text);
    expect(Math.abs(score)).toBeLessThanOrEqual(1);
    expect(sentimentLabel(score)).toBe(label);
  });

  it('weighs more the newer it is, half after six hours, and nothing after a day or from the future', () => {
    const news = (score: number, ageMs: number) => ({ score, tsMs: NOW - ageMs });
    expect(sentimentOf([news(1, 0), news(-1, 6 * HOUR_MS)], NOW)).toBe(0.33);
    expect(sentimentOf([news(-1, NEWS_SPAN_MS + 1), news(-1, -1)], NOW)).toBe(0);
    expect(sentimentOf([], NOW)).toBe(0);
  });
});

describe('the market', () => {
  const movers = (...changes: number[]) =>
    changes.map((change, i) => ({ sector: i % 2 ? 'energy' : 'technology', change }));
  const regime = (vix: number, ...changes: number[]) => contextOf(movers(...changes), vix, NOW).market_regime;

  it('has sectors, breadth, volatility and a regime', () => {
    const context = contextOf([...movers(0.01, -0.02, 0.03, 0), { sector: null, change: -0.01 }], 18.456, NOW);
    expect(marketContextSchema.parse(context)).toMatchObject({
      sector_performance: { energy: -1, technology: 2 },
      market_breadth: { advancing: 2, declining: 2, unchanged: 1 },
      vix: 18.46,
    });
    expect(contextOf([], 0, NOW)).toMatchObject({ sector_performance: {}, market_regime: 'neutral' });
  });

  it.each([
    ['bullish_trend', 15, [0.01, 0.01, 0.005]],
    ['bullish_consolidation', 15, [0.03, -0.01, -0.001]],
    ['neutral', 15, [0.0005, -0.0005]],
    ['bearish_consolidation', 15, [-0.03, 0.01, 0.001]],
    ['bearish_trend', 15, [-0.01, -0.01, -0.005]],
    ['volatile', 28, [0.01, 0.01, 0.005]],
  ] as const)('is %s', (name, vix, changes) => {
    expect(regime(vix, ...changes)).toBe(name);
  });

  it('is as volatile as its minutes: nights, pauses and stocks without a bar make it no wilder', () => {
    const minute = (openMs: number, close: number) => ({ openTsMs: openMs, close });
    const swing = (fromMs: number, base: number) =>
      Array.from({ length: 60 }, (_, i) => minute(fromMs + i * 60_000, base * (i % 2 ? 1.0005 : 1)));
    const calm = realisedVolatility([swing(NOW, 100)]);
    // Half a thousandth a minute, up and down, in a year of 252 × 390 minutes.
    expect(calm).toBeCloseTo(0.0005 * Math.sqrt(252 * 390) * 100, 0);
    expect(realisedVolatility([[...swing(NOW - 18 * HOUR_MS, 90), ...swing(NOW, 100)]])).toBeCloseTo(calm, 0);
    expect(realisedVolatility([swing(NOW, 100), swing(NOW, 20).filter((_, i) => i > 30), []])).toBeCloseTo(calm, 0);
    expect(realisedVolatility([[minute(NOW, 100)], []])).toBe(0);
  });
});

describe('a session', () => {
  it('is counted from its closed trades', () => {
    expect(performanceSchema.parse(performanceOf([75, 50, 25, -25], 5000, NOW))).toEqual({
      ...{
        daily_pnl: 125,
        daily_pnl_pct: 2.5,
        win_count: 3,
        loss_count: 1,
        win_rate: 0.75,
        avg_win: 50,
        avg_loss: -25,
      },
      ...{ largest_win: 75, largest_loss: -25, timestamp: '2025-05-09T15:00:00.000Z' },
    });
    expect(performanceOf([], 0, NOW)).toMatchObject({ daily_pnl: 0, win_rate: 0, avg_loss: 0, largest_loss: 0 });
  });
});
