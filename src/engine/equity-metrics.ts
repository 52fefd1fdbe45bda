/** The hourly metrics of a model's equity: computed when the first snapshot of a new hour is taken, and read until the next. */

import { bootstrapIntervals } from '../domain/bootstrap.ts';
import { carryOn, equityMetrics, HOURS_PER_YEAR, startEquity } from '../domain/equity-metrics.ts';
import type { Database, Queryable } from '../store/database.ts';
import { type Account, lockAccount } from '../store/equity.ts';
import * as store from '../store/equity-metrics.ts';

const HOUR_MS = 3_600_000;
/** Figures may differ by this part of themselves. */
const TOLERANCE = 1e-9;

/** `tx` reads and writes; `seed` is the run's. */
type Scope = { readonly tx: Queryable; readonly seed: string };
type Owner = Pick<Account, 'modelId' | 'initialEquityUsd' | 'inceptionTsMs'>;

/** Hours since the inception that a moment is in; the metrics of a moment are those of the whole hours before it. */
export function hourOf({ inceptionTsMs }: Pick<Owner, 'inceptionTsMs'>, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - inceptionTsMs) / HOUR_MS));
}

/** The Sharpe ratio of a model's whole hours before a moment. Once an hour the hours since the last time are added and all metrics kept. */
export async function sharpeAt(scope: Scope, owner: Owner, nowMs: number): Promise<number> {
  const hour = hourOf(owner, nowMs);
  const head = await store.metricsHead(scope.tx, owner.modelId);
  return head === null || head.hour < hour ? addHours(scope, owner, hour) : head.sharpe;
}

/** Adds the hours up to `hour` to what is carried, and keeps the metrics. Returns the Sharpe ratio. */
async function addHours({ tx, seed }: Scope, owner: Owner, hour: number): Promise<number> {
  const { modelId, initialEquityUsd } = owner;
  const from = (await store.carriedEquity(tx, modelId)) ?? startEquity(initialEquityUsd, owner.inceptionTsMs);
  const [closes, transfers, cost] = await Promise.all([
    store.hourCloses(tx, modelId, from.hour, hour),
    store.transfersAfter(tx, modelId, from.tsMs),
    store.modelCost(tx, modelId),
  ]);
  const next = carryOn(from, closes, transfers, hour);
  const metrics = equityMetrics(next, initialEquityUsd, cost);
  const intervals = bootstrapIntervals(next.returns, HOURS_PER_YEAR, seed, 'bootstrap', modelId, hour);
  await store.saveMetrics(tx, modelId, next, { ...metrics, intervals });
  return metrics.sharpe;
}

/** Computes a model's metrics anew, from its inception to the hour they stand at. Returns where they were otherwise, a line each. */
export async function recomputeMetrics(db: Database, seed: string, modelId: string): Promise<string[]> {
  return db.transaction(async (tx) => {
    // No snapshot comes in between.
    const owner = await lockAccount(tx, modelId);
    const head = await store.metricsHead(tx, modelId);
    if (owner === null || head === null) return [];
    const before = (await store.allMetrics(tx)).get(modelId);
    await store.forgetMetrics(tx, modelId);
    await addHours({ tx, seed }, owner, head.hour);
    const after = (await store.allMetrics(tx)).get(modelId);
    return Object.entries(after ?? {}).flatMap(([name, value]) => {
      const old = before?.[name as keyof store.StoredMetrics];
      // Intervals follow from the returns that the other figures are of; costs have gone on since the hour began.
      if (typeof value !== 'number' || typeof old !== 'number' || name.includes('cost')) return [];
      const same = Math.abs(value - old) <= TOLERANCE * Math.max(1, Math.abs(value));
      return same ? [] : [`${modelId} ${name}: kept ${old}, computed in full ${value}`];
    });
  });
}
