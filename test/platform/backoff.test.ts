import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contractOf, JOB_NAMES } from '../../src/jobs/registry.ts';
import { backoffMs } from '../../workers/define-worker.ts';

describe('backoff', () => {
  it('is above zero and at most base · 2^(attempt − 1), capped', () => {
    fc.assert(
      fc.property(
        fc.record({ baseMs: fc.integer({ min: 1, max: 10_000 }), capMs: fc.integer({ min: 1, max: 60_000 }) }),
        fc.integer({ min: 1, max: 2000 }),
        (backoff, attemptsMade) => {
          const ms = backoffMs({ backoff }, attemptsMade);
          expect(Number.isInteger(ms)).toBe(true);
          expect(ms).toBeGreaterThanOrEqual(0);
          expect(ms).toBeLessThanOrEqual(Math.min(backoff.capMs, backoff.baseMs * 2 ** (attemptsMade - 1)));
        },
      ),
    );
  });

  it('uses its whole range: full jitter, so that failures together do not come back together', () => {
    const draws = Array.from({ length: 2000 }, () => backoffMs({ backoff: { baseMs: 1000, capMs: 8000 } }, 10));
    expect(Math.min(...draws)).toBeLessThan(800);
    expect(Math.max(...draws)).toBeGreaterThan(7200);
    expect(draws.reduce((sum, ms) => sum + ms, 0) / draws.length).toBeGreaterThan(3600);
    expect(draws.reduce((sum, ms) => sum + ms, 0) / draws.length).toBeLessThan(4400);
  });

  it('begins with the base, also where the queue counts from nothing', () => {
    const backoff = { baseMs: 100, capMs: 10_000 };
    for (const attemptsMade of [0, 1]) expect(backoffMs({ backoff }, attemptsMade)).toBeLessThanOrEqual(100);
  });

  it.each(JOB_NAMES)('of %s begins below its cap', (name) => {
    const { backoff } = contractOf(name);
    expect(backoff.baseMs).toBeLessThan(backoff.capMs);
  });
});
