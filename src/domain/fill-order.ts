/** The one order in which the entries of an account and symbol happened, whatever order they were learnt in (R4). */

import { CodedError } from '../errors.ts';
import type { Fill } from './fill.ts';

/** Finer than any exchange's lot; used where the lot of the symbol is not told. */
const FINEST_DECIMALS = 8;

/** A base size as whole lots. */
export function lotsOf(size: number, lotsPerUnit: number): number {
  return Math.round(size * lotsPerUnit);
}

/** The direction in which an execution moves the position. */
export function signOf(fill: Fill): 1 | -1 {
  return fill.side === 'buy' ? 1 : -1;
}

/**
 * R4 order for the entries of one (model, symbol): time, then the chain of start positions, then (seq, oid, id). Among the
 * executions of one millisecond the next is the one that starts at the position reached so far; when one of them does not
 * say where it starts, (seq, oid, id) alone decides. An opening entry comes before, funding and transfers after the
 * executions of their millisecond. An entry that is given twice is kept once. The result depends on the set of entries only.
 *
 * What was reached is what the entries add up to, not what the exchange says, so that the order behind a point where they
 * add up to nothing is the same whether it is found from there or from the first entry.
 *
 * @param options.sizeDecimals decimals of a base size, for comparing positions; 8 when it is not known.
 * @param options.fromBeginning false when other entries lie before these and add up to nothing; else the first execution
 *   may start anywhere.
 * @throws CodedError NOF0_LEDGER_INCONSISTENT for several ledgers at once, sizes or prices that cannot be, and different
 *   entries under one id.
 */
export function orderFills(
  fills: readonly Fill[],
  options: { readonly sizeDecimals?: number; readonly fromBeginning?: boolean } = {},
): Fill[] {
  const lotsPerUnit = 10 ** (options.sizeDecimals ?? FINEST_DECIMALS);
  const byTime = new Map<number, Fill[]>();
  for (const fill of checkedOnce(fills, lotsPerUnit).sort((a, b) => a.tsMs - b.tsMs || compareKeys(a, b))) {
    const group = byTime.get(fill.tsMs);
    if (group === undefined) byTime.set(fill.tsMs, [fill]);
    else group.push(fill);
  }
  const ordered: Fill[] = [];
  // Null: nobody knows where the first execution starts but the executions themselves.
  let reached: number | null = options.fromBeginning === false ? 0 : null;
  for (const group of byTime.values()) {
    const openings = group.filter((fill) => fill.kind === 'opening');
    for (const fill of openings) reached ??= moveOf(fill, lotsPerUnit);
    if (group.some((fill) => fill.kind === 'trade')) reached ??= beginningOf([...byTime.values()], lotsPerUnit);
    const executions = chain(
      group.filter((fill) => fill.kind === 'trade'),
      reached ?? 0,
      lotsPerUnit,
    );
    for (const fill of executions) reached = (reached ?? 0) + moveOf(fill, lotsPerUnit);
    ordered.push(...openings, ...executions, ...group.filter((fill) => fill.kind === 'funding'));
    ordered.push(...group.filter((fill) => fill.kind === 'transfer'));
  }
  return ordered;
}

/** Signed lots before the fill, as the exchange says; 0 where it does not. */
export function startOf(fill: Fill, lotsPerUnit: number): number {
  return lotsOf(fill.startPosition ?? 0, lotsPerUnit);
}

/** Signed lots by which the fill moves the position. */
export function moveOf(fill: Fill, lotsPerUnit: number): number {
  return signOf(fill) * lotsOf(fill.size, lotsPerUnit);
}

function endOf(fill: Fill, lotsPerUnit: number): number {
  return startOf(fill, lotsPerUnit) + moveOf(fill, lotsPerUnit);
}

/**
 * Each fill is an edge from its start position to its end; the order is a trail through all of them. Where several fills
 * start at the same position, taking the first one at hand can lead into a dead end, so this is Hierholzer's algorithm. When
 * fills are missing there are several trails; they follow each other, each from its own beginning.
 */
function chain(sorted: readonly Fill[], reached: number, lotsPerUnit: number): Fill[] {
  if (sorted.length < 2 || sorted.some((fill) => fill.startPosition === null)) return [...sorted];
  const leaving = new Map<number, Fill[]>();
  for (const fill of sorted.toReversed()) {
    const start = startOf(fill, lotsPerUnit);
    const known = leaving.get(start);
    if (known === undefined) leaving.set(start, [fill]);
    else known.push(fill);
  }
  const ordered: Fill[] = [];
  let at = reached;
  while (ordered.length < sorted.length) {
    const start = leaving.get(at)?.length ? at : headOf(sorted, leaving, lotsPerUnit);
    ordered.push(...trailFrom(start, leaving, lotsPerUnit));
    const last = ordered.at(-1);
    if (last !== undefined) at = endOf(last, lotsPerUnit);
  }
  return ordered;
}

