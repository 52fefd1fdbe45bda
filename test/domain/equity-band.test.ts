import { describe, expect, it } from 'vitest';
import { bootstrapIntervals } from '../../src/domain/bootstrap.ts';
import { equityBand } from '../../src/domain/equity-band.ts';
import { uniform } from '../../src/domain/random.ts';

const START = 10_000;
/** The outer quantiles of 1,000 resamples have a standard error of 2.1 % of the width; four of them. */
const RESAMPLING_ERROR = 0.085;

/** A path of equity whose returns hang together by `memory`. */
function path(length: number, memory: number): number[] {
  let [value, last] = [START, 0];
  return [
    START,
    ...Array.from({ length }, (_, index) => {
      last = memory * last + (uniform('band', index) - 0.49) * 0.01;
      value *= 1 + last;
      return value;
    }),
  ];
}

const returnsOf = (values: readonly number[]) =>
  values.slice(1).map((value, index) => value / (values[index] ?? value) - 1);

describe('the band of a curve', () => {
  it.each([0, 0.5])('agrees with resampled histories at its end (memory %f)', (memory) => {
    const values = path(500, memory);
    const [lower, upper] = bootstrapIntervals(returnsOf(values), 8760, 'seed')?.window_return_pct ?? [0, 0];
    const end = equityBand(values).at(-1);
    const pct = (value: number | undefined) => ((value ?? 0) / START - 1) * 100;
    const width = upper - lower;
    expect(Math.abs(pct(end?.lower) - lower)).toBeLessThan(width * RESAMPLING_ERROR);
    expect(Math.abs(pct(end?.upper) - upper)).toBeLessThan(width * RESAMPLING_ERROR);
  });

  it('holds the curve, and a point knows only what lies before it', () => {
    const values = path(200, 0.2);
    const band = equityBand(values);
    for (const [index, point] of band.entries())
      if (point !== null) {
        expect(point.lower).toBeLessThan(values[index] ?? 0);
        expect(point.upper).toBeGreaterThan(values[index] ?? 0);
      }
    expect(equityBand(values.slice(0, 100))).toEqual(band.slice(0, 100));
  });

  it('begins where there is something to tell, and ends where nothing grows any more', () => {
    const known = (values: readonly number[]) => equityBand(values).map((point) => point !== null);
    expect(known(path(23, 0))).toEqual(Array.from({ length: 24 }, () => false));
    expect(known(path(24, 0)).at(-1)).toBe(true);
    expect(known([...path(30, 0), 0, 100]).slice(-3)).toEqual([true, false, false]);
    expect(equityBand([])).toEqual([]);
  });

  it('has no width where nothing varies', () => {
    const end = equityBand(Array.from({ length: 40 }, () => START)).at(-1);
    expect(end).toEqual({ lower: START, upper: START });
  });
});
