/** At which prices the paper exchange executes. Nothing here knows what the order's sender expected. */

import type { Side } from '../../domain/fill.ts';
import { type BookLevel, type OrderBook, takeFromBook } from '../../domain/order-book.ts';
import { gridSize, roundPrice } from '../../domain/rounding.ts';

/** What a market order without a worst price accepts beyond the mark, as the real exchange's own tools ask for. */
const WORST_SLIPPAGE = 0.05;

/** How an instrument is quoted; without a fixed tick its lots decide. */
export type PriceGrid = { readonly sizeDecimals: number; readonly tickSize?: number | null };

/** What a taker pays: the mark, moved against him by the slippage and rounded to a valid price. */
export function takerPrice(
  mark: number,
  side: Side,
  slippageBps: number,
  { sizeDecimals, tickSize }: PriceGrid,
): number {
  const moved = mark * (1 + ((side === 'buy' ? 1 : -1) * slippageBps) / 10_000);
  return roundPrice(moved, sizeDecimals, side, tickSize);
}

/** Whether a price is not beyond what the order accepts. */
export function accepts(side: Side, limit: number | null, price: number): boolean {
  return limit === null || (side === 'buy' ? price <= limit : price >= limit);
}

/**
 * What an order takes from the market at once, not beyond `limit`: the levels of the book where one is known, else everything at the
 * mark less the slippage. Empty when nothing can be had.
 */
export function takes(
  order: { readonly side: Side; readonly size: number; readonly limit: number | null },
  market: { readonly mark: number; readonly book: OrderBook | null },
  terms: PriceGrid & { readonly slippageBps: number },
): BookLevel[] {
  if (market.book === null) {
    const price = takerPrice(market.mark, order.side, terms.slippageBps, terms);
    return accepts(order.side, order.limit, price) ? [{ price, size: order.size }] : [];
  }
  const worst = order.limit ?? market.mark * (order.side === 'buy' ? 1 + WORST_SLIPPAGE : 1 - WORST_SLIPPAGE);
  return takeFromBook(market.book, order.side, order.size, worst)
    .map((level) => ({ ...level, size: gridSize(level.size, terms.sizeDecimals) }))
    .filter((level) => level.size > 0);
}

/**
 * Whether a resting order is touched by a price, and at which price it then meets the market. A stop meets the worse of its trigger
 * and the price that touched it (the market may have jumped); a target is never filled better than its trigger.
 */
export function triggered(
  order: { readonly side: Side; readonly tpsl: 'stop' | 'target'; readonly triggerPrice: number },
  price: number,
): number | null {
  const sells = order.side === 'sell';
  if (order.tpsl === 'stop') {
    const touched = sells ? price <= order.triggerPrice : price >= order.triggerPrice;
    return touched ? (sells ? Math.min(price, order.triggerPrice) : Math.max(price, order.triggerPrice)) : null;
  }
  const touched = sells ? price >= order.triggerPrice : price <= order.triggerPrice;
  return touched ? order.triggerPrice : null;
}

/** A resting limit is filled when the market went through it: a price that only touches it says nothing about those before it in the queue. */
export function passed(order: { readonly side: Side; readonly limitPrice: number }, price: number): boolean {
  return order.side === 'buy' ? price < order.limitPrice : price > order.limitPrice;
}