/** Takes everything that can be reached from a position out of `leaving` (whose lists end with the smallest key). */
function trailFrom(start: number, leaving: ReadonlyMap<number, Fill[]>, lotsPerUnit: number): Fill[] {
  const path: { at: number; fill: Fill | null }[] = [{ at: start, fill: null }];
  const backwards: Fill[] = [];
  for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
    const next = leaving.get(step.at)?.pop();
    if (next !== undefined) {
      path.push({ at: endOf(next, lotsPerUnit), fill: next });
    } else {
      path.pop();
      if (step.fill !== null) backwards.push(step.fill);
    }
  }
  return backwards.reverse();
}

/** Where a trail must begin that nothing reached so far leads to. */
function headOf(sorted: readonly Fill[], leaving: ReadonlyMap<number, Fill[]>, lotsPerUnit: number): number {
  const left = new Set([...leaving.values()].flat());
  return likeliest(
    headsOf(
      sorted.filter((fill) => left.has(fill)),
      lotsPerUnit,
    ),
  );
}

/** Positions that more fills leave than enter: where their trails begin. All their starts when they only lead in circles. */
function headsOf(fills: readonly Fill[], lotsPerUnit: number): number[] {
  const balance = new Map<number, number>();
  const count = (position: number, by: number) => balance.set(position, (balance.get(position) ?? 0) + by);
  for (const fill of fills) {
    count(startOf(fill, lotsPerUnit), 1);
    count(endOf(fill, lotsPerUnit), -1);
  }
  const starts = fills.map((fill) => startOf(fill, lotsPerUnit));
  const heads = starts.filter((start) => (balance.get(start) ?? 0) > 0);
  return heads.length > 0 ? heads : starts;
}

function likeliest(positions: readonly number[]): number {
  return positions.includes(0) ? 0 : (positions[0] ?? 0);
}

/**
 * Position before the first execution of a history. Executions that lead in a circle do not tell where they entered it; those of
 * the milliseconds behind them do.
 */
function beginningOf(groups: readonly (readonly Fill[])[], lotsPerUnit: number): number {
  let possible: number[] | null = null;
  for (const group of groups) {
    const executions = group.filter((fill) => fill.kind === 'trade');
    if (executions.length === 0) continue;
    if (executions.some((fill) => fill.startPosition === null)) break;
    const heads = headsOf(executions, lotsPerUnit);
    const left: number[] = possible === null ? heads : possible.filter((position) => heads.includes(position));
    if (left.length === 0) break;
    possible = left;
    if (new Set(possible).size === 1) break;
  }
  return likeliest(possible ?? []);
}

function compareKeys(a: Fill, b: Fill): number {
  return a.seq - b.seq || (a.oid ?? -1) - (b.oid ?? -1) || compareText(a.id, b.id);
}

/** By code units: the same on every machine, unlike a collation. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function checkedOnce(fills: readonly Fill[], lotsPerUnit: number): Fill[] {
  const byId = new Map<string, Fill>();
  const first = fills[0];
  for (const fill of fills) {
    if (first !== undefined && (fill.modelId !== first.modelId || fill.symbol !== first.symbol)) {
      refuse(
        fill,
        `belongs to another ledger than ${first.modelId}/${first.symbol}; order and fold each one by itself`,
      );
    }
    const known = byId.get(fill.id);
    if (known === undefined) {
      check(fill, lotsPerUnit);
      byId.set(fill.id, fill);
    } else if (!sameEntry(known, fill)) {
      refuse(fill, 'was given twice with different content; an id stands for one entry');
    }
  }
  return [...byId.values()];
}

function sameEntry(a: Fill, b: Fill): boolean {
  const entry = (fill: Fill) => [fill.kind, fill.side, fill.price, fill.size, fill.tsMs, fill.feeUsd, fill.closedPnl];
  const other = entry(b);
  return entry(a).every((value, index) => value === other[index]);
}

function check(fill: Fill, lotsPerUnit: number): void {
  if (fill.kind === 'funding' || fill.kind === 'transfer') {
    if (!Number.isFinite(fill.closedPnl)) refuse(fill, `moves ${fill.closedPnl} USD; expected a finite amount`);
    return;
  }
  if (!(fill.price > 0) || !Number.isFinite(fill.price)) refuse(fill, `has price ${fill.price}; expected more than 0`);
  if (!Number.isFinite(fill.feeUsd)) refuse(fill, `has fee ${fill.feeUsd}; expected a finite amount of USD`);
  const lots = lotsOf(fill.size, lotsPerUnit);
  if (!(lots > 0) || !Number.isSafeInteger(lots)) {
    refuse(
      fill,
      `has size ${fill.size}; expected at least one lot of ${1 / lotsPerUnit} (check the symbol's decimals)`,
    );
  }
}

function refuse(fill: Fill, fault: string): never {
  throw new CodedError('NOF0_LEDGER_INCONSISTENT', `Ledger entry ${fill.id} ${fault}.`, {
    details: { fillId: fill.id, modelId: fill.modelId, symbol: fill.symbol },
  });
}
