import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breachOf, describeBreach, type EquityWatch, observe } from '../../src/domain/breakers.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** An account of 1,000 USD. */
const equity = (pnlUsd: number) => 1000 + pnlUsd;

function watched(...seen: readonly (readonly [tsMs: number, pnlUsd: number])[]): EquityWatch {
  const watch = seen.reduce<EquityWatch | null>((before, [tsMs, pnlUsd]) => observe(before, tsMs, pnlUsd), null);
  if (watch === null) throw new Error('nothing seen');
  return watch;
}
const breach = (watch: EquityWatch, dailyLoss: number | null, drawdown: number | null) =>
  breachOf(watch, equity(watch.pnlUsd), { dailyLoss, drawdown });

describe('the loss of a day', () => {
  it('counts from the end of the day before, and trips exactly at its limit', () => {
    const at = (pnlUsd: number) =>
      breach(watched([DAY_MS - 1, 100], [DAY_MS, 90], [DAY_MS + HOUR_MS, pnlUsd]), 0.1, null);
    expect(at(-9.99)).toBeNull();
    expect(at(-10)).toMatchObject({ breaker: 'daily-loss', lostUsd: 110, lostFraction: 0.1, limit: 0.1 });
  });

  it('begins anew with the next day', () => {
    const watch = watched([0, 0], [HOUR_MS, -90], [DAY_MS, -90], [DAY_MS + HOUR_MS, -150]);
    expect(breach(watch, 0.1, null)).toBeNull();
  });

  it('counts from the first moment when nothing was seen the day before', () => {
    expect(breach(watched([0, -500]), 0.01, 0.01)).toBeNull();
    expect(breach(watched([0, -500], [1, -560]), 0.1, null)).toMatchObject({ lostUsd: 60 });
  });

  it('is no loss when money is taken out', () => {
    const watch = watched([0, 0], [HOUR_MS, 0]);
    expect(breachOf(watch, 10, { dailyLoss: 0.01, drawdown: 0.01 })).toBeNull();
  });

  it('is everything when nothing is left', () => {
    const watch = watched([0, 0], [HOUR_MS, -1200]);
    expect(breach(watch, 1, null)).toMatchObject({ lostFraction: 1.2 });
    expect(breachOf(watch, -1200, { dailyLoss: 1, drawdown: null })).toMatchObject({ lostFraction: 1 });
  });
});

describe('a drawdown', () => {
  it('counts from the highest moment of all days', () => {
    const watch = watched([0, 0], [HOUR_MS, 1000], [DAY_MS, 300], [3 * DAY_MS, 0]);
    expect(breach(watch, null, 0.5)).toMatchObject({ breaker: 'drawdown', lostUsd: 1000, lostFraction: 0.5 });
    expect(breach(watch, null, 0.51)).toBeNull();
  });

  it('goes before the loss of a day: it lasts longer', () => {
    expect(breach(watched([0, 0], [1, -600]), 0.1, 0.5)?.breaker).toBe('drawdown');
    expect(breach(watched([0, 0], [1, -600]), null, null)).toBeNull();
  });

  it('says what happened', () => {
    const found = breach(watched([0, 0], [1, -600]), null, 0.5);
    expect(found && describeBreach(found)).toBe('drawdown breaker: lost 600.00 USD, 60.00 % (limit 50.00 %)');
  });
});

describe('a watch', () => {
  const moments = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: -900, max: 900 })), { minLength: 1, maxLength: 60 });

  it('does not depend on how often a moment was looked at before its last time, nor on late looks', () => {
    fc.assert(
      fc.property(moments, moments, (settled, passing) => {
        const last = new Map(settled.map(([hour, pnl]) => [hour, pnl]));
        const final = [...last].sort(([a], [b]) => a - b);
        const clean = watched(...final.map(([hour, pnl]) => [hour * HOUR_MS, pnl] as const));
        const looks = (of: (hour: number) => boolean) =>
          passing.filter(([hour]) => of(hour)).map(([hour, pnl]) => [hour * HOUR_MS, pnl] as const);
        const noisy = final.flatMap(([hour, pnl]) => [
          ...looks((at) => at === hour),
          [hour * HOUR_MS, pnl] as const,
          ...looks((at) => at < hour),
        ]);
        expect(watched(...noisy)).toEqual(clean);
      }),
      { numRuns: 500 },
    );
  });

  it('remembers the peak and the day’s start of a plain reading of the history', () => {
    fc.assert(
      fc.property(moments, (seen) => {
        const history = [...new Map(seen)]
          .sort(([a], [b]) => a - b)
          .map(([hour, pnl]) => [hour * HOUR_MS, pnl] as const);
        const watch = watched(...history);
        const before = history.slice(0, -1);
        if (before.length === 0) return;
        expect(watch.peakPnlUsd).toBe(Math.max(...before.map(([, pnl]) => pnl)));
        const today = Math.floor(watch.asOfMs / DAY_MS);
        const earlier = before.filter(([tsMs]) => Math.floor(tsMs / DAY_MS) < today);
        expect(watch.dayPnlUsd).toBe((earlier.at(-1) ?? before[0])?.[1]);
      }),
      { numRuns: 500 },
    );
  });
});
