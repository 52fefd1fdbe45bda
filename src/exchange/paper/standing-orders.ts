/** The orders of an account that stand: how they end, and how those that wait for another wake. Pure. */

import type { Side } from '../../domain/fill.ts';
import { CANCELED } from '../../domain/order-rules.ts';
import type { BookOrder } from '../../domain/paper-book.ts';

/** As much of an account as its orders need. */
type Standing = {
  readonly orders: ReadonlyMap<number, BookOrder>;
  readonly changedOrders: Set<BookOrder>;
  closable(symbol: string, side: Side): number;
};

export function stands(order: BookOrder): boolean {
  return order.status === 'resting' || order.status === 'waiting';
}

export function childrenOf(book: Standing, oid: number): BookOrder[] {
  return [...book.orders.values()].filter((order) => order.parentOid === oid);
}

/** An order ends unfilled, and what waits for it goes or wakes with what it got. */
export function cancel(book: Standing, order: BookOrder, reason: string): void {
  order.status = 'canceled';
  order.error = reason;
  book.changedOrders.add(order);
  for (const child of childrenOf(book, order.oid)) {
    if (child.status !== 'waiting') continue;
    if (order.filledSize === 0) cancel(book, child, reason);
    else wake(book, child, order, null);
  }
}

/** A stop or target protects what its parent opened. `event`: what filled it, when only later events may touch the child. */
export function wake(
  book: Standing,
  child: BookOrder,
  parent: BookOrder,
  event: { readonly seq: number; readonly tsMs: number } | null,
): void {
  child.status = 'resting';
  child.size = Math.min(child.size, parent.filledSize);
  child.placedSeq = event?.seq ?? child.placedSeq;
  child.tsMs = event?.tsMs ?? child.tsMs;
  book.changedOrders.add(child);
  // The parent may only have closed what was there.
  if (book.closable(child.symbol, child.side) === 0) cancel(book, child, CANCELED.reduceOnly);
}

/** Orders that only reduce go with the position they would reduce. */
export function cancelReduceOnly(book: Standing, symbol: string): void {
  for (const order of book.orders.values()) {
    if (order.status !== 'resting' || order.symbol !== symbol || !order.reduceOnly) continue;
    if (book.closable(symbol, order.side) === 0) cancel(book, order, CANCELED.reduceOnly);
  }
}
