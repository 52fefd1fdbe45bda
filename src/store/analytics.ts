/** Where the analytics of the models are kept: the running state, its ordered values, the payloads. */

import type { Ladder, StoredAnalytics, Stretch, ValueChange } from '../domain/analytics-running.ts';
import { CodedError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, insertListed, type NewEffect } from './effects.ts';
import { toJsonb } from './jsonb.ts';

export type AnalyticsState = {
  readonly definition: number;
  readonly state: StoredAnalytics;
  /** Version of the account that is counted at least. */
  readonly version: number;
  /** Market time of the payload that stands, ms; 0 without one. */
  readonly serverTimeMs: number;
};

/** Locks a model's state until the commit, and makes it if there is none. Null when the model has no account. */
export async function lockState(tx: Queryable, modelId: string): Promise<AnalyticsState | null> {
  const lock = () =>
    tx.query<AnalyticsState>(
      `SELECT definition, state, (SELECT version FROM accounts WHERE model_id = $1) AS version,
         coalesce((SELECT server_time_ms FROM model_analytics WHERE model_id = $1), 0) AS "serverTimeMs"
       FROM analytics_state WHERE model_id = $1 FOR UPDATE`,
      [modelId],
    );
  const [state] = await lock();
  if (state !== undefined) return state;
  await tx.query(
    'INSERT INTO analytics_state (model_id) SELECT model_id FROM accounts WHERE model_id = $1 ON CONFLICT DO NOTHING',
    [modelId],
  );
  return (await lock())[0] ?? null;
}

/** Forgets what is counted of a model and notes its whole history as changed: counted once more, it is counted from the start. */
export async function startOver(tx: Queryable, modelId: string): Promise<void> {
  await tx.query('DELETE FROM analytics_pending WHERE model_id = $1', [modelId]);
  await tx.query('DELETE FROM analytics_trades WHERE model_id = $1', [modelId]);
  await tx.query('DELETE FROM analytics_values WHERE model_id = $1', [modelId]);
  await tx.query(
    `INSERT INTO analytics_pending (model_id, kind, item)
     SELECT $1, whole.kind, whole.item FROM (
       SELECT 'trade' AS kind, id AS item FROM trades WHERE model_id = $1
       UNION ALL SELECT 'cycle', id::text FROM every_cycle WHERE model_id = $1 AND step = 'done'
     ) whole
     -- What has ended since the notes were forgotten has left its own.
     WHERE NOT EXISTS (SELECT 1 FROM analytics_pending p WHERE p.model_id = $1 AND p.kind = whole.kind AND p.item = whole.item)`,
    [modelId],
  );
}

/** Whether anything of a model waits to be counted. */
export async function hasPending(tx: Queryable, modelId: string): Promise<boolean> {
  const rows = await tx.query('SELECT 1 FROM analytics_pending WHERE model_id = $1 LIMIT 1', [modelId]);
  return rows.length > 0;
}

/** Adds and takes away ordered values. One that is not there cannot be taken away: NOF0_INTERNAL. */
export async function changeValues(tx: Queryable, modelId: string, changes: readonly ValueChange[]): Promise<void> {
  const columns = (of: readonly ValueChange[]) => [
    modelId,
    of.map((change) => change.measure),
    of.map((change) => change.value),
    of.map((change) => change.count),
  ];
  const come = changes.filter((change) => change.count > 0);
  const gone = changes.filter((change) => change.count < 0);
  const added =
    come.length > 0 &&
    tx.query(
      `INSERT INTO analytics_values AS v (model_id, measure, value, count)
       SELECT $1, measure, value, count FROM unnest($2::text[], $3::float8[], $4::int[]) AS c(measure, value, count) ORDER BY measure, value
       ON CONFLICT (model_id, measure, value) DO UPDATE SET count = v.count + excluded.count`,
      columns(come),
    );
  const taken =
    gone.length > 0 &&
    tx.query(
      `UPDATE analytics_values v SET count = v.count + c.count FROM unnest($2::text[], $3::float8[], $4::int[]) AS c(measure, value, count)
       WHERE v.model_id = $1 AND v.measure = c.measure AND v.value = c.value RETURNING 1`,
      columns(gone),
    );
  const emptied =
    gone.length > 0 &&
    tx.query(
      `DELETE FROM analytics_values v USING unnest($2::text[], $3::float8[]) AS c(measure, value)
       WHERE v.model_id = $1 AND v.measure = c.measure AND v.value = c.value AND v.count = 0`,
      columns(gone).slice(0, 3),
    );
  const [, left] = await Promise.all([added, taken, emptied]);
  if (left && left.length < gone.length)
    throw new CodedError(
      'NOF0_INTERNAL',
      `values that were never counted leave the analytics of "${modelId}": run "nof0 recompute"`,
    );
}

