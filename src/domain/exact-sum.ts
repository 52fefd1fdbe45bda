/**
 * Sums of a sample that values join and leave. They are kept as whole numbers of a unit of 2^-64, so that adding and taking away are
 * exact: after any number of both, in any order, the sums are those of the values that are left, to the last bit.
 */

/** `sum` in units of 2^-64, `squares` in units of 2^-128. */
export type ExactSum = { readonly n: number; readonly sum: bigint; readonly squares: bigint };

export const EMPTY_SUM: ExactSum = { n: 0, sum: 0n, squares: 0n };

const UNIT = 2 ** 64;

/** A value in units. Exact from 2^-11 (0.0005) on; what is smaller keeps an absolute precision of 2^-65. */
function toUnits(value: number): bigint {
  // A product with a power of two is exact, and from 2^53 units on it is a whole number already.
  return BigInt(Math.round(value * UNIT));
}

/** The sum with the value joined once (`times` 1) or taken away (−1). Throws RangeError for a value that is not finite. */
export function addExact(total: ExactSum, value: number, times: 1 | -1): ExactSum {
  const units = toUnits(value);
  const sign = BigInt(times);
  return {
    n: total.n + times,
    sum: total.sum + sign * units,
    squares: total.squares + sign * units * units,
  };
}

export function exactTotal({ sum }: ExactSum): number {
  return Number(sum) / UNIT;
}

/** Arithmetic mean; 0 of nothing. */
export function exactMean(total: ExactSum): number {
  return total.n === 0 ? 0 : exactTotal(total) / total.n;
}

/** Sample standard deviation (n − 1); 0 for fewer than two values. n·Σx² − (Σx)² is formed exactly, so nothing cancels out. */
export function exactStd({ n, sum, squares }: ExactSum): number {
  if (n < 2) return 0;
  const spread = BigInt(n) * squares - sum * sum;
  return Math.sqrt(Number(spread) / (n * (n - 1))) / UNIT;
}

/** As JSON: whole numbers of this size need text. */
export type StoredSum = readonly [n: number, sum: string, squares: string];

export function storeSum({ n, sum, squares }: ExactSum): StoredSum {
  return [n, String(sum), String(squares)];
}

export function readSum([n, sum, squares]: StoredSum): ExactSum {
  return { n, sum: BigInt(sum), squares: BigInt(squares) };
}
