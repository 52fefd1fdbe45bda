/** Hourly metrics of the models' equity, and the baseline beside them. */

import type { Intervals } from '../domain/bootstrap.ts';
import type { CarriedEquity, EquityMetrics, HourClose, Transfer } from '../domain/equity-metrics.ts';
import type { Queryable } from './database.ts';

export type StoredMetrics = EquityMetrics & { readonly intervals: Intervals | null };

/** The hour that a model's metrics stand at (the hours before it are in them) and their Sharpe ratio; null while there are none. */
export async function metricsHead(db: Queryable, modelId: string): Promise<{ hour: number; sharpe: number } | null> {
  const rows = await db.query<{ hour: number; sharpe: number }>(
    `SELECT hour, (metrics->>'sharpe')::float8 AS sharpe FROM equity_metrics WHERE model_id = $1`,
    [modelId],
  );
  return rows[0] ?? null;
}

export async function carriedEquity(db: Queryable, modelId: string): Promise<CarriedEquity | null> {
  const rows = await db.query<{ carried: CarriedEquity }>('SELECT carried FROM equity_metrics WHERE model_id = $1', [
    modelId,
  ]);
  return rows[0]?.carried ?? null;
}

/** The last snapshot of each hour in [fromHour, toHour), oldest first. */
export function hourCloses(db: Queryable, modelId: string, fromHour: number, toHour: number): Promise<HourClose[]> {
  return db.query<HourClose>(
    `SELECT s.hour, s."tsMs", s."equityUsd",
       (SELECT coalesce(sum(abs((p.value->>'quantity')::float8 * (p.value->>'current_price')::float8)), 0) FROM jsonb_each(s.positions) p) AS "notionalUsd"
     FROM generate_series($2::int, $3::int - 1) AS hours(hour)
     CROSS JOIN LATERAL (
       SELECT hours.hour, ts_ms AS "tsMs", equity_usd AS "equityUsd", positions FROM account_equity_snapshots
       WHERE model_id = $1 AND since_inception_hourly_marker = hours.hour ORDER BY ts_ms DESC LIMIT 1
     ) s ORDER BY s.hour`,
    [modelId, fromHour, toHour],
  );
}

/** Deposits and withdrawals after a moment, oldest first. */
export function transfersAfter(db: Queryable, modelId: string, tsMs: number): Promise<Transfer[]> {
  return db.query<Transfer>(
    `SELECT ts_ms AS "tsMs", closed_pnl AS "amountUsd" FROM fills WHERE model_id = $1 AND kind = 'transfer' AND ts_ms > $2 ORDER BY ts_ms`,
    [modelId, tsMs],
  );
}

/** What asking a model has cost, USD. */
export async function modelCost(db: Queryable, modelId: string): Promise<number> {
  const rows = await db.query<{ cost: number }>(
    'SELECT coalesce(sum(cost_usd), 0) AS cost FROM llm_usage WHERE model_id = $1',
    [modelId],
  );
  return rows[0]?.cost ?? 0;
}

/** Keeps the metrics of an hour unless those of a later one stand there. */
export async function saveMetrics(
  db: Queryable,
  modelId: string,
  carried: CarriedEquity,
  { intervals, ...metrics }: StoredMetrics,
): Promise<void> {
  await db.query(
    `INSERT INTO equity_metrics (model_id, hour, carried, metrics, intervals) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (model_id) DO UPDATE SET hour = excluded.hour, carried = excluded.carried, metrics = excluded.metrics, intervals = excluded.intervals, updated_at = now()
     WHERE equity_metrics.hour < excluded.hour`,
    [
      modelId,
      carried.hour,
      JSON.stringify(carried),
      JSON.stringify(metrics),
      intervals === null ? null : JSON.stringify(intervals),
    ],
  );
}

/** Forgets the metrics of a model: the next ones are computed from its inception on. */
export async function forgetMetrics(db: Queryable, modelId: string): Promise<void> {
  await db.query('DELETE FROM equity_metrics WHERE model_id = $1', [modelId]);
}

/** The newest metrics of every model. */
export async function allMetrics(db: Queryable): Promise<Map<string, StoredMetrics>> {
  const rows = await db.query<{ modelId: string; metrics: EquityMetrics; intervals: Intervals | null }>(
    'SELECT model_id AS "modelId", metrics, intervals FROM equity_metrics',
  );
  return new Map(rows.map(({ modelId, metrics, intervals }) => [modelId, { ...metrics, intervals }]));
}
