/** What an account of the paper exchange is worth at the marks, and what of it is bound. Money is USD. */

import type { BookPosition } from './paper-book.ts';

/** Marks as the matcher has worked through them; undefined for a symbol that nobody has quoted yet. */
export type Marks = (symbol: string) => number | undefined;

/** Cash that no isolated position holds, and the positions by symbol. */
export type Holdings = { readonly cashUsd: number; readonly positions: ReadonlyMap<string, BookPosition> };

export function notional(symbol: string, held: BookPosition, mark: Marks): number {
  return Math.abs(held.size) * (mark(symbol) ?? held.entryPrice);
}

export function unrealized(symbol: string, held: BookPosition, mark: Marks): number {
  return held.size * ((mark(symbol) ?? held.entryPrice) - held.entryPrice);
}

/** Bound by one position: its notional over its leverage, or all that an isolated one holds. */
export function marginUsed(symbol: string, held: BookPosition, mark: Marks): number {
  return held.marginMode === 'isolated'
    ? held.marginUsd + unrealized(symbol, held, mark)
    : notional(symbol, held, mark) / held.leverage;
}

/** Bound by all positions. */
export function marginUsedByAll(holdings: Holdings, mark: Marks): number {
  let bound = 0;
  for (const [symbol, held] of holdings.positions) bound += marginUsed(symbol, held, mark);
  return bound;
}

/** Everything the account is worth. */
export function equity(holdings: Holdings, mark: Marks): number {
  let sum = crossEquity(holdings, mark);
  for (const [symbol, held] of holdings.positions)
    if (held.marginMode === 'isolated') sum += held.marginUsd + unrealized(symbol, held, mark);
  return sum;
}

/** What answers for the cross positions: cash and their profit and loss. */
export function crossEquity(holdings: Holdings, mark: Marks): number {
  let sum = holdings.cashUsd;
  for (const [symbol, held] of holdings.positions)
    if (held.marginMode === 'cross') sum += unrealized(symbol, held, mark);
  return sum;
}

/** Free for new positions; below 0 when more is bound than there is. */
export function available(holdings: Holdings, mark: Marks): number {
  let free = crossEquity(holdings, mark);
  for (const [symbol, held] of holdings.positions)
    if (held.marginMode === 'cross') free -= marginUsed(symbol, held, mark);
  return free;
}
