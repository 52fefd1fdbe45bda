/** The chart's figures, without a browser. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chartData, rangeOf, spread } from '../../web/src/chart/chart-data.ts';

const curve = (id: string, equity: (number | null)[], baseline = false) => ({
  ...{ id, baseline, equity, lower: null, upper: null },
});

describe('curves', () => {
  const answer = {
    times: [1, 2, 3],
    curves: [curve('a', [100, null, 110]), curve('late', [null, 200, 190]), curve('btc', [100, 101, 102], true)],
    held: null,
  };

  it('are drawn in dollars, the baseline below the models', () => {
    const { lines } = chartData(answer, 'usd');
    expect(lines.map(({ id }) => id)).toEqual(['btc', 'a', 'late']);
    expect(lines[1]).toMatchObject({ values: [100, null, 110], end: { index: 2, value: 110 } });
    expect(lines[1]?.growthPct).toBeCloseTo(10, 12);
  });

  it('are drawn as growth since each began', () => {
    const { lines } = chartData(answer, 'pct');
    expect(lines[2]?.values[0]).toBeNull();
    expect(lines[2]?.values[1]).toBe(0);
    expect(lines[2]?.values[2]).toBeCloseTo(-5, 12);
  });

  it('keep inside their range, however flat or empty they are', () => {
    for (const unit of ['usd', 'pct'] as const) {
      const [low, high] = rangeOf(chartData(answer, unit).lines, unit);
      const values = chartData(answer, unit).lines.flatMap((line) => line.values.filter((value) => value !== null));
      expect(low).toBeLessThan(Math.min(...values));
      expect(high).toBeGreaterThan(Math.max(...values));
      const [flatLow, flatHigh] = rangeOf(chartData({ ...answer, curves: [curve('a', [5, 5, 5])] }, unit).lines, unit);
      expect(flatHigh).toBeGreaterThan(flatLow);
      expect(rangeOf([], unit)[1]).toBeGreaterThan(rangeOf([], unit)[0]);
    }
  });
});

describe('names beside the curves', () => {
  const wanted = fc.array(fc.double({ min: -50, max: 450, noNaN: true }), { maxLength: 12 });

  it('never touch, never leave the chart, and keep the order of the curves', () => {
    fc.assert(
      fc.property(wanted, (ys) => {
        const places = spread(
          ys.map((y, index) => ({ key: String(index), y })),
          20,
          10,
          390,
        );
        const sorted = [...ys.keys()]
          .sort((a, b) => (ys[a] ?? 0) - (ys[b] ?? 0))
          .map((key) => places.get(String(key)) ?? 0);
        for (const [index, place] of sorted.entries()) {
          expect(place).toBeGreaterThanOrEqual(10);
          expect(place).toBeLessThanOrEqual(390);
          if (index > 0) expect(place - (sorted[index - 1] ?? 0)).toBeGreaterThanOrEqual(20 - 1e-9);
        }
      }),
    );
  });
});
