/**
 * Positions, trades and cash as a pure function of an account's entries. Average cost; sizes are integer lots inside, so that
 * flat is exactly flat. Nothing depends on the order or the number of times in which entries were learnt.
 */

import type { Fill, LedgerPosition, LedgerTrade } from './fill.ts';
import { lotsOf, moveOf, orderFills, signOf, startOf } from './fill-order.ts';
import { type Book, closeLots, enterLots, openBook, rowsOf } from './ledger-book.ts';
import { impliedOpening } from './ledger-opening.ts';

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
  /** False when the fold begins at a flat point in the middle of a history. */
  readonly fromBeginning?: boolean;
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
  /** First entry that does not start at the position which the entries before it lead to: something is missing there. */
  readonly gapFillId: string | null;
  /** The position that was there before the first execution: as an entry says, or as that execution implies. Null: flat. */
  readonly opening: Fill | null;
};

type State = {
  readonly lotsPerUnit: number;
  readonly books: Book[];
  readonly ordinals: Map<string, number>;
  readonly fromBeginning: boolean;
  opening: Fill | null;
  /** Signed lots. */
  held: number;
  feesUsd: number;
  fundingUsd: number;
  transfersUsd: number;
  gapFillId: string | null;
};

/**
 * Folds all entries of one (model, symbol). They may come in any order and more than once. A history that begins in the middle
 * of a position is given the opening entry that its first execution implies (see `impliedOpening`), unless it has one. A fill through zero closes first and opens with the rest; its fee is split by quantity. All fills of
 * a closing order (same oid; each fill by itself where there is none) against one position are one trade.
 *
 * Prices and money are USD, quantities base units. Entries of kind `funding` and `transfer` only add to their sums.
 * An opening entry that other executions lead up to is explained by them and books nothing. The profit of an execution is computed, never taken from its `closedPnl`.
 *
 * @throws CodedError NOF0_LEDGER_INCONSISTENT for mixed ledgers, sizes or prices that cannot be, and different entries under
 *   one id. Missing entries are no error: they may still come (see `gapFillId`).
 */
export function foldFills(fills: readonly Fill[], options: FoldOptions): LedgerFold {
  const state = emptyState(options);
  const ordered = orderFills(fills, options);
  const implied = state.fromBeginning ? impliedOpening(ordered, state.lotsPerUnit) : null;
  for (const fill of implied === null ? ordered : [implied, ...ordered]) {
    if (fill.kind !== 'opening') state.feesUsd += fill.feeUsd;
    if (fill.kind === 'funding') state.fundingUsd += fill.closedPnl;
    else if (fill.kind === 'transfer') state.transfersUsd += fill.closedPnl;
    else if (fill.kind === 'opening') applyOpening(state, fill);
    else applyTrade(state, fill);
  }
  const { feesUsd, fundingUsd, transfersUsd, gapFillId, opening } = state;
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
    opening,
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
    fromBeginning: options.fromBeginning ?? true,
    opening: null,
    held: 0,
    feesUsd: 0,
    fundingUsd: 0,
    transfersUsd: 0,
    gapFillId: null,
  };
}

function applyOpening(state: State, fill: Fill): void {
  if (!state.fromBeginning || state.books.length > 0) {
    if (moveOf(fill, state.lotsPerUnit) !== state.held) state.gapFillId ??= fill.id;
    return;
  }
  state.opening = fill;
  applyLots(state, fill, 0);
}

function applyTrade(state: State, fill: Fill): void {
  if (fill.startPosition !== null && startOf(fill, state.lotsPerUnit) !== state.held) state.gapFillId ??= fill.id;
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
