/** Prices and sizes as the exchange accepts them. */

export const SIGNIFICANT_FIGURES = 5;
export const PRICE_DECIMALS = 6;

/**
 * A price as the instrument is quoted: a multiple of its tick where it has a fixed one; else at most 5 significant figures and
 * 6 − sizeDecimals decimals, where integers are always valid. Rounds to the side that costs the taker: up for a buy, down for a sell.
 */
export function roundPrice(
  price: number,
  sizeDecimals: number,
  side: 'buy' | 'sell',
  tickSize: number | null = null,
): number {
  const magnitude = Math.floor(Math.log10(price));
  const decimals = Math.max(0, Math.min(SIGNIFICANT_FIGURES - 1 - magnitude, PRICE_DECIMALS - sizeDecimals));
  // Ticks are whole parts of a dollar: divided by their number, a price has no binary dust.
  const factor = tickSize === null ? 10 ** decimals : Math.round(1 / tickSize);
  const scaled = price * factor;
  // A price that is valid already must not move because of the last bit of its binary form.
  const nearest = Math.round(scaled);
  if (Math.abs(scaled - nearest) < 1e-6) return nearest / factor;
  return (side === 'buy' ? Math.ceil(scaled) : Math.floor(scaled)) / factor;
}

/** The largest size of at most `sizeDecimals` decimals that is not above `size`. */
export function floorSize(size: number, sizeDecimals: number): number {
  const factor = 10 ** sizeDecimals;
  const scaled = size * factor;
  const nearest = Math.round(scaled);
  return (Math.abs(scaled - nearest) < 1e-6 ? nearest : Math.floor(scaled)) / factor;
}

/** A size on its grid: sums of sizes keep no binary dust, so that flat is exactly 0. */
export function gridSize(size: number, sizeDecimals: number): number {
  const factor = 10 ** sizeDecimals;
  return Math.round(size * factor) / factor;
}
