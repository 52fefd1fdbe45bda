/**
 * Closing what the margin no longer carries. Whoever has less than the maintenance margin loses the position at the market, with the
 * taker's fee and the liquidation fee; when even that would leave a debt, the exchange takes the position over at the price at which
 * nothing is left, so an account never owes anything afterwards.
 */

import { feeUsd } from '../../domain/fees.ts';
import { CANCELED } from '../../domain/order-rules.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import { crossEquity, marginUsed } from '../../domain/paper-balances.ts';
import type { BookPosition } from '../../domain/paper-book.ts';
import { roundPrice } from '../../domain/rounding.ts';
import type { AccountBook } from './account-book.ts';
import { takerPrice } from './prices.ts';
import { cancel, stands } from './standing-orders.ts';

/** What closing one position would bring. */
type Exit = {
  readonly symbol: string;
  readonly held: BookPosition;
  readonly side: 'buy' | 'sell';
  readonly price: number;
  readonly pnl: number;
  readonly feeUsd: number;
};

/** A remainder that the last bits of sums can make or unmake. */
const DUST_USD = 1e-6;

/** Liquidates whatever the marks ask for. Returns whether anything was. */
export function liquidate(book: AccountBook, mark: Marks, tsMs: number): boolean {
  const before = book.newFills.length;
  for (const [symbol, held] of [...book.positions]) {
    if (held.marginMode !== 'isolated') continue;
    const marginUsd = marginUsed(symbol, held, mark);
    if (marginUsd < book.maintenance(symbol, held, mark))
      closeAll(book, [exitOf(book, symbol, held, mark, tsMs)], held.marginUsd, tsMs, mark);
  }
  liquidateCross(book, mark, tsMs);
  return book.newFills.length > before;
}

/** The largest first, until the rest is carried. */
function liquidateCross(book: AccountBook, mark: Marks, tsMs: number): void {
  let bankrupt: boolean | null = null;
  while (crossEquity(book, mark) < book.crossMaintenance(mark)) {
    const exits = [...book.positions]
      .filter(([, held]) => held.marginMode === 'cross')
      .map(([symbol, held]) => exitOf(book, symbol, held, mark, tsMs))
      .sort((a, b) => book.maintenance(b.symbol, b.held, mark) - book.maintenance(a.symbol, a.held, mark));
    const [largest] = exits;
    if (largest === undefined) return;
    // Decided at first sight: whether everything together leaves a debt does not depend on the order of closing.
    bankrupt ??= remainder(exits, book.cashUsd) < DUST_USD;
    if (bankrupt) closeAll(book, exits, book.cashUsd, tsMs, mark);
    else close(book, largest, largest.price, largest.feeUsd, tsMs, mark);
  }
}

function exitOf(book: AccountBook, symbol: string, held: BookPosition, mark: Marks, tsMs: number): Exit {
  const side = held.size > 0 ? 'sell' : 'buy';
  const price = takerPrice(mark(symbol) ?? held.entryPrice, side, book.rules.slippageBps, book.gridOf(symbol));
  const bps = book.feeBps(true, tsMs) + book.rules.liquidationFeeBps;
  const fee = feeUsd(Math.abs(held.size) * price, bps);
  return { symbol, held, side, price, pnl: held.size * (price - held.entryPrice), feeUsd: fee };
}

function remainder(exits: readonly Exit[], cashUsd: number): number {
  return exits.reduce((left, exit) => left + exit.pnl - exit.feeUsd, cashUsd);
}

/** Closes everything that one margin carries. A debt is taken off the losses by better prices, and what is left goes with the last fee. */
function closeAll(book: AccountBook, exits: readonly Exit[], marginUsd: number, tsMs: number, mark: Marks): void {
  if (remainder(exits, marginUsd) >= DUST_USD) {
    for (const exit of exits) close(book, exit, exit.price, exit.feeUsd, tsMs, mark);
    return;
  }
  const debtUsd = Math.max(0, -exits.reduce((left, exit) => left + exit.pnl, marginUsd));
  const losses = exits.reduce((sum, exit) => sum + Math.max(0, -exit.pnl), 0);
  const share = losses === 0 ? 0 : Math.min(1, debtUsd / losses);
  let left = marginUsd;
  for (const [index, exit] of exits.entries()) {
    const price = takeOverPrice(book, exit, share);
    left += exit.held.size * (price - exit.held.entryPrice);
    // Cut to a millionth like every fee, so that what stays is nothing, and not a hair less.
    const fee = index === exits.length - 1 ? Math.floor(left / DUST_USD) * DUST_USD : 0;
    close(book, exit, price, fee, tsMs, mark);
  }
}

/** The market's price, moved towards the entry by the share of the loss that nobody can pay. */
function takeOverPrice(book: AccountBook, exit: Exit, share: number): number {
  if (share === 0 || exit.pnl >= 0) return exit.price;
  const moved = exit.price + (exit.held.entryPrice - exit.price) * share;
  const { sizeDecimals, tickSize } = book.gridOf(exit.symbol);
  return roundPrice(moved, sizeDecimals, exit.side === 'buy' ? 'sell' : 'buy', tickSize);
}

function close(book: AccountBook, exit: Exit, price: number, fee: number, tsMs: number, mark: Marks): void {
  for (const order of book.orders.values())
    if (stands(order) && order.symbol === exit.symbol) cancel(book, order, CANCELED.liquidated);
  book.execute({
    ...{
      oid: book.takeOid(),
      cloid: null,
      symbol: exit.symbol,
      side: exit.side,
      size: Math.abs(exit.held.size),
      price,
    },
    ...{ crossed: true, liquidation: true, setting: exit.held, tsMs, mark, feeUsd: fee },
  });
}
