/** The book of one position while its entries are folded, and the rows it becomes. Quantities are whole lots in here. */

import type { Fill, LedgerPosition, LedgerTrade } from './fill.ts';
import { signOf } from './fill-order.ts';

/** A running mean. A single value is kept exactly, which a sum divided by its weight is not. */
type WeightedMean = { value: number; weight: number };

/** The part of one closing order that closed one position. */
type ClosingOrder = {
  readonly id: string;
  readonly entry: WeightedMean;
  readonly exit: WeightedMean;
  entryFees: number;
  exitFees: number;
  enteredLots: number;
  liquidation: boolean;
  last: Fill;
};

/** One position from its opening fill until it is flat. `unusedEntryFees` are those that no trade has taken yet. */
export type Book = {
  readonly opening: Fill;
  readonly sign: 1 | -1;
  readonly entered: WeightedMean;
  readonly held: WeightedMean;
  /** By order id, or by fill id where the order is not known. */
  readonly closings: Map<string, ClosingOrder>;
  unusedEntryFees: number;
  commission: number;
  last: Fill;
};

/** An empty book; its opening fill still has to be entered. */
export function openBook(opening: Fill): Book {
  return {
    opening,
    sign: signOf(opening),
    entered: { value: 0, weight: 0 },
    held: { value: 0, weight: 0 },
    closings: new Map(),
    unusedEntryFees: 0,
    commission: 0,
    last: opening,
  };
}

/** Adds lots at the fill's price; the fee is USD. */
export function enterLots(book: Book, fill: Fill, lots: number, feeUsd: number): void {
  include(book.held, fill.price, lots);
  include(book.entered, fill.price, lots);
  book.unusedEntryFees += feeUsd;
  book.commission += feeUsd;
  book.last = fill;
}

/**
 * Closes lots (no more than are held) at the fill's price.
 *
 * @param ordinals trades each closing order has made so far, over all positions; counted on.
 */
export function closeLots(book: Book, fill: Fill, lots: number, feeUsd: number, ordinals: Map<string, number>): void {
  const closing = closingOf(book, fill, ordinals);
  // The last part takes what is left, so that the shares add up to the fees paid.
  const share = lots === book.held.weight ? 1 : lots / book.held.weight;
  const entryFees = book.unusedEntryFees * share;
  include(closing.entry, book.held.value, lots);
  include(closing.exit, fill.price, lots);
  closing.entryFees += entryFees;
  closing.exitFees += feeUsd;
  closing.enteredLots = book.entered.weight;
  closing.liquidation ||= fill.liquidation;
  closing.last = fill;
  book.unusedEntryFees -= entryFees;
  book.commission += feeUsd;
  book.held.weight -= lots;
  book.last = fill;
}

function closingOf(book: Book, fill: Fill, ordinals: Map<string, number>): ClosingOrder {
  const order = fill.oid === null ? fill.id : String(fill.oid);
  const known = book.closings.get(order);
  if (known !== undefined) return known;
  const ordinal = ordinals.get(order) ?? 0;
  ordinals.set(order, ordinal + 1);
  const closing: ClosingOrder = {
    id: `${fill.modelId}:${fill.symbol}:${order}:${ordinal}`,
    entry: { value: 0, weight: 0 },
    exit: { value: 0, weight: 0 },
    entryFees: 0,
    exitFees: 0,
    enteredLots: 0,
    liquidation: false,
    last: fill,
  };
  book.closings.set(order, closing);
  return closing;
}

/** The rows of a book: its position, and one trade for each closing order in the order of their first fills. */
export function rowsOf(book: Book, lotsPerUnit: number): { position: LedgerPosition; trades: LedgerTrade[] } {
  const trades = [...book.closings.values()].map((closing) => tradeOf(book, closing, lotsPerUnit));
  return { position: positionOf(book, trades, lotsPerUnit), trades };
}

function tradeOf(book: Book, closing: ClosingOrder, lotsPerUnit: number): LedgerTrade {
  const { opening } = book;
  const { last } = closing;
  const size = closing.exit.weight / lotsPerUnit;
  const realizedGrossPnl = positiveZero(book.sign * size * (closing.exit.value - closing.entry.value));
  const entryClosedPnl = positiveZero(-closing.entryFees);
  const exitClosedPnl = realizedGrossPnl - closing.exitFees;
  return {
    id: closing.id,
    modelId: opening.modelId,
    symbol: opening.symbol,
    side: book.sign > 0 ? 'long' : 'short',
    quantity: book.sign * size,
    entryPrice: closing.entry.value,
    exitPrice: closing.exit.value,
    entryTsMs: opening.tsMs,
    exitTsMs: last.tsMs,
    entryOid: opening.oid,
    exitOid: last.oid,
    entryTid: opening.tid,
    exitTid: last.tid,
    entryCloid: opening.cloid,
    exitCloid: last.cloid,
    entrySz: closing.enteredLots / lotsPerUnit,
    exitSz: size,
    entryCrossed: opening.crossed,
    exitCrossed: last.crossed,
    entryCommission: closing.entryFees,
    exitCommission: closing.exitFees,
    totalCommission: closing.entryFees + closing.exitFees,
    entryClosedPnl,
    exitClosedPnl,
    realizedGrossPnl,
    realizedNetPnl: entryClosedPnl + exitClosedPnl,
    exitLiquidation: closing.liquidation,
  };
}

function positionOf(book: Book, trades: readonly LedgerTrade[], lotsPerUnit: number): LedgerPosition {
  const { opening } = book;
  const open = book.held.weight > 0;
  const shown = open ? book.held : book.entered;
  const exit: WeightedMean = { value: 0, weight: 0 };
  for (const closing of book.closings.values()) include(exit, closing.exit.value, closing.exit.weight);
  return {
    id: `${opening.modelId}:${opening.symbol}:${opening.id}`,
    modelId: opening.modelId,
    symbol: opening.symbol,
    side: book.sign > 0 ? 'long' : 'short',
    status: open ? 'open' : 'closed',
    entryPrice: shown.value,
    quantity: (book.sign * shown.weight) / lotsPerUnit,
    entryTsMs: opening.tsMs,
    entryOid: opening.oid,
    entryCloid: opening.cloid,
    commission: book.commission,
    closedPnl: trades.reduce((sum, trade) => sum + trade.realizedGrossPnl, 0),
    exitTsMs: open ? null : book.last.tsMs,
    exitPrice: open ? null : exit.value,
  };
}

function include(mean: WeightedMean, value: number, weight: number): void {
  mean.weight += weight;
  mean.value = mean.weight === weight ? value : mean.value + ((value - mean.value) * weight) / mean.weight;
}

/** −0 and 0 are the same money, but not the same row. */
function positiveZero(value: number): number {
  return value + 0;
}
