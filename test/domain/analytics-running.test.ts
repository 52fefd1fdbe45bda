import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyticsPayload, computeAnalytics } from '../../src/domain/analytics.ts';
import type { AnalyticsCycle, AnalyticsTrade } from '../../src/domain/analytics-input.ts';
import { cycleSamples, type Measure, tradeSamples } from '../../src/domain/analytics-measures.ts';
import {
  invocationSamples,
  type Ladder,
  RunningAnalytics,
  type StoredAnalytics,
  type Stretch,
  type ValueChange,
} from '../../src/domain/analytics-running.ts';

/** The table of ordered values, in memory. */
class Values {
  readonly #values = new Map<Measure, Map<number, number>>();

  change(changes: readonly ValueChange[]): void {
    for (const { measure, value, count } of changes) {
      const own = this.#values.get(measure) ?? new Map<number, number>();
      const left = (own.get(value) ?? 0) + count;
      if (left < 0) throw new Error(`${measure} ${value} was taken away more often than it came`);
      if (left === 0) own.delete(value);
      else own.set(value, left);
      this.#values.set(measure, own);
    }
  }

  of(measure: Measure): { value: number; count: number }[] {
    return [...(this.#values.get(measure) ?? [])]
      .map(([value, count]) => ({ value, count }))
      .sort((a, b) => a.value - b.value);
  }

  look({ measure, at, reach }: Stretch): Ladder[] {
    const rungs = this.of(measure);
    const [first, last] = [rungs[0], rungs.at(-1)];
    if (first === undefined || last === undefined) return [];
    const below = rungs.filter((rung) => rung.value < at).slice(-reach);
    const above = rungs.filter((rung) => rung.value >= at).slice(0, reach + 1);
    return [{ measure, rungs: [...below, ...above], minimum: first.value, maximum: last.value }];
  }
}

type Change = { readonly slot: number; readonly trade: AnalyticsTrade | null };
type Step = { readonly changes: readonly Change[]; readonly cycles: readonly AnalyticsCycle[] };

/** Millionths of a dollar, so that no sum is nothing but rounding. */
const amount = fc.oneof(
  fc.integer({ min: -1e11, max: 1e11 }).map((millionths) => millionths / 1e6),
  fc.integer({ min: -3, max: 3 }),
);
const positive = fc.oneof(fc.double({ min: 0.001, max: 1e5, noNaN: true }), fc.constantFrom(1, 2, 2.5));
const time = fc.integer({ min: 0, max: 500_000 });
const trade: fc.Arbitrary<AnalyticsTrade> = fc.record({
  id: fc.string({ minLength: 1, maxLength: 3 }),
  side: fc.constantFrom('long' as const, 'short' as const),
  quantity: amount,
  entryPrice: positive,
  entryTsMs: time,
  exitTsMs: time,
  netPnl: amount,
  grossPnl: amount,
  feeUsd: positive,
  leverage: fc.option(fc.integer({ min: 1, max: 10 })),
  entryEquityUsd: fc.option(positive),
  stopLoss: fc.option(positive),
  takeProfit: fc.option(positive),
});
const cycle: fc.Arbitrary<AnalyticsCycle> = fc.record({
  executedAtMs: time,
  decisions: fc.array(
    fc.record({
      signal: fc.constantFrom('long' as const, 'short' as const, 'hold' as const, 'close' as const),
      confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      leverage: fc.option(fc.integer({ min: 1, max: 10 })),
    }),
    { maxLength: 4 },
  ),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    changes: fc.array(fc.record({ slot: fc.nat({ max: 9 }), trade: fc.option(trade) }), { maxLength: 6 }),
    cycles: fc.array(cycle, { maxLength: 3 }),
  }),
  { maxLength: 25 },
);

const facts = {
  modelId: 'm',
  updatedAtMs: 0,
  symbolsCount: 6,
  positionMins: { long: 1, short: 2 },
  lastConversation: null,
};

function numbers(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => numbers(inner, `${path}.${name}`));
}

/** Applies the steps one after the other, the state stored in between, and compares it with the full computation after each. */
function replay(history: readonly Step[]): void {
  const values = new Values();
  const standing = new Map<number, AnalyticsTrade>();
  const cycles: AnalyticsCycle[] = [];
  let stored: StoredAnalytics = {};
  for (const { changes, cycles: finished } of history) {
    const running = new RunningAnalytics(stored);
    for (const change of changes) {
      const before = standing.get(change.slot);
      if (before) running.remove(tradeSamples(before));
      if (change.trade) running.add(tradeSamples(change.trade));
      if (change.trade) standing.set(change.slot, change.trade);
      else standing.delete(change.slot);
    }
    const times = cycles.map((each) => each.executedAtMs);
    const near = finished.map(({ executedAtMs: tsMs }) => {
      const [before, after] = [times.filter((each) => each <= tsMs), times.filter((each) => each > tsMs)];
      return {
        tsMs,
        previousMs: before.length > 0 ? Math.max(...before) : null,
        nextMs: after.length > 0 ? Math.min(...after) : null,
      };
    });
    const { added, removed } = invocationSamples(near);
    running.remove(removed);
    running.add([...finished.flatMap(cycleSamples), ...added]);
    cycles.push(...finished);
    values.change(running.changes);
    running.settle(running.stretches.flatMap((stretch) => values.look(stretch)));
    stored = JSON.parse(JSON.stringify(running.stored));

    const full = computeAnalytics({ trades: [...standing.values()], cycles }, facts);
    const lastTrade =
      full.last_trade_doc_id === null ? null : { id: '', exitTsMs: (full.last_trade_exit_time ?? 0) * 1000 };
    const kept = new Map(numbers(analyticsPayload(new RunningAnalytics(stored).describe, { ...facts, lastTrade })));
    for (const [path, value] of numbers(full))
      expect(Math.abs((kept.get(path) ?? Number.NaN) - value), path).toBeLessThanOrEqual(
        1e-9 * Math.max(1, Math.abs(value)),
      );
  }
}

describe('running analytics', () => {
  it('equal the full computation after any trades that came, were revised or voided, and any cycles', () => {
    fc.assert(fc.property(steps, replay), { numRuns: 300 });
  });

  it('come back to nothing when everything is taken away', () => {
    fc.assert(
      fc.property(fc.array(trade, { minLength: 1, maxLength: 30 }), (trades) => {
        const come = trades.map((each, slot) => ({ changes: [{ slot, trade: each }], cycles: [] }));
        const go = trades.map((_, slot) => ({ changes: [{ slot, trade: null }], cycles: [] }));
        replay([...come, ...go]);
      }),
      { numRuns: 50 },
    );
  });

  it('say which command helps when the ordered values are not theirs', () => {
    const running = new RunningAnalytics({});
    running.add([['net', 1]]);
    expect(() => running.settle([])).toThrow(/nof0 recompute/);
  });
});
