/** What an account of the paper exchange tells about itself. Pure. */

import { liquidationPrice } from '../../domain/margin.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import { available, crossEquity, equity, marginUsed, marginUsedByAll } from '../../domain/paper-balances.ts';
import type { BookOrder, BookPosition } from '../../domain/paper-book.ts';
import type { AccountState, ExchangePosition, OpenOrder } from '../exchange.ts';
import type { AccountBook } from './account-book.ts';

/** `matchedMs`: up to where the matcher had worked when the book was read. */
export function accountStateOf(book: AccountBook, mark: Marks, matchedMs: number): AccountState {
  const positions = [...book.positions].map(([symbol, held]) => positionOf(book, symbol, held, mark));
  return {
    equityUsd: equity(book, mark),
    availableUsd: Math.max(0, available(book, mark)),
    marginUsedUsd: marginUsedByAll(book, mark),
    maintenanceMarginUsd: book.crossMaintenance(mark),
    positions,
    openOrders: [...book.orders.values()].map((order) => openOrderOf(book, order)),
    headSeq: book.nextSeq - 1,
    matchedMs,
  };
}

function positionOf(book: AccountBook, symbol: string, held: BookPosition, mark: Marks): ExchangePosition {
  const { size: quantity, entryPrice, leverage, marginMode } = held;
  const markPrice = mark(symbol) ?? entryPrice;
  const isolated = marginMode === 'isolated';
  const marginUsedUsd = marginUsed(symbol, held, mark);
  return {
    ...{ symbol, quantity, entryPrice, leverage, markPrice, marginMode, marginUsedUsd },
    liquidationPrice: liquidationPrice({
      markPrice,
      quantity,
      marginUsd: isolated ? marginUsedUsd : crossEquity(book, mark),
      othersMaintenanceUsd: isolated ? 0 : book.crossMaintenance(mark) - book.maintenance(symbol, held, mark),
      tiers: book.terms(symbol)?.tiers ?? [{ fromUsd: 0, maxLeverage: 1 }],
    }),
  };
}

/** A stop or target is worth what it could close: it shrinks with the position, and one that follows it grows with it. */
function openOrderOf(book: AccountBook, order: BookOrder): OpenOrder {
  const { oid, cloid, symbol, side, limitPrice, triggerPrice, reduceOnly } = order;
  const waitsForFill = order.status === 'waiting';
  const left = order.size - order.filledSize;
  const closable = book.closable(symbol, side);
  const follows = order.grouping === 'positionTpsl' && order.tpsl !== null;
  const size = follows ? closable : reduceOnly && !waitsForFill ? Math.min(left, closable) : left;
  const kind = order.tpsl ?? 'limit';
  return { oid, cloid, symbol, side, kind, size, limitPrice, triggerPrice, reduceOnly, waitsForFill };
}
