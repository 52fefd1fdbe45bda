/**
 * Positions, trades and cash as a pure function of an account's entries. Average cost; sizes are integer lots inside, so that
 * flat is exactly flat. Nothing depends on the order or the number of times in which entries were learnt.
 */

import { CodedError } from '../errors.ts';
import type { Fill, LedgerPosition, LedgerTrade } from './fill.ts';
import { lotsOf, orderFills, signOf } from './fill-order.ts';
import { type Book, closeLots, enterLots, openBook, rowsOf } from './ledger-book.ts';

export { orderFills } from './fill-order.ts';

/** How to fold. */
export type FoldOptions = {
  /** Decimals of a base size: one lot is 10^−sizeDecimals. */
  readonly sizeDecimals: number;
  /**
   * Trades that each order (oid) had made before the first of these fills. Only needed when the fold begins in the middle of
   * a history, where an order may already have closed an earlier position: it keeps the ordinals of trade ids stable.
   */
  readonly priorTrades?: ReadonlyMap<number, number>;
};

/** What a ledger of one (model, symbol) comes to. All sums are of the entries given, in USD. */
export type LedgerFold = {
  /** In the order in which they were opened; only the last one can be open. */
  readonly positions: LedgerPosition[];
  /** Position by position, each in the order of its first closing fill. */
  readonly trades: LedgerTrade[];
  /** Signed position at the end, base units. */
  readonly quantity: number;
  /** Realised profit before fees, by average cost; the sum over `trades`. */
  readonly grossPnl: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly transfersUsd: number;
  /** First execution whose `startPosition` is not what the entries before it lead to: something is missing there. */
  readonly gapFillId: string | null;
};

type State = {
  readonly lotsPerUnit: number;
  readonly books: Book[];
  readonly ordinals: Map<string, number>;
  /** Signed lots. */
  held: number;
  feesUsd: number;
  fundingUsd: number;
  transfersUsd: number;
  gapFillId: string | null;
};

/**
 * Folds all entries of one (model, symbol) whose history starts flat or with an `opening` entry. They may come in any order
 * and more than once. A fill through zero closes first and opens with the rest; its fee is split by quantity. All fills of
 * a closing order (same oid; each fill by itself where there is none) against one position are one trade.
 *
 * Prices and money are USD, quantities base units. Entries of kind `funding` and `transfer` only add to their sums.
 * The profit of an execution is computed, never taken from its `closedPnl`.
 *
 * @throws CodedError NOF0_LEDGER_INCONSISTENT for mixed ledgers, sizes or prices that cannot be, an opening that is not
 *   first, and different entries under one id. Missing entries are no error: they may still come (see `gapFillId`).
 */
export function foldFills(fills: readonly Fill[], options: FoldOptions): LedgerFold {
  const state = emptyState(options);
  for (const fill of orderFills(fills, options)) {
    if (fill.kind === 'funding') state.fundingUsd += fill.closedPnl;
    else if (fill.kind === 'transfer') state.transfersUsd += fill.closedPnl;
    else if (fill.kind === 'opening') applyOpening(state, fill);
    else applyTrade(state, fill);
  }
  const { feesUsd, fundingUsd, transfersUsd, gapFillId } = state;
  const rows = state.books.map((book) => rowsOf(book, state.lotsPerUnit));
  const trades = rows.flatMap((row) => row.trades);
  return {
    positions: rows.map((row) => row.position),
    trades,
    quantity: state.held / state.lotsPerUnit,
    grossPnl: trades.reduce((sum, trade) => sum + trade.realizedGrossPnl, 0),
    feesUsd,
    fundingUsd,
    transfersUsd,
    gapFillId,
  };
}

/**
 * R6: equity = initial + gross realised + unrealised − fees + funding received + transfers, all USD over the whole history
 * of an account. Exact to 1e-9 of the turnover.
 */
export function equityUsd(totals: {
  readonly initialUsd: number;
  readonly grossPnl: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly transfersUsd: number;
  readonly unrealizedUsd: number;
}): number {
  const { initialUsd, grossPnl, feesUsd, fundingUsd, transfersUsd, unrealizedUsd } = totals;
  return initialUsd + grossPnl + unrealizedUsd - feesUsd + fundingUsd + transfersUsd;
}

/** Profit in USD of a signed quantity (base units, short < 0) held from the entry price to the mark price. */
export function unrealizedPnl(quantity: number, entryPrice: number, markPrice: number): number {
  // Adding 0 makes −0 a 0: they are the same money, but not the same row.
  return quantity * (markPrice - entryPrice) + 0;
}

function emptyState(options: FoldOptions): State {
  return {
    lotsPerUnit: 10 ** options.sizeDecimals,
    books: [],
    ordinals: new Map([...(options.priorTrades ?? [])].map(([oid, count]) => [String(oid), count])),
    held: 0,
    feesUsd: 0,
    fundingUsd: 0,
    transfersUsd: 0,
    gapFillId: null,
  };
}

function applyOpening(state: State, fill: Fill): void {
  if (state.books.length > 0) {
    throw new CodedError(
      'NOF0_LEDGER_INCONSISTENT',
      `Opening entry ${fill.id} comes after other executions; expected it first. Remove it or what lies before it.`,
      { details: { fillId: fill.id, modelId: fill.modelId, symbol: fill.symbol } },
    );
  }
  applyLots(state, fill, 0);
}

function applyTrade(state: State, fill: Fill): void {
  if (fill.startPosition !== null && lotsOf(fill.startPosition, state.lotsPerUnit) !== state.held) {
    state.gapFillId ??= fill.id;
  }
  state.feesUsd += fill.feeUsd;
  applyLots(state, fill, fill.feeUsd);
}

function applyLots(state: State, fill: Fill, feeUsd: number): void {
  const lots = lotsOf(fill.size, state.lotsPerUnit);
  const sign = signOf(fill);
  const book = state.held === 0 ? undefined : state.books.at(-1);
  const closing = book === undefined || book.sign === sign ? 0 : Math.min(lots, Math.abs(state.held));
  const closingFee = closing === lots ? feeUsd : (feeUsd * closing) / lots;
  if (book !== undefined && closing > 0) closeLots(book, fill, closing, closingFee, state.ordinals);
  if (closing < lots) {
    const target = book !== undefined && book.sign === sign ? book : openBook(fill);
    if (target !== book) state.books.push(target);
    enterLots(target, fill, lots - closing, feeUsd - closingFee);
  }
  state.held += sign * lots;
}
