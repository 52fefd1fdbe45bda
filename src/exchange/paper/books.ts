/** Rows → account books → rows. */

import type * as store from '../../store/paper-books.ts';
import { AccountBook } from './account-book.ts';
import type { MarkBoard } from './matching.ts';
import type { PaperRules } from './paper-rules.ts';

/** The accounts as books, in the order in which they were opened. */
export function booksFrom(
  { accounts, positions, orders }: store.Books,
  rules: PaperRules,
  past: readonly store.PastRow[] = [],
): AccountBook[] {
  return accounts.map((row) => {
    const own = <T extends { account: string }>(rows: readonly T[]) => rows.filter((r) => r.account === row.account);
    const held = own(positions).map(({ account: _, symbol, ...position }) => [symbol, position] as const);
    return new AccountBook(row, new Map(held), own(orders), rules, own(past));
  });
}

export function boardFrom(marks: readonly store.MarkRow[]): MarkBoard {
  return new Map(marks.map(({ symbol, price, tsMs, seq }) => [symbol, { price, tsMs, seq }]));
}

/** What the books that something happened to write back. */
export function changeOf(books: readonly AccountBook[]): store.BookChange | null {
  const touched = books.filter((book) => book.touched);
  if (touched.length === 0) return null;
  return {
    accounts: touched.map((book) => book.row()),
    positions: touched.flatMap((book) =>
      [...book.positions].map(([symbol, held]) => ({
        ...{ account: book.account, symbol, ...held },
        highestRate: book.terms(symbol)?.highestRate ?? 0.5,
      })),
    ),
    orders: touched.flatMap((book) => [...book.changedOrders]),
    fills: touched.flatMap((book) => book.newFills.map((fill) => ({ account: book.account, ...fill }))),
  };
}
