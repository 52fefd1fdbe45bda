/** Which orders an exchange of perpetual futures takes at all, and its words for those it does not. */

import { PRICE_DECIMALS, SIGNIFICANT_FIGURES } from './rounding.ts';

/** Good till canceled, immediate or cancel, add liquidity only. */
export type TimeInForce = 'Gtc' | 'Ioc' | 'Alo';
/** Cross positions answer for each other with the whole account, an isolated one with its own margin alone. */
export type MarginMode = 'cross' | 'isolated';
/**
 * How stops and targets belong together:
 * - `na`: by themselves. A reduce-only one has its own size and still goes when the position goes.
 * - `normalTpsl`: children of the last order before them in the request that is none itself. They sleep until it is filled, have its
 *   size, and go with it when it ends unfilled; one of them filled cancels its siblings.
 * - `positionTpsl`: they follow the position: whatever its size is when they are touched, and one cancels the other.
 */
export type Grouping = 'na' | 'normalTpsl' | 'positionTpsl';

/** Smallest order, USD. Closing a whole position is exempt. */
export const MIN_NOTIONAL_USD = 10;

/** The real exchange's words, without the asset's number that it appends. */
export const REFUSALS = {
  unknownAsset: 'Unknown asset.',
  tick: 'Price must be divisible by tick size.',
  zeroSize: 'Order has zero size.',
  invalidSize: 'Order has invalid size.',
  invalidPrice: 'Order has invalid price.',
  minNotional: 'Order must have minimum value of $10.',
  margin: 'Insufficient margin to place order.',
  marginTier: 'Order would cause position to exceed margin tier limit at current leverage.',
  reduceOnly: 'Reduce only order would increase position.',
  postOnly: (bid: number, ask: number) => `Post only order would have immediately matched, bbo was ${bid}@${ask}.`,
  ioc: 'Order could not immediately match against any resting orders.',
  noLiquidity: 'No liquidity available for market order.',
  trigger: 'Invalid TP/SL price.',
  expired: 'Order expired before it reached the exchange.',
  duplicateCloid: 'Order with this client order id was already placed.',
  parent: 'Parent order was not placed.',
  missing: 'Order was never placed, already canceled, or filled.',
  modify: 'Cannot modify canceled or filled order',
  leverage: 'Invalid leverage value.',
  leverageType: 'Cannot switch leverage type with open position.',
  onlyIsolated: 'Cross margin is not allowed for this asset.',
} as const;

/** Why an order ended that was not filled, as the real exchange calls it. */
export const CANCELED = {
  reduceOnly: 'reduceOnlyCanceled',
  sibling: 'siblingFilledCanceled',
  liquidated: 'liquidatedCanceled',
  margin: 'marginCanceled',
  asked: 'canceled',
} as const;

/** A multiple of the instrument's tick; without a fixed one at most 5 significant figures and 6 − sizeDecimals decimals, or a whole number. */
export function isTickPrice(price: number, sizeDecimals: number, tickSize: number | null = null): boolean {
  if (!(price > 0) || !Number.isFinite(price)) return false;
  if (tickSize !== null) return price === Math.round(price * Math.round(1 / tickSize)) / Math.round(1 / tickSize);
  if (Number.isInteger(price)) return true;
  // The shortest text of a number is what was written; its digits are what the exchange would read.
  const decimals = Math.max(0, PRICE_DECIMALS - sizeDecimals);
  return price === Number(price.toPrecision(SIGNIFICANT_FIGURES)) && price === Number(price.toFixed(decimals));
}

/** A size on the instrument's grid. */
export function isLotSize(size: number, sizeDecimals: number): boolean {
  return size === Number(size.toFixed(sizeDecimals));
}
