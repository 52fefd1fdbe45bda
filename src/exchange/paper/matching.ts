/** What one event of the market does to one account: triggers, fills of resting orders, funding, liquidation. Pure. */

import { CANCELED } from '../../domain/order-rules.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import type { BookOrder, MarketEvent } from '../../domain/paper-book.ts';
import type { AccountBook } from './account-book.ts';
import { fund } from './funding.ts';
import { liquidate } from './liquidation.ts';
import { type Ask, unaffordable } from './order-checks.ts';
import { fill } from './placement.ts';
import { passed, takerPrice, triggered } from './prices.ts';
import { cancel, childrenOf, stands, wake } from './standing-orders.ts';

/** Marks while events are worked through, with the time of each. */
export type MarkBoard = Map<string, { readonly price: number; readonly tsMs: number; readonly seq: number }>;

export function marksOf(board: MarkBoard): Marks {
  return (symbol) => board.get(symbol)?.price;
}

/**
 * Works one event into the marks and the accounts. Events come in the order they were ingested; how they are cut into batches makes no
 * difference. A tick older than the symbol's newest does nothing.
 */
export function applyEvent(event: MarketEvent, board: MarkBoard, accounts: Iterable<AccountBook>): void {
  if (event.kind === 'tick') {
    if (event.tsMs < (board.get(event.symbol)?.tsMs ?? 0)) return;
    board.set(event.symbol, { price: event.price, tsMs: event.tsMs, seq: event.seq });
  }
  const mark = marksOf(board);
  for (const book of accounts) {
    if (event.kind === 'funding') fund(book, event, mark);
    // Who cannot carry the position at this price has lost it before any order of his is looked at.
    if (book.positions.size > 0) liquidate(book, mark, event.tsMs);
    if (event.kind === 'tick') meetTick(book, event, mark);
  }
}

function meetTick(book: AccountBook, event: MarketEvent, mark: Marks): void {
  for (const order of [...book.orders.values()]) {
    if (order.symbol !== event.symbol || order.status !== 'resting') continue;
    // Only events that came after the placement may fill it: learnt after it, and not from a moment before it.
    if (event.seq <= order.placedSeq || event.tsMs < order.tsMs) continue;
    const met = order.tpsl === null ? meetLimit(book, order, event, mark) : meetTrigger(book, order, event, mark);
    // What a fill added at its own price may be lost at the mark already: then no later order of the same tick is looked at, either.
    if (met) liquidate(book, mark, event.tsMs);
  }
}

function meetTrigger(book: AccountBook, order: BookOrder, event: MarketEvent, mark: Marks): boolean {
  if (order.tpsl === null || order.triggerPrice === null) return false;
  const meets = triggered({ side: order.side, tpsl: order.tpsl, triggerPrice: order.triggerPrice }, event.price);
  if (meets === null) return false;
  const closable = book.closable(order.symbol, order.side);
  const size = order.grouping === 'positionTpsl' ? closable : Math.min(order.size, closable);
  if (size === 0) {
    cancel(book, order, CANCELED.reduceOnly);
    return true;
  }
  order.size = size;
  execute(
    book,
    order,
    size,
    takerPrice(meets, order.side, book.rules.slippageBps, book.gridOf(order.symbol)),
    true,
    event,
    mark,
  );
  return true;
}

/** A resting limit is filled at its own price, as a maker. */
function meetLimit(book: AccountBook, order: BookOrder, event: MarketEvent, mark: Marks): boolean {
  const { limitPrice } = order;
  if (limitPrice === null || !passed({ side: order.side, limitPrice }, event.price)) return false;
  const left = order.size - order.filledSize;
  const size = order.reduceOnly ? Math.min(left, book.closable(order.symbol, order.side)) : left;
  if (size <= 0) {
    cancel(book, order, CANCELED.reduceOnly);
    return true;
  }
  if (!order.reduceOnly && missesMargin(book, order, size, mark)) {
    cancel(book, order, CANCELED.margin);
    return true;
  }
  execute(book, order, size, limitPrice, false, event, mark);
  wakeChildren(book, order, event);
  return true;
}

function missesMargin(book: AccountBook, order: BookOrder, size: number, mark: Marks): boolean {
  const terms = book.terms(order.symbol);
  if (terms === undefined) return true;
  const marginMode = order.marginMode ?? book.marginModeOf(order.symbol);
  const intent = { ...order, kind: 'limit' as const, tif: order.tif ?? 'Gtc', marginMode };
  const price = order.limitPrice ?? 0;
  const ask: Ask = {
    order: intent,
    size,
    price,
    marginPrice: price,
    leverage: order.leverage,
    marginMode,
    waits: false,
  };
  return unaffordable(book, ask, terms, mark) !== null;
}

function execute(
  book: AccountBook,
  order: BookOrder,
  size: number,
  price: number,
  crossed: boolean,
  event: MarketEvent,
  mark: Marks,
): void {
  // A reduce-only order that meets a smaller position is done with it.
  if (order.reduceOnly) order.size = order.filledSize + size;
  fill(order, price, size, book.terms(order.symbol)?.sizeDecimals ?? 8);
  book.changedOrders.add(order);
  book.execute({
    ...{ oid: order.oid, cloid: order.cloid, symbol: order.symbol, side: order.side, size, price },
    ...{ crossed, liquidation: false, tsMs: event.tsMs, mark },
    setting: { leverage: order.leverage, marginMode: order.marginMode ?? book.marginModeOf(order.symbol) },
  });
  if (order.grouping === 'normalTpsl' && order.parentOid !== null) cancelSiblings(book, order);
}

/** One of a pair filled cancels the other. */
function cancelSiblings(book: AccountBook, order: BookOrder): void {
  for (const sibling of childrenOf(book, order.parentOid ?? 0))
    if (sibling !== order && stands(sibling)) cancel(book, sibling, CANCELED.sibling);
}

/** Stops and targets of an order that is filled now protect what it opened; only later events may touch them. */
function wakeChildren(book: AccountBook, parent: BookOrder, event: MarketEvent): void {
  for (const child of childrenOf(book, parent.oid)) if (child.status === 'waiting') wake(book, child, parent, event);
}
