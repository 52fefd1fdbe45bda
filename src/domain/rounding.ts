/** Prices and sizes as the exchange accepts them. */

export const SIGNIFICANT_FIGURES = 5;
export const PRICE_DECIMALS = 6;

/**
 * A price with at most 5 significant figures and 6 − sizeDecimals decimals; integers are always valid. Rounds to the side that
 * costs the taker: up for a buy, down for a sell.
 */
export function roundPrice(price: number, sizeDecimals: number, side: 'buy' | 'sell'): number {
  const magnitude = Math.floor(Math.log10(price));
  const decimals = Math.max(0, Math.min(SIGNIFICANT_FIGURES - 1 - magnitude, PRICE_DECIMALS - sizeDecimals));
  const factor = 10 ** decimals;
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
