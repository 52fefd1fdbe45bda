/** One model's ledger: its fills lead to the positions, trades and sums that are stored, and to the exchange's own figures. */

import type { Fill } from '../domain/fill.ts';
import { moveOf, orderFills, startOf } from '../domain/fill-order.ts';
import { equityUsd, foldFills, type LedgerFold, unrealizedPnl } from '../domain/ledger.ts';
import type { AccountState } from '../exchange/exchange.ts';
import type { Account } from '../store/equity.ts';
import type { MarkedPosition } from '../store/positions.ts';
import type { Figures } from '../store/verify.ts';
import { DEFAULT_SIZE_DECIMALS } from './ledger-change.ts';

/** Sums are compared to this part of the turnover they come from. */
const TOLERANCE = 1e-9;
/** Prices of an exchange have this many decimals, less those of the symbol's size. */
const PRICE_DECIMALS = 6;

/** The fills of one symbol, in their order, and what they lead to. */
export type SymbolLedger = {
  readonly symbol: string;
  /** Null when nobody knows the instrument. */
  readonly sizeDecimals: number | null;
  readonly entries: readonly Fill[];
  readonly fold: LedgerFold;
};

/** Folds every symbol of a model from its first entry on. */
export function foldSymbols(fills: readonly Fill[], decimals: ReadonlyMap<string, number>): SymbolLedger[] {
  const entries = fills.filter((fill) => fill.kind !== 'transfer');
  return [...new Set(entries.map((fill) => fill.symbol))].map((symbol) => {
    const own = entries.filter((fill) => fill.symbol === symbol);
    const sizeDecimals = decimals.get(symbol) ?? null;
    const options = { sizeDecimals: sizeDecimals ?? DEFAULT_SIZE_DECIMALS };
    return { symbol, sizeDecimals, entries: orderFills(own, options), fold: foldFills(own, options) };
  });
}

export const positionFigures = ({ fold }: SymbolLedger): Figures[] =>
  fold.positions.map((p) => ({
    id: p.id,
    figures: [p.status, p.quantity, p.entryPrice, p.closedPnl, p.commission, p.exitPrice],
  }));

export const tradeFigures = ({ fold }: SymbolLedger): Figures[] =>
  fold.trades.map((t) => ({
    id: t.id,
    figures: [t.quantity, t.entryPrice, t.exitPrice, t.realizedGrossPnl, t.realizedNetPnl, t.totalCommission],
  }));

/** Where rows differ from what they should be, are missing, or too many. */
export function compareFigures(what: string, wanted: readonly Figures[], stored: readonly Figures[]): string[] {
  const rows = new Map(stored.map((row) => [row.id, row.figures]));
  const differences = wanted.flatMap(({ id, figures }) => {
    const row = rows.get(id);
    rows.delete(id);
    if (row === undefined) return [`${what} ${id} is missing`];
    return figures.every((figure, index) => near(figure, row[index]))
      ? []
      : [`${what} ${id}: the fills lead to ${figures.join(', ')}, the row says ${row.join(', ')}`];
  });
  return [...differences, ...[...rows.keys()].map((id) => `${what} ${id} comes from no fill`)];
}

function near(a: number | string | null | undefined, b: number | string | null | undefined): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return (a ?? null) === (b ?? null);
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
}

/** Entries that start elsewhere than where those before them end. */
export function gapDifferences(modelId: string, ledgers: readonly SymbolLedger[]): string[] {
  return ledgers.flatMap(({ symbol, fold }) =>
    fold.gapFillId === null ? [] : [`${modelId} ${symbol}: something is missing before fill ${fold.gapFillId}`],
  );
}

/**
 * Funding that was paid on another position than the one held at that moment, where the exchange says on which. Between executions
 * of one millisecond every position that was reached counts.
 */
export function fundingDifferences(modelId: string, { entries, fold, ...of }: SymbolLedger): string[] {
  const lotsPerUnit = 10 ** (of.sizeDecimals ?? DEFAULT_SIZE_DECIMALS);
  let held = fold.opening === null ? 0 : moveOf(fold.opening, lotsPerUnit);
  let tsMs = Number.NEGATIVE_INFINITY;
  let reached = new Set<number>();
  const differences: string[] = [];
  for (const entry of entries) {
    if (entry.tsMs !== tsMs) reached = new Set([held]);
    tsMs = entry.tsMs;
    if (entry.kind === 'trade') {
      held += moveOf(entry, lotsPerUnit);
      reached.add(held);
    }
    if (entry.kind !== 'funding' || entry.startPosition === null) continue;
    if (!reached.has(startOf(entry, lotsPerUnit)))
      differences.push(
        `${modelId} ${of.symbol} funding ${entry.id}: on ${entry.startPosition}, but ${held / lotsPerUnit} were held`,
      );
  }
  return differences;
}

/**
 * The profit that the exchange recorded beside that of the trades, where it recorded any. Exchanges round the average entry price to
 * a valid price; ours is not rounded.
 */
