/** Whether the paper exchange takes an order, in the order in which the real one looks. */

import { maxLeverageAt } from '../../domain/margin.ts';
import { isLotSize, isTickPrice, MIN_NOTIONAL_USD, REFUSALS } from '../../domain/order-rules.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import { available, marginUsed } from '../../domain/paper-balances.ts';
import type { BookPosition } from '../../domain/paper-book.ts';
import type { MarginMode, OrderIntent } from '../exchange.ts';
import type { AccountBook } from './account-book.ts';
import type { Terms } from './paper-rules.ts';

/** An order with everything decided that it may leave open. */
export type Ask = {
  readonly order: OrderIntent;
  /** What would be executed: a reduce-only order shrinks to what it can close. */
  readonly size: number;
  /** Price that values it: its own limit or trigger, else the mark. */
  readonly price: number;
  /** Highest price at which what it opens may be executed: margin is asked for at it. */
  readonly marginPrice: number;
  readonly leverage: number;
  readonly marginMode: MarginMode;
  /** Sleeps until its parent is filled, so there is no position to compare it with yet. */
  readonly waits: boolean;
};

/** What is wrong with the order itself; null when nothing is. */
export function malformed(order: OrderIntent, terms: Terms | undefined): string | null {
  if (terms === undefined) return REFUSALS.unknownAsset;
  const follows = order.grouping === 'positionTpsl' && isTrigger(order);
  if (!Number.isFinite(order.size) || order.size < 0) return REFUSALS.invalidSize;
  if (order.size === 0 && !follows) return REFUSALS.zeroSize;
  if (!isLotSize(order.size, terms.sizeDecimals)) return REFUSALS.invalidSize;
  const limit = order.limitPrice ?? null;
  if (order.kind === 'limit' && !(limit !== null && limit > 0)) return REFUSALS.invalidPrice;
  if (order.kind === 'limit' && limit !== null && !isTickPrice(limit, terms.sizeDecimals, terms.tickSize))
    return REFUSALS.tick;
  if (!isTrigger(order)) return null;
  if (order.triggerPrice === null || !(order.triggerPrice > 0)) return REFUSALS.trigger;
  return isTickPrice(order.triggerPrice, terms.sizeDecimals, terms.tickSize) ? null : REFUSALS.tick;
}

/** Why the account cannot have the order; null when it can. */
export function refused(book: AccountBook, ask: Ask, terms: Terms, mark: Marks): string | null {
  const { order } = ask;
  if (order.reduceOnly) {
    if (ask.waits) return null;
    const closable = book.closable(order.symbol, order.side);
    if (closable === 0) return REFUSALS.reduceOnly;
    return ask.size < closable && ask.size * ask.price < MIN_NOTIONAL_USD ? REFUSALS.minNotional : null;
  }
  if (ask.size * ask.price < MIN_NOTIONAL_USD) return REFUSALS.minNotional;
  return unaffordable(book, ask, terms, mark);
}

/** Whether the margin for what an order would add is missing, or the tier does not allow it. Asked again when a resting order is filled. */
export function unaffordable(book: AccountBook, ask: Ask, terms: Terms, mark: Marks): string | null {
  const { symbol, side } = ask.order;
  const added = book.increase(symbol, side, ask.size);
  if (added === 0) return null;
  const held = book.positions.get(symbol);
  const kept = held !== undefined && book.closable(symbol, side) === 0 ? Math.abs(held.size) : 0;
  if (kept > 0 && held?.marginMode !== ask.marginMode) return REFUSALS.leverageType;
  if (ask.marginMode === 'cross' && terms.onlyIsolated) return REFUSALS.onlyIsolated;
  if (ask.leverage > maxLeverageAt(terms.tiers, (kept + added) * ask.marginPrice)) return REFUSALS.marginTier;
  const freed = held !== undefined && kept === 0 ? marginUsed(symbol, held, mark) : 0;
  return required(ask, kept, added, held) > available(book, mark) + freed ? REFUSALS.margin : null;
}

/** Margin that must be free, USD. The order's leverage holds for the whole position afterwards; what an isolated one has stays with it. */
function required(ask: Ask, kept: number, added: number, held: BookPosition | undefined): number {
  const forAdded = (added * ask.marginPrice) / ask.leverage;
  if (kept === 0 || held === undefined || ask.marginMode === 'isolated') return forAdded;
  return forAdded + kept * ask.marginPrice * (1 / ask.leverage - 1 / held.leverage);
}

/** A stop or target that the price has touched already, or one on the wrong side of it. */
export function wrongSide(order: OrderIntent, price: number): boolean {
  if (order.triggerPrice === null || !isTrigger(order)) return false;
  const above = order.triggerPrice > price;
  const wantsAbove = (order.kind === 'stop') === (order.side === 'buy');
  return order.triggerPrice === price || above !== wantsAbove;
}

export function isTrigger(order: OrderIntent): order is OrderIntent & { kind: 'stop' | 'target' } {
  return order.kind === 'stop' || order.kind === 'target';
}
