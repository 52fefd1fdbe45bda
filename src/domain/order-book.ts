/** A book of resting orders, and what a taker gets out of it. */

import type { Side } from './fill.ts';

/** One price of a book with everything that rests there, base units. */
export type BookLevel = { readonly price: number; readonly size: number };

/** Both sides, best price first. */
export type OrderBook = {
  readonly tsMs: number;
  readonly bids: readonly BookLevel[];
  readonly asks: readonly BookLevel[];
};

/**
 * What an order of `size` takes, level by level and never beyond `worstPrice`. The sum is less than asked for when the book is thin.
 */
export function takeFromBook(book: OrderBook, side: Side, size: number, worstPrice: number | null): BookLevel[] {
  const taken: BookLevel[] = [];
  let left = size;
  for (const level of side === 'buy' ? book.asks : book.bids) {
    if (left <= 0) break;
    if (worstPrice !== null && (side === 'buy' ? level.price > worstPrice : level.price < worstPrice)) break;
    const part = Math.min(left, level.size);
    if (part > 0) taken.push({ price: level.price, size: part });
    left -= part;
  }
  return taken;
}
