import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addExact, EMPTY_SUM, exactMean, exactStd, exactTotal, readSum, storeSum } from '../../src/domain/exact-sum.ts';
import { mix } from '../../src/domain/random.ts';
import { mean, sampleStd, sum } from '../../src/domain/statistics.ts';

const amount = fc.double({ min: -1e7, max: 1e7, noNaN: true });
const within = (value: number, wanted: number, scale: number) =>
  expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-9 * Math.max(1, scale));

describe('exact sums', () => {
  it('say what the plain statistics say', () => {
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 50 }), (values) => {
        const total = values.reduce((so, value) => addExact(so, value, 1), EMPTY_SUM);
        const scale = Math.max(0, ...values.map(Math.abs));
        expect(total.n).toBe(values.length);
        within(exactTotal(total), sum(values), scale);
        within(exactMean(total), mean(values), scale);
        within(exactStd(total), sampleStd(values), scale);
      }),
    );
  });

  it('forget what is taken away to the last bit, in whatever order it came', () => {
    fc.assert(
      fc.property(fc.array(amount), fc.array(amount), (kept, passing) => {
        const joined = [...passing, ...kept].reduce((so, value) => addExact(so, value, 1), EMPTY_SUM);
        const left = passing.toReversed().reduce((so, value) => addExact(so, value, -1), joined);
        expect(left).toEqual(kept.toReversed().reduce((so, value) => addExact(so, value, 1), EMPTY_SUM));
      }),
    );
  });

  it('are as exact after 100,000 values that came and went as after none', () => {
    const values = Array.from({ length: 100_000 }, (_, i) => (mix(1, i, 0) - 0.5) * 10 ** (12 * mix(2, i, 1) - 6));
    const kept = values.filter((_, i) => i % 1000 === 0);
    let total = EMPTY_SUM;
    for (const value of values) total = addExact(total, value, 1);
    for (const [i, value] of values.entries()) if (i % 1000 !== 0) total = addExact(total, value, -1);
    expect(total).toEqual(kept.reduce((so, value) => addExact(so, value, 1), EMPTY_SUM));
    within(exactStd(total), sampleStd(kept), sampleStd(kept));
  });

  it('do not lose a small spread around a large mean', () => {
    const values = [1e9 + 1, 1e9 + 2, 1e9 + 3];
    expect(exactStd(values.reduce((so, value) => addExact(so, value, 1), EMPTY_SUM))).toBe(1);
  });

  it('survive being stored', () => {
    const total = [0.1, -2.5, 1e6].reduce((so, value) => addExact(so, value, 1), EMPTY_SUM);
    expect(readSum(JSON.parse(JSON.stringify(storeSum(total))))).toEqual(total);
  });

  it('refuse what is no number', () => {
    expect(() => addExact(EMPTY_SUM, Number.NaN, 1)).toThrow(RangeError);
  });
});
