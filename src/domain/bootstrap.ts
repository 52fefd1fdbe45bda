/**
 * 95 % intervals by a circular block bootstrap (Politis and Romano 1992): histories of the same length are put together from blocks of
 * consecutive hours, so that what hangs together stays together.
 */

import { mix, uniform } from './random.ts';
import { mean } from './statistics.ts';

const RESAMPLES = 1000;
/** Less says too little about itself. */
const MIN_HOURS = 24;
const LOWER = 0.025;
const UPPER = 0.975;

type Interval = readonly [lower: number, upper: number];
export type Intervals = {
  /** Compounded return over the window, percent. */
  readonly window_return_pct: Interval;
  readonly sharpe: Interval;
};

/**
 * Intervals for the compounded return and the annualised Sharpe ratio of the returns; null for fewer than 24. Random numbers are a hash
 * of `name` (the run's seed, a purpose, the model, the hour), so the same returns have the same intervals everywhere.
 */
export function bootstrapIntervals(
  returns: readonly number[],
  periodsPerYear: number,
  ...name: (string | number)[]
): Intervals | null {
  const n = returns.length;
  if (n < MIN_HOURS) return null;
  const seed = Math.floor(uniform(...name) * 2 ** 32);
  const block = Math.ceil(Math.cbrt(n));
  // Deviations from the mean: squares of the returns themselves would cancel out.
  const centre = mean(returns);
  const totals = prefixes(returns.map((value) => value - centre));
  const squares = prefixes(returns.map((value) => (value - centre) ** 2));
  const logs = prefixes(returns.map((value) => Math.log1p(Math.max(value, -1 + Number.EPSILON))));
  const compounded: number[] = [];
  const sharpes: number[] = [];
  for (let resample = 0; resample < RESAMPLES; resample++) {
    let [total, square, log] = [0, 0, 0];
    for (let taken = 0, draw = 0; taken < n; draw++) {
      const from = Math.floor(mix(seed, resample, draw) * n);
      const length = Math.min(block, n - taken);
      total += within(totals, from, length);
      square += within(squares, from, length);
      log += within(logs, from, length);
      taken += length;
    }
    compounded.push(Math.expm1(log) * 100);
    const deviation = Math.sqrt(Math.max(0, square - total ** 2 / n) / (n - 1));
    sharpes.push(deviation === 0 ? 0 : ((centre + total / n) / deviation) * Math.sqrt(periodsPerYear));
  }
  return { window_return_pct: interval(compounded), sharpe: interval(sharpes) };
}

/** Sums of the first k values. */
function prefixes(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (const [index, value] of values.entries()) sums[index + 1] = (sums[index] ?? 0) + value;
  return sums;
}

/** Sum of `length` values from one on, going round at the end. */
function within(sums: Float64Array, from: number, length: number): number {
  const n = sums.length - 1;
  const at = (index: number) => sums[index] ?? 0;
  return from + length <= n ? at(from + length) - at(from) : at(n) - at(from) + at(from + length - n);
}

function interval(values: number[]): Interval {
  const sorted = Float64Array.from(values).sort();
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))] ?? 0;
  return [at(LOWER), at(UPPER)];
}
