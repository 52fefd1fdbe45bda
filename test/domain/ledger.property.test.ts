import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fill } from '../../src/domain/fill.ts';
import { equityUsd, foldFills, type LedgerFold, orderFills, unrealizedPnl } from '../../src/domain/ledger.ts';
import { fill } from './fills.ts';

const options = { sizeDecimals: 3 };
const runs = { numRuns: 10_000 };

const step = fc.record({
  kind: fc.constantFrom('trade', 'trade', 'trade', 'trade', 'funding', 'transfer'),
  side: fc.constantFrom('buy', 'sell'),
  // Few distinct sizes, so that flat and through-zero are common.
  lots: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5_000_000 })),
  price: fc.integer({ min: 1, max: 10_000_000 }).map((ticks) => ticks / 100),
  feeUsd: fc.integer({ min: -500, max: 5000 }).map((units) => units / 1000),
  cashUsd: fc.integer({ min: -10_000, max: 10_000 }).map((cents) => cents / 100),
  oid: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }),
  pauseMs: fc.constantFrom(0, 0, 1, 60_000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

type Beginning = 'flat' | 'opening entry' | 'in the middle';

/** A history as an exchange would tell it: right start positions, several fills in many a millisecond. */
function history(steps: readonly Step[], beginning: Beginning): Fill[] {
  let tsMs = 1_000;
  let lots = beginning === 'flat' ? 0 : -7;
  const opening = fill({ id: 'opening', kind: 'opening', side: 'sell', size: 0.007, tsMs: 0 });
  const fills = beginning === 'opening entry' ? [opening] : [];
  for (const [index, { kind, side, price, feeUsd, cashUsd, oid, pauseMs, ...rest }] of steps.entries()) {
    tsMs += pauseMs;
    const common = { id: `f${(index * 7919) % 1009}`, seq: 0, oid, tsMs, side, price, tid: index };
    if (kind === 'trade') {
      fills.push(fill({ ...common, kind, size: rest.lots / 1000, startPosition: lots / 1000, feeUsd }));
      lots += side === 'buy' ? rest.lots : -rest.lots;
    } else {
      fills.push(fill({ ...common, kind: kind === 'funding' ? 'funding' : 'transfer', closedPnl: cashUsd }));
    }
  }
  return fills;
}

const beginnings = fc.constantFrom<Beginning>('flat', 'flat', 'opening entry', 'in the middle');
const histories = fc
  .tuple(fc.array(step, { maxLength: 40 }), beginnings)
  .map(([steps, beginning]) => history(steps, beginning));
const shuffledHistories = histories.chain((fills) =>
  fc.record({ fills: fc.constant(fills), shuffled: fc.shuffledSubarray(fills, { minLength: fills.length }) }),
);
/** What is known of a history while fills of it are still on their way. */
const partialHistories = histories.chain((fills) => fc.subarray(fills));

const executions = (fills: readonly Fill[]) => fills.filter((entry) => ['trade', 'opening'].includes(entry.kind));
const signed = (entry: Fill) => (entry.side === 'buy' ? entry.size : -entry.size);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

function expectWithinTurnover(fills: readonly Fill[], actual: number, expected: number): void {
  const turnover = total(executions(fills).map((entry) => entry.size * entry.price));
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, turnover));
}

/** Realised profit fill by fill, in plain floating point and without positions or trades. */
function realisedByAverageCost(ordered: readonly Fill[]): number {
  let quantity = 0;
  let cost = 0;
  let realised = 0;
  for (const entry of executions(ordered)) {
    const change = signed(entry);
    const closing = Math.sign(change) === -Math.sign(quantity) ? Math.min(Math.abs(change), Math.abs(quantity)) : 0;
    if (closing > 0) {
      const average = cost / quantity;
      realised += Math.sign(quantity) * closing * (entry.price - average);
      cost -= Math.sign(quantity) * closing * average;
    }
    cost += Math.sign(change) * (Math.abs(change) - closing) * entry.price;
    quantity = Math.round((quantity + change) * 1000) / 1000;
    if (quantity === 0) cost = 0;
  }
  return realised;
}

function unrealised(fold: LedgerFold, mark: number): number {
  const open = fold.positions.filter((position) => position.status === 'open');
  return total(open.map((position) => unrealizedPnl(position.quantity, position.entryPrice, mark)));
}

/** Every moment before which nothing is held and at which something happens. */
function flatPoints(fills: readonly Fill[], fold: LedgerFold): number[] {
  const moments = new Set(executions(fills).map((entry) => entry.tsMs));
  return [...moments].filter((ms) =>
    fold.positions.every(({ entryTsMs, exitTsMs }) => entryTsMs >= ms || (exitTsMs !== null && exitTsMs < ms)),
  );
}

