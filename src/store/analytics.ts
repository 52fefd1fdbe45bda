/** Analytics of the models: what they are computed from beside trades, and where they are kept. */

import type { Database, Queryable } from './database.ts';
import { addEffects, type EffectRow, type NewEffect } from './effects.ts';

export type SignalRow = {
  readonly signal: 'long' | 'short' | 'hold' | 'close';
  readonly count: number;
  readonly confidences: number[];
  readonly leverages: number[];
};

/** What a model decided in all finished cycles, by class of signal. */
export function signals(db: Queryable, modelId: string): Promise<SignalRow[]> {
  return db.query<SignalRow>(
    `SELECT signal, count(*) AS count, array_agg(confidence) AS confidences, coalesce(array_agg(leverage) FILTER (WHERE leverage IS NOT NULL), '{}') AS leverages
     FROM (
       SELECT CASE d->>'action' WHEN 'open_long' THEN 'long' WHEN 'open_short' THEN 'short' WHEN 'hold' THEN 'hold' ELSE 'close' END AS signal,
              (d->>'confidence')::float8 AS confidence, (d->>'leverage')::float8 AS leverage
       FROM decision_cycles c CROSS JOIN LATERAL jsonb_array_elements(coalesce(c.decisions, '[]'::jsonb)) AS d
       WHERE c.model_id = $1 AND c.step = 'done'
     ) s GROUP BY signal`,
    [modelId],
  );
}

/** Times of a model's finished cycles, oldest first. */
export async function invocationTimes(db: Queryable, modelId: string): Promise<number[]> {
  const rows = await db.query<{ times: string[] | null }>(
    `SELECT array_agg((extract(epoch FROM executed_at) * 1000)::float8 ORDER BY slot_ms) AS times FROM decision_cycles WHERE model_id = $1 AND step = 'done'`,
    [modelId],
  );
  return (rows[0]?.times ?? []).map(Number);
}

/** Minutes a model held longs and shorts between two moments, over all symbols. */
export async function positionMinutes(
  db: Queryable,
  modelId: string,
  fromMs: number,
  toMs: number,
): Promise<{ long: number; short: number }> {
  const rows = await db.query<{ side: string; minutes: number }>(
    `SELECT side, sum(least(coalesce(exit_ts_ms, $3::bigint), $3::bigint) - greatest(entry_ts_ms, $2::bigint))::float8 / 60000 AS minutes
     FROM positions WHERE model_id = $1 AND entry_ts_ms < $3::bigint AND coalesce(exit_ts_ms, $3::bigint) > $2::bigint GROUP BY side`,
    [modelId, fromMs, toMs],
  );
  return {
    long: rows.find((row) => row.side === 'long')?.minutes ?? 0,
    short: rows.find((row) => row.side === 'short')?.minutes ?? 0,
  };
}

export async function lastConversation(db: Queryable, modelId: string): Promise<{ id: string; tsMs: number } | null> {
  const rows = await db.query<{ id: number; tsMs: number }>(
    `SELECT id, (extract(epoch FROM started_at) * 1000)::bigint AS "tsMs" FROM conversations WHERE model_id = $1 ORDER BY id DESC LIMIT 1`,
    [modelId],
  );
  return rows[0] ? { id: String(rows[0].id), tsMs: rows[0].tsMs } : null;
}

/** Keeps the payload of a model unless a newer version, or the same one computed for a later moment, stands there, together with its effects. */
export async function saveAnalytics(
  db: Database,
  modelId: string,
  payload: object,
  version: number,
  marketMs: number,
  effects: readonly NewEffect[],
): Promise<EffectRow[]> {
  return db.transaction(async (tx) => {
    await tx.query(
      `INSERT INTO model_analytics (model_id, payload, server_time_ms, version, updated_at) VALUES ($1, $2, $3, $4, now())
       ON CONFLICT (model_id) DO UPDATE SET payload = excluded.payload, server_time_ms = excluded.server_time_ms, version = excluded.version, updated_at = now()
       WHERE (model_analytics.version, model_analytics.server_time_ms) <= (excluded.version, excluded.server_time_ms)`,
      [modelId, JSON.stringify(payload), marketMs, version],
    );
    return addEffects(tx, effects);
  });
}

export function analyticsPayloads(
  db: Queryable,
  modelIds: readonly string[] | null,
): Promise<{ modelId: string; payload: object }[]> {
  return db.query(
    `SELECT model_id AS "modelId", payload FROM model_analytics WHERE $1::text[] IS NULL OR model_id = ANY($1) ORDER BY model_id`,
    [modelIds],
  );
}

/** Refreshes the materialized views; readers never wait for it. */
export async function refreshViews(db: Queryable): Promise<void> {
  await db.query('SELECT refresh_views_nof0()');
}
