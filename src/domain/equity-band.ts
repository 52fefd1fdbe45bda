/**
 * How far a curve could have come by luck: at each point the 95 % interval of the growth up to it. It is the interval of a circular block
 * bootstrap (see `bootstrap.ts`) in closed form: the variance of a sum put together from blocks is that of the block sums, and the sum is
 * taken as normal. So it can be told for every point of a curve, where resampling could not.
 */

/** Less says too little about itself. */
const MIN_RETURNS = 24;
const Z_95 = 1.959_963_984_540_054;

/** Bounds of the value at a point; null where too few returns lie before it. */
export type BandPoint = { readonly lower: number; readonly upper: number } | null;

/**
 * The band of values that follow each other in equal steps. Ends where a value is not positive: nothing grows from there.
 *
 * @param values equity in USD, oldest first, the first one that of the beginning
 */
export function equityBand(values: readonly number[]): BandPoint[] {
  const sound = values.findIndex((value) => !(value > 0));
  const usable = sound < 0 ? values.length : sound;
  const logs = values.slice(0, usable).map(Math.log);
  return values.map((value, index) => {
    if (index >= usable || index < MIN_RETURNS) return null;
    const spread = Z_95 * Math.sqrt(totalVariance(logs, index));
    return { lower: value * Math.exp(-spread), upper: value * Math.exp(spread) };
  });
}

/** Variance of the sum of the first `n` log returns, put together from circular blocks of them. `logs` are their prefix sums. */
function totalVariance(logs: readonly number[], n: number): number {
  const block = Math.ceil(Math.cbrt(n));
  const at = (index: number) => (logs[index] ?? 0) - (logs[0] ?? 0);
  const total = at(n);
  const centre = (total * block) / n;
  let squares = 0;
  for (let from = 0; from < n; from += 1) {
    const to = from + block;
    const sum = to <= n ? at(to) - at(from) : total - at(from) + at(to - n);
    squares += (sum - centre) ** 2;
  }
  return squares / block;
}
