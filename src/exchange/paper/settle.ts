/** Bringing a paper account to an amount: what is missing comes as a transfer, what is too much goes as one. */

import { CodedError } from '../../errors.ts';
import type { AccountBook } from './account-book.ts';

/** Of cash that moves without an order. */
const CASH = 'USD';

/** `cause` marks the transfer: an account that has one of it is left alone by the caller. Throws NOF0_MODEL_NOT_FLAT. */
export function settleAccount(book: AccountBook, usd: number, cause: string, tsMs: number): void {
  if (book.positions.size > 0 || book.orders.size > 0)
    throw new CodedError(
      'NOF0_MODEL_NOT_FLAT',
      `"${book.account}" has ${[...book.positions.keys()].join(', ') || 'no positions'} and ${book.orders.size} orders; flatten it first`,
    );
  const moved = usd - book.cashUsd;
  // Also of nothing: the mark says that this account is done.
  book.cashUsd = usd;
  book.newFills.push({
    seq: book.nextSeq++,
    oid: null,
    cloid: cause,
    symbol: CASH,
    side: moved >= 0 ? 'sell' : 'buy',
    price: 0,
    size: 0,
    startPosition: 0,
    feeUsd: 0,
    closedPnl: moved,
    crossed: false,
    liquidation: false,
    kind: 'transfer',
    tsMs,
  });
}