/** The values around each place, and the extremes of the sample. */
export async function ladders(tx: Queryable, modelId: string, stretches: readonly Stretch[]): Promise<Ladder[]> {
  if (stretches.length === 0) return [];
  const at = (side: string, order: string, limit: string) =>
    `ARRAY(SELECT value FROM analytics_values WHERE model_id = $1 AND measure = w.measure AND value ${side} w.at ORDER BY value ${order} LIMIT ${limit})`;
  const counts = (side: string, order: string, limit: string) =>
    at(side, order, limit).replace('SELECT value', 'SELECT count');
  const end = (order: string) =>
    `(SELECT value FROM analytics_values WHERE model_id = $1 AND measure = w.measure ORDER BY value ${order} LIMIT 1)`;
  const rows = await tx.query<{
    measure: string;
    below: number[];
    belowCounts: number[];
    above: number[];
    aboveCounts: number[];
    minimum: number | null;
    maximum: number | null;
  }>(
    `SELECT w.measure, ${at('<', 'DESC', 'w.reach')} AS below, ${counts('<', 'DESC', 'w.reach')} AS "belowCounts",
       ${at('>=', 'ASC', 'w.reach + 1')} AS above, ${counts('>=', 'ASC', 'w.reach + 1')} AS "aboveCounts", ${end('ASC')} AS minimum, ${end('DESC')} AS maximum
     FROM unnest($2::text[], $3::float8[], $4::int[]) AS w(measure, at, reach)`,
    [
      modelId,
      stretches.map(({ measure }) => measure),
      stretches.map(({ at: from }) => from),
      stretches.map(({ reach }) => reach),
    ],
  );
  return rows.flatMap(({ measure, minimum, maximum, ...row }) => {
    if (minimum === null || maximum === null) return [];
    const rungs = [
      ...row.below.map((value, index) => ({ value, count: row.belowCounts[index] ?? 0 })).reverse(),
      ...row.above.map((value, index) => ({ value, count: row.aboveCounts[index] ?? 0 })),
    ];
    return [{ measure, rungs, minimum, maximum }];
  });
}

export type AnalyticsSave = {
  readonly modelId: string;
  readonly definition: number;
  readonly state: StoredAnalytics;
  readonly wins: { readonly n: number; readonly sum: number };
  readonly losses: { readonly n: number; readonly sum: number };
  /** Null: the one that stands is kept. */
  readonly payload: object | null;
  readonly version: number;
  readonly marketMs: number;
};

/** Keeps the state and the payload, with the effects. The caller holds the state's lock, so what it writes is the newest. */
export function saveAnalytics(tx: Queryable, save: AnalyticsSave, effects: readonly NewEffect[]): Promise<EffectRow[]> {
  return tx.query<EffectRow>(
    `WITH state AS (
       UPDATE analytics_state SET definition = $2, state = $3, num_wins = $4, win_dollars = $5, num_losses = $6, lose_dollars = $7, updated_at = now() WHERE model_id = $1
     ), payload AS (
       INSERT INTO model_analytics (model_id, payload, server_time_ms, version, updated_at) SELECT $1, $8::jsonb, $9, $10, now() WHERE $8::jsonb IS NOT NULL
       ON CONFLICT (model_id) DO UPDATE SET payload = excluded.payload, server_time_ms = excluded.server_time_ms, version = excluded.version, updated_at = now()
     )
     ${insertListed('$11', '$12')}`,
    [
      save.modelId,
      save.definition,
      JSON.stringify(save.state),
      save.wins.n,
      save.wins.sum,
      save.losses.n,
      save.losses.sum,
      save.payload === null ? null : toJsonb(save.payload),
      save.marketMs,
      save.version,
      JSON.stringify(effects),
      EFFECT_LEASE_MS,
    ],
  );
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
