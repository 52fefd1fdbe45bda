/** Plain statistics of samples. Nothing to say about too few values is 0, never NaN: it is what the arena's payloads show. */

/** Arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

/** Sum; 0 of nothing. What each addition rounds off is added up beside it (Neumaier 1974): large amounts that cancel out cost no digits. */
export function sum(values: readonly number[]): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}

/** Sample standard deviation (n − 1); 0 for fewer than two values. Two passes, so large means cost no digits. */
export function sampleStd(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - centre) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/** Middle value, or the mean of the two middle ones; 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return upper === lower ? upper : (lower + upper) / 2;
}

/** Least value; 0 of nothing. */
export function minimum(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), values[0] ?? 0);
}

/** Greatest value; 0 of nothing. */
export function maximum(values: readonly number[]): number {
  return values.reduce((greatest, value) => Math.max(greatest, value), values[0] ?? 0);
}

/** `100 · part / whole`, 0 when there is no whole. */
export function percentage(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}

/**
 * Annualised Sharpe ratio without a riskless rate (Sharpe 1994): mean / sample standard deviation · √periodsPerYear.
 * 0 for fewer than two returns, or when they do not vary.
 *
 * @param returns simple returns of equal, consecutive periods (0.01 is one percent).
 * @param periodsPerYear how many such periods a year has: 8760 for hourly ones.
 */
export function sharpeRatio(returns: readonly number[], periodsPerYear: number): number {
  // Equal returns can have a tiny deviation by rounding alone, and a huge ratio with it.
  if (returns.every((value) => value === returns[0])) return 0;
  const deviation = sampleStd(returns);
  return deviation === 0 ? 0 : (mean(returns) / deviation) * Math.sqrt(periodsPerYear);
}
