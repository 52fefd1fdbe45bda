/**
 * What the analytics measure: every trade and every decision adds a few values to named samples, and the payload is made of
 * statistics of these samples alone. So a full computation and one that is kept up share all definitions.
 */

import type { AnalyticsCycle, AnalyticsTrade } from './analytics-input.ts';
import { percentage } from './statistics.ts';

export const MS_PER_MINUTE = 60_000;

export type Measure = string;
/** One value of one sample. */
export type Sample = readonly [measure: Measure, value: number];

/** Statistics of a sample; all 0 of an empty one. */
export type Description = {
  readonly n: number;
  readonly sum: number;
  readonly mean: number;
  /** Sample standard deviation. */
  readonly std: number;
  /** This and the extremes only of `ORDERED`. */
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
};
export type Describe = (measure: Measure) => Description;

/** Samples whose values are kept in order: for the median, the extremes, or (invocations) the neighbours. */
export const ORDERED: ReadonlySet<Measure> = new Set([
  'net',
  'notional',
  'hold',
  'leverage',
  'confidence',
  'asked',
  'break',
  'invocation',
]);

/** What a trade adds. Groups of trades (`win`, `loss`, `long`, `short`) have samples of their own. */
export function tradeSamples(trade: AnalyticsTrade): Sample[] {
  const { side, netPnl, leverage, entryEquityUsd, entryPrice } = trade;
  const notional = Math.abs(trade.quantity) * entryPrice;
  const hold = (trade.exitTsMs - trade.entryTsMs) / MS_PER_MINUTE;
  const samples: Sample[] = [
    ['net', netPnl],
    ['gross', trade.grossPnl],
    ['fee', trade.feeUsd],
    ['notional', notional],
    ['hold', hold],
  ];
  for (const group of [netPnl > 0 ? 'win' : 'loss', side])
    samples.push([`net.${group}`, netPnl], [`notional.${group}`, notional], [`hold.${group}`, hold]);
  if (leverage !== null) samples.push(['leverage', leverage], [`leverage.${side}`, leverage]);
  if (entryEquityUsd !== null) samples.push(['share', percentage(notional, entryEquityUsd)]);
  // Distances from the entry price in percent of it, of the trades that had such a price.
  for (const level of ['stopLoss', 'takeProfit'] as const) {
    const price = trade[level];
    if (price !== null) samples.push([level, percentage(Math.abs(price - entryPrice), entryPrice)]);
  }
  return samples;
}

/** What the decisions of a cycle add. A signal is counted even without a confidence. */
export function cycleSamples({ decisions }: AnalyticsCycle): Sample[] {
  return decisions.flatMap(({ signal, confidence, leverage }) => [
    [`signal.${signal}`, 0] as Sample,
    ...(confidence === null
      ? []
      : ([`confidence`, `confidence.${signal}`] as const).map((m): Sample => [m, confidence])),
    ...(leverage === null ? [] : [['asked', leverage] as Sample]),
  ]);
}

/** Minutes between two moments in ms, as the sample `break` has them. */
export function breakMins(fromMs: number, toMs: number): number {
  return (toMs - fromMs) / MS_PER_MINUTE;
}