describe('the ledger, for any history', () => {
  it('has the equity that the cash flows and the position at its mark make (R6)', () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 100_000 }), (fills, mark) => {
        const fold = foldFills(fills, options);
        const equity = equityUsd({ initialUsd: 10_000, ...fold, unrealizedUsd: unrealised(fold, mark) });
        const known = fold.opening && fold.opening.id !== 'opening' ? [fold.opening, ...fills] : fills;
        const paid = known.map((entry) =>
          entry.kind === 'funding' || entry.kind === 'transfer'
            ? entry.closedPnl
            : signed(entry) * (mark - entry.price) - entry.feeUsd,
        );
        expectWithinTurnover(
          [...known, fill({ price: mark, size: Math.abs(fold.quantity) })],
          equity,
          10_000 + total(paid),
        );
      }),
      runs,
    );
  });

  it('folds the same in whatever order the entries were learnt', () => {
    fc.assert(
      fc.property(shuffledHistories, ({ fills, shuffled }) => {
        expect(orderFills(shuffled)).toEqual(orderFills(fills));
        expect(foldFills(shuffled, options)).toEqual(foldFills(fills, options));
      }),
      runs,
    );
  });

  it('folds the same when entries are learnt twice or already ordered', () => {
    fc.assert(
      fc.property(histories, (fills) => {
        const once = foldFills(fills, options);
        expect(foldFills([...fills, ...fills], options)).toEqual(once);
        expect(foldFills(orderFills(fills), options)).toEqual(once);
      }),
      runs,
    );
  });

  it('finds an order in which every fill starts where the one before it ended', () => {
    fc.assert(
      fc.property(shuffledHistories, ({ shuffled }) => {
        expect(foldFills(shuffled, options).gapFillId).toBeNull();
      }),
      runs,
    );
  });

  it('is the same behind every flat point, whether folded from there or from the first entry, also while fills are missing', () => {
    fc.assert(
      fc.property(partialHistories, (fills) => {
        const whole = foldFills(fills, options);
        for (const fromMs of flatPoints(fills, whole)) {
          const behind = <T extends { entryTsMs: number }>(rows: readonly T[]) =>
            rows.filter((row) => row.entryTsMs >= fromMs);
          const priorTrades = new Map<number, number>();
          for (const { entryTsMs, exitOid } of whole.trades)
            if (entryTsMs < fromMs && exitOid !== null) priorTrades.set(exitOid, (priorTrades.get(exitOid) ?? 0) + 1);
          const first = Math.min(...executions(fills).map((entry) => entry.tsMs));
          const tail = foldFills(
            fills.filter((entry) => entry.tsMs >= fromMs),
            { ...options, priorTrades, fromBeginning: fromMs <= first },
          );
          expect(tail.positions).toEqual(behind(whole.positions));
          expect(tail.trades).toEqual(behind(whole.trades));
        }
      }),
      runs,
    );
  });

  it('adopts exactly what it began with', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), step, (before, last) => {
        // A single circle could have been entered anywhere.
        const steps: Step[] = [...before, { ...last, kind: 'trade', lots: 11, pauseMs: 1 }];
        const told = foldFills(history(steps, 'in the middle'), options);
        expect(told.opening).toMatchObject({ side: 'sell', size: 0.007 });
        expect(told.quantity).toBe(foldFills(history(steps, 'opening entry'), options).quantity);
      }),
      runs,
    );
  });

  it('realises in its trades what average cost realises fill by fill', () => {
    fc.assert(
      fc.property(histories, (fills) => {
        const fold = foldFills(fills, options);
        const known = fold.opening && fold.opening.id !== 'opening' ? [fold.opening] : [];
        const realised = realisedByAverageCost([...known, ...orderFills(fills)]);
        expectWithinTurnover(fills, fold.grossPnl, realised);
        expectWithinTurnover(fills, total(fold.positions.map((position) => position.closedPnl)), realised);
      }),
      runs,
    );
  });

  it('loses no fee: trades and what is still held carry all of them', () => {
    fc.assert(
      fc.property(histories, (fills) => {
        const fold = foldFills(fills, options);
        expectWithinTurnover(fills, total(fold.positions.map((position) => position.commission)), fold.feesUsd);
        const closed = fold.positions.every((position) => position.status === 'closed');
        if (closed) expectWithinTurnover(fills, total(fold.trades.map((trade) => trade.totalCommission)), fold.feesUsd);
      }),
      runs,
    );
  });

  it('makes trades that keep the identities of real ones', () => {
    fc.assert(
      fc.property(histories, (fills) => {
        for (const trade of foldFills(fills, options).trades) {
          expect(trade.realizedNetPnl).toBe(trade.entryClosedPnl + trade.exitClosedPnl);
          expect(trade.entryClosedPnl + trade.entryCommission).toBe(0);
          expect(trade.totalCommission).toBe(trade.entryCommission + trade.exitCommission);
          expect(trade.exitClosedPnl).toBe(trade.realizedGrossPnl - trade.exitCommission);
          expectWithinTurnover(fills, trade.realizedGrossPnl, trade.quantity * (trade.exitPrice - trade.entryPrice));
          expect(trade.exitSz).toBe(Math.abs(trade.quantity));
          expect(Math.sign(trade.quantity)).toBe(trade.side === 'long' ? 1 : -1);
          expect(trade.entryTsMs).toBeLessThanOrEqual(trade.exitTsMs);
        }
      }),
      runs,
    );
  });

  it('gives every row an id of its own and leaves at most the last position open', () => {
    fc.assert(
      fc.property(histories, (fills) => {
        const { trades, positions, quantity } = foldFills(fills, options);
        expect(new Set(trades.map((trade) => trade.id)).size).toBe(trades.length);
        expect(new Set(positions.map((position) => position.id)).size).toBe(positions.length);
        expect(positions.slice(0, -1).every((position) => position.status === 'closed')).toBe(true);
        const last = positions.at(-1);
        expect(last?.status === 'open' ? last.quantity : 0).toBe(quantity);
      }),
      runs,
    );
  });
});
