/** Placing orders on an account: what is refused, what is filled at once, what rests. Pure. */

import type { OrderBook } from '../../domain/order-book.ts';
import { CANCELED, type MarginMode, REFUSALS } from '../../domain/order-rules.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import type { BookOrder } from '../../domain/paper-book.ts';
import { gridSize } from '../../domain/rounding.ts';
import type { OrderIntent } from '../exchange.ts';
import type { AccountBook } from './account-book.ts';
import { type Ask, isTrigger, malformed, refused, wrongSide } from './order-checks.ts';
import type { Terms } from './paper-rules.ts';
import { type PriceGrid, takerPrice, takes } from './prices.ts';
import { cancel, stands } from './standing-orders.ts';

/** The market as a placement meets it. */
export type MarketView = {
  readonly mark: Marks;
  /** Null: not known, the slippage stands for it. */
  readonly book: (symbol: string) => OrderBook | null;
  /** Up to where the matcher has worked: only events behind it may fill what rests. */
  readonly seq: number;
  readonly nowMs: number;
};

/**
 * Places orders one after the other, so that a close frees the margin of the entry behind it. One order of the result an order of the
 * request. `known` holds what was placed under these client order ids before: it stands as it is. A second order under one id within
 * the request is refused and leaves no trace.
 */
export function placeOrders(
  book: AccountBook,
  orders: readonly OrderIntent[],
  market: MarketView,
  known: ReadonlyMap<string, BookOrder> = new Map(),
): BookOrder[] {
  const seen = new Set<string>();
  const parents = new Map<string, BookOrder>();
  return orders.map((order) => {
    if (seen.has(order.cloid)) return refusedOrder(book, order, market, REFUSALS.duplicateCloid);
    seen.add(order.cloid);
    const parent = order.grouping === 'normalTpsl' && isTrigger(order) ? (parents.get(order.symbol) ?? null) : null;
    const placed = known.get(order.cloid) ?? placeOne(book, order, market, parent);
    if (!isTrigger(order)) parents.set(order.symbol, placed);
    return placed;
  });
}

/** An order that never reached the books. */
export function refusedOrder(book: AccountBook, order: OrderIntent, market: MarketView, error: string): BookOrder {
  return ended(newOrder(book, order, market, null), error);
}

function placeOne(book: AccountBook, sent: OrderIntent, market: MarketView, parent: BookOrder | null): BookOrder {
  // A stop or target never opens anything.
  const order = { ...sent, reduceOnly: sent.reduceOnly || isTrigger(sent) };
  const placed = newOrder(book, order, market, parent);
  placed.oid = book.takeOid();
  book.orders.set(placed.oid, placed);
  book.changedOrders.add(placed);
  const terms = book.terms(order.symbol);
  const mark = market.mark(order.symbol);
  const wrong = malformed(order, terms);
  if (wrong !== null || terms === undefined || mark === undefined) return ended(placed, wrong ?? REFUSALS.unknownAsset);
  if (parent !== null && parent.status !== 'resting' && parent.filledSize === 0) return ended(placed, REFUSALS.parent);
  const waits = parent?.status === 'resting';
  const ask = askOf(book, order, mark, waits, parent);
  const refusal = refused(book, ask, terms, market.mark);
  if (refusal !== null) return ended(placed, refusal);
  const reference = waits ? (parent?.limitPrice ?? mark) : mark;
  if (wrongSide(order, reference)) return ended(placed, REFUSALS.trigger);
  placed.size = ask.size;
  if (isTrigger(order)) placed.status = waits ? 'waiting' : 'resting';
  else meetMarket(book, placed, ask, { ...market, markPrice: mark, ...lots(book, terms) });
  return placed;
}

function askOf(book: AccountBook, order: OrderIntent, mark: number, waits: boolean, parent: BookOrder | null): Ask {
  const closable = book.closable(order.symbol, order.side);
  const follows = order.grouping === 'positionTpsl' && isTrigger(order);
  const wanted = parent !== null && !waits ? Math.min(order.size, parent.filledSize) : order.size;
  const size = follows ? closable : order.reduceOnly && !waits ? Math.min(wanted, closable) : wanted;
  const own = isTrigger(order) ? order.triggerPrice : order.kind === 'limit' ? (order.limitPrice ?? null) : null;
  const marginMode = order.marginMode ?? book.marginModeOf(order.symbol);
  const marginPrice = marginPriceOf(book, order, mark, marginMode);
  return { order, size, price: own ?? mark, marginPrice, leverage: order.leverage, marginMode, waits };
}

/**
 * A sell is filled at its limit or better, which is higher. The margin of an isolated position leaves the cash at the price it was
 * filled at, so the slippage of a buy counts there.
 */
