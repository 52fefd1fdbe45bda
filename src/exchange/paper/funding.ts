/** What a funding print moves on one account. Pure. */

import { crossEquity, type Marks, marginUsed } from '../../domain/paper-balances.ts';
import type { BookPosition, MarketEvent } from '../../domain/paper-book.ts';
import type { AccountBook } from './account-book.ts';

/**
 * Funding on what was held just before the print: −size × oracle price × rate. An isolated position answers for what it still is with
 * its own margin; the rest, also that on what is gone by now, is the account's. Neither is asked for more than it has, and the entry
 * says what was paid.
 */
export function fund(book: AccountBook, print: Omit<MarketEvent, 'kind' | 'seq'>, mark: Marks): void {
  const { symbol, rate, price, tsMs } = print;
  const size = book.sizeBefore(symbol, tsMs);
  if (size === 0 || rate === 0) return;
  const held = book.positions.get(symbol);
  const owed = -size * price * rate;
  const own = held?.marginMode === 'isolated' ? owed * shareKept(held, size) : 0;
  const ownUsd = held === undefined ? 0 : payable(own, marginUsed(symbol, held, mark));
  const cashUsd = payable(owed - own, crossEquity(book, mark));
  if (ownUsd + cashUsd === 0) return;
  if (held !== undefined && ownUsd !== 0) book.positions.set(symbol, { ...held, marginUsd: held.marginUsd + ownUsd });
  book.cashUsd += cashUsd;
  book.newFills.push({
    seq: book.nextSeq++,
    oid: null,
    cloid: null,
    symbol,
    side: size > 0 ? 'buy' : 'sell',
    price,
    size: Math.abs(size),
    startPosition: size,
    feeUsd: 0,
    closedPnl: ownUsd + cashUsd,
    crossed: true,
    liquidation: false,
    kind: 'funding',
    tsMs,
  });
}

/** How much of what was held is still held. */
function shareKept(held: BookPosition, before: number): number {
  return held.size * before > 0 ? Math.min(1, held.size / before) : 0;
}

/** Received as it is; paid as far as there is something. */
function payable(usd: number, thereUsd: number): number {
  return Math.max(usd, -Math.max(0, thereUsd));
}