export function profitDifferences(modelId: string, { symbol, sizeDecimals, entries, fold }: SymbolLedger): string[] {
  const executions = entries.filter((entry) => entry.kind === 'trade');
  const recorded = executions.reduce((sum, entry) => sum + entry.closedPnl, 0);
  if (sizeDecimals === null || fold.gapFillId !== null || executions.every((entry) => entry.closedPnl === 0)) return [];
  const closed = fold.trades.reduce((sum, trade) => sum + trade.exitSz, 0);
  const turnover = executions.reduce((sum, entry) => sum + entry.price * entry.size, 0);
  const tolerance = TOLERANCE * Math.max(1, turnover) + closed * 10 ** (sizeDecimals - PRICE_DECIMALS);
  return Math.abs(recorded - fold.grossPnl) <= tolerance
    ? []
    : [`${modelId} ${symbol} profit: the trades say ${fold.grossPnl}, the exchange recorded ${recorded}`];
}

/**
 * initial + Σ gross + unrealised − Σ fees + Σ funding + Σ transfers, from the account's sums and its open positions: beside the cash
 * that its fills moved and what is held at its mark.
 */
export function equityDifferences(
  owner: Account,
  fills: readonly Fill[],
  ledgers: readonly SymbolLedger[],
  positions: readonly MarkedPosition[],
): string[] {
  const own = equityOf(owner, positions);
  const marks = new Map(positions.map((position) => [position.symbol, position.markPrice]));
  const cash = owner.initialEquityUsd + cashOf(fills, ledgers, marks);
  return Math.abs(own - cash) <= toleranceOf(owner)
    ? []
    : [`${owner.modelId} equity: the account says ${own}, its fills moved cash and positions worth ${cash}`];
}

/**
 * The exchange's own equity and positions, beside what the fills come to at the exchange's marks: the rule is about cash and cost, not
 * about whose price is newer. `fills` with those that the exchange has told nobody yet.
 */
export function exchangeDifferences(
  owner: Account,
  fills: readonly Fill[],
  ledgers: readonly SymbolLedger[],
  state: AccountState,
): string[] {
  const marks = new Map(state.positions.map((position) => [position.symbol, position.markPrice]));
  const equity = owner.initialEquityUsd + cashOf(fills, ledgers, marks);
  const tolerance = toleranceOf(owner);
  const held = ledgers.map(({ symbol, fold }) => ({ symbol, quantity: fold.quantity }));
  return [
    ...(Math.abs(equity - state.equityUsd) <= tolerance
      ? []
      : [
          `${owner.modelId} equity: the ledger says ${equity}, the exchange ${state.equityUsd} (tolerance ${tolerance})`,
        ]),
    ...positionDifferences(
      owner.modelId,
      held.filter(({ quantity }) => quantity !== 0),
      state.positions,
    ),
  ];
}

const toleranceOf = (owner: Account): number => TOLERANCE * Math.max(1, owner.turnoverUsd);

type Held = { readonly symbol: string; readonly quantity: number };

/** What the ledger holds (`ours`) beside what the exchange says, both signed. */
export function positionDifferences(modelId: string, ours: readonly Held[], theirs: readonly Held[]): string[] {
  const held = new Map(ours.map((position) => [position.symbol, position.quantity]));
  const differences: string[] = [];
  for (const { symbol, quantity } of theirs) {
    const own = held.get(symbol) ?? 0;
    if (!near(own, quantity))
      differences.push(`${modelId} ${symbol}: the ledger holds ${own}, the exchange ${quantity}`);
    held.delete(symbol);
  }
  for (const [symbol, quantity] of held)
    differences.push(`${modelId} ${symbol}: the ledger holds ${quantity}, the exchange nothing`);
  return differences;
}

function equityOf(owner: Account, positions: readonly MarkedPosition[]): number {
  return equityUsd({
    initialUsd: owner.initialEquityUsd,
    grossPnl: owner.realizedUsd,
    feesUsd: owner.feesUsd,
    fundingUsd: owner.fundingUsd,
    transfersUsd: owner.transfersUsd,
    unrealizedUsd: positions.reduce((sum, p) => sum + unrealizedPnl(p.quantity, p.entryPrice, p.markPrice), 0),
  });
}

/** What the fills moved, without cost, trades or positions: money paid and received, and what is held since at its mark. */
function cashOf(fills: readonly Fill[], ledgers: readonly SymbolLedger[], marks: ReadonlyMap<string, number>): number {
  let cash = 0;
  for (const fill of fills)
    if (fill.kind !== 'opening') cash += (fill.kind === 'trade' ? 0 : fill.closedPnl) - fill.feeUsd;
  for (const { symbol, sizeDecimals, entries, fold } of ledgers) {
    const lotsPerUnit = 10 ** (sizeDecimals ?? DEFAULT_SIZE_DECIMALS);
    const executed = entries.filter((entry) => entry.kind === 'trade');
    let lots = 0;
    for (const entry of fold.opening === null ? executed : [fold.opening, ...executed]) {
      const move = moveOf(entry, lotsPerUnit);
      lots += move;
      cash -= (move / lotsPerUnit) * entry.price;
    }
    if (lots !== 0) cash += (lots / lotsPerUnit) * (marks.get(symbol) ?? 0);
  }
  return cash;
}
