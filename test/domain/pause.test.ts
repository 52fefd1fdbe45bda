import { describe, expect, it } from 'vitest';
import { type EntryPause, entryPause, type Standing } from '../../src/domain/pause.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = Date.UTC(2025, 6, 22, 12);
const MIDNIGHT = Date.UTC(2025, 6, 23);
const rules = { maxDailyLoss: 1 / 8, minSharpe: -4, sharpeAfterMs: 2 * DAY_MS, sharpePauseMs: HOUR_MS };

const pauseOf = (standing: Partial<Standing>): EntryPause | null =>
  entryPause(
    {
      nowMs: NOON,
      ageMs: DAY_MS * 9,
      equityUsd: 8000,
      dayStartEquityUsd: 8000,
      sharpeRatio: 1,
      last: null,
      ...standing,
    },
    rules,
  );

describe('a daily loss', () => {
  it('pauses entries from its limit on, until the day ends', () => {
    expect(pauseOf({ equityUsd: 7000.01 })).toBeNull();
    expect(pauseOf({ equityUsd: 7000 })).toEqual({ code: 'DAILY_LOSS', untilMs: MIDNIGHT });
    expect(pauseOf({ equityUsd: 6999.99 })).toEqual({ code: 'DAILY_LOSS', untilMs: MIDNIGHT });
  });

  it('is not forgiven when the equity recovers, and is when the day is over', () => {
    const last = { code: 'DAILY_LOSS', untilMs: MIDNIGHT } as const;
    expect(pauseOf({ last, nowMs: MIDNIGHT - 1 })).toEqual(last);
    // What is over is remembered, and pauses nothing.
    expect(pauseOf({ last, nowMs: MIDNIGHT })).toEqual(last);
    expect(pauseOf({ last, nowMs: MIDNIGHT, equityUsd: 7000 })).toEqual({
      code: 'DAILY_LOSS',
      untilMs: MIDNIGHT + DAY_MS,
    });
  });

  it('of an account that began the day with nothing is none', () => {
    expect(pauseOf({ equityUsd: 0, dayStartEquityUsd: 0 })).toBeNull();
  });
});

describe('a low Sharpe ratio', () => {
  const paused = { code: 'SHARPE_PAUSE', untilMs: NOON + HOUR_MS } as const;

  it('pauses entries below its limit, for a while', () => {
    expect(pauseOf({ sharpeRatio: -3.99 })).toBeNull();
    expect(pauseOf({ sharpeRatio: -4 })).toBeNull();
    expect(pauseOf({ sharpeRatio: -4.01 })).toEqual(paused);
  });

  it('says nothing about an account that is too young, or that has no snapshot', () => {
    expect(pauseOf({ sharpeRatio: -9, ageMs: 2 * DAY_MS - 1 })).toBeNull();
    expect(pauseOf({ sharpeRatio: -9, ageMs: 2 * DAY_MS })).toEqual(paused);
    expect(pauseOf({ sharpeRatio: null })).toBeNull();
  });

  it('is judged again only after the model had its chance to better it', () => {
    const trial = { sharpeRatio: -9, last: paused };
    expect(pauseOf({ ...trial, nowMs: paused.untilMs - 1 })).toEqual(paused);
    expect(pauseOf({ ...trial, nowMs: paused.untilMs })).toEqual(paused);
    expect(pauseOf({ ...trial, nowMs: paused.untilMs + HOUR_MS - 1 })).toEqual(paused);
    const again = paused.untilMs + HOUR_MS;
    expect(pauseOf({ ...trial, nowMs: again })).toEqual({ code: 'SHARPE_PAUSE', untilMs: again + HOUR_MS });
  });

  it('does not shield from the daily loss while it is on trial', () => {
    expect(pauseOf({ last: paused, nowMs: paused.untilMs, equityUsd: 1 })).toEqual({
      code: 'DAILY_LOSS',
      untilMs: MIDNIGHT,
    });
  });
});