function marginPriceOf(book: AccountBook, order: OrderIntent, mark: number, marginMode: MarginMode): number {
  if (order.kind === 'limit' && order.side === 'buy') return order.limitPrice ?? mark;
  if (order.kind === 'limit') return Math.max(order.limitPrice ?? mark, mark);
  if (marginMode === 'cross' || order.side === 'sell') return mark;
  return takerPrice(mark, order.side, book.rules.slippageBps, book.gridOf(order.symbol));
}

type Lots = PriceGrid & { readonly slippageBps: number };
type Meeting = MarketView & Lots & { readonly markPrice: number };

function lots(book: AccountBook, terms: Terms): Lots {
  return { slippageBps: book.rules.slippageBps, sizeDecimals: terms.sizeDecimals, tickSize: terms.tickSize ?? null };
}

/** Takes what the market gives; what is left of a good-till-canceled order rests, what is left of any other is gone. */
function meetMarket(book: AccountBook, placed: BookOrder, ask: Ask, market: Meeting): void {
  const depth = market.book(placed.symbol);
  const want = { side: placed.side, size: placed.size, limit: placed.limitPrice };
  const levels = takes(want, { mark: market.markPrice, book: depth }, market);
  if (placed.tif === 'Alo') {
    if (levels.length === 0) placed.status = 'resting';
    else ended(placed, REFUSALS.postOnly(...bestPrices(depth, market)));
    return;
  }
  for (const level of levels) {
    fill(placed, level.price, level.size, market.sizeDecimals);
    book.execute({
      ...{ oid: placed.oid, cloid: placed.cloid, symbol: placed.symbol, side: placed.side },
      ...{
        size: level.size,
        price: level.price,
        crossed: true,
        liquidation: false,
        tsMs: market.nowMs,
        mark: market.mark,
      },
      setting: { leverage: ask.leverage, marginMode: ask.marginMode },
    });
  }
  if (placed.filledSize >= placed.size) return;
  if (placed.tif === 'Gtc') placed.status = 'resting';
  else if (placed.filledSize > 0) placed.status = 'filled';
  else ended(placed, placed.limitPrice === null ? REFUSALS.noLiquidity : REFUSALS.ioc);
}

/** Bid and ask, as the refusal of a post-only order names them. */
function bestPrices(
  depth: OrderBook | null,
  { markPrice, slippageBps, sizeDecimals, tickSize }: Meeting,
): [number, number] {
  return [
    depth?.bids[0]?.price ?? takerPrice(markPrice, 'sell', slippageBps, { sizeDecimals, tickSize: tickSize ?? null }),
    depth?.asks[0]?.price ?? takerPrice(markPrice, 'buy', slippageBps, { sizeDecimals, tickSize: tickSize ?? null }),
  ];
}

/** Writes an execution onto its order; it is filled when nothing is left. */
export function fill(order: BookOrder, price: number, size: number, sizeDecimals: number): void {
  const before = order.filledSize;
  order.avgPrice = ((order.avgPrice ?? 0) * before + price * size) / (before + size);
  if (before === 0) order.avgPrice = price;
  order.filledSize = gridSize(before + size, sizeDecimals);
  if (order.filledSize >= order.size) order.status = 'filled';
}

/** Cancels a standing order. False when there is none. */
export function cancelOrder(book: AccountBook, order: BookOrder | undefined): boolean {
  if (order === undefined || !stands(order)) return false;
  cancel(book, order, CANCELED.asked);
  return true;
}

function ended(order: BookOrder, error: string): BookOrder {
  order.status = 'rejected';
  order.error = error;
  return order;
}

function newOrder(book: AccountBook, order: OrderIntent, market: MarketView, parent: BookOrder | null): BookOrder {
  const trigger = isTrigger(order);
  return {
    oid: 0,
    account: book.account,
    cloid: order.cloid,
    symbol: order.symbol,
    side: order.side,
    size: order.size,
    filledSize: 0,
    avgPrice: null,
    limitPrice: trigger ? null : (order.limitPrice ?? null),
    triggerPrice: trigger ? order.triggerPrice : null,
    tif: order.kind === 'limit' ? (order.tif ?? 'Gtc') : null,
    tpsl: trigger ? (order.kind as 'stop' | 'target') : null,
    grouping: order.grouping ?? 'na',
    parentOid: parent?.oid ?? null,
    reduceOnly: order.reduceOnly,
    leverage: order.leverage,
    marginMode: order.marginMode ?? null,
    status: 'rejected',
    error: null,
    placedSeq: market.seq,
    tsMs: market.nowMs,
  };
}
