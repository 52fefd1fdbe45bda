/** The participants: their registration, what became of them, and how one leaves. */

import type { Database, Queryable } from './database.ts';

export type ModelRow = {
  readonly id: string;
  readonly displayName: string;
  readonly exchangeProvider: string;
  readonly marketProvider: string;
};
export type NewModel = ModelRow & {
  readonly config: object;
  readonly configDigest: string;
  /** Of the prompt it is asked with; null: it is asked without words. */
  readonly promptDigest?: string | null;
  readonly initialEquityUsd: number;
};

const LISTED = `listed AS (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS m(id text, "displayName" text, "exchangeProvider" text, "marketProvider" text, config jsonb,
    "configDigest" text, "promptDigest" text, "initialEquityUsd" float8)
)`;

/**
 * Registers models with their account, trader state and settings. Existing accounts and states are left as they are. Who is new, or
 * decides with other settings than before, gets a line in the history under the name of `who`.
 */
export async function registerModels(
  db: Database,
  models: readonly NewModel[],
  inceptionTsMs: number,
  who: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    // Several schedulers start at once; what one has written down is no news to the next.
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['models']);
    await tx.query(
      `WITH ${LISTED}, noted AS (
         INSERT INTO model_history (model_id, what, who, config_digest, prompt_digest)
         SELECT l.id, CASE WHEN m.id IS NULL THEN 'added' ELSE 'configured' END, $3, l."configDigest", l."promptDigest"
         FROM listed l LEFT JOIN models m ON m.id = l.id WHERE m.config_digest IS DISTINCT FROM l."configDigest" ORDER BY l.id
       ), models_now AS (
         INSERT INTO models (id, display_name, exchange_provider, market_provider, config, config_digest)
         SELECT id, "displayName", "exchangeProvider", "marketProvider", config, "configDigest" FROM listed
         ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, exchange_provider = excluded.exchange_provider,
           market_provider = excluded.market_provider, config = excluded.config, config_digest = excluded.config_digest
       ), settings AS (
         INSERT INTO model_configs (model_id, digest, config) SELECT id, "configDigest", config FROM listed ON CONFLICT DO NOTHING
       ), traders AS (
         INSERT INTO trader_state (trader_id) SELECT id FROM listed ON CONFLICT DO NOTHING
       )
       INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) SELECT id, "initialEquityUsd", $2::bigint FROM listed ON CONFLICT DO NOTHING`,
      [JSON.stringify(models), inceptionTsMs, who],
    );
  });
}

export function listModels(db: Queryable): Promise<ModelRow[]> {
  return db.query<ModelRow>(
    `SELECT id, display_name AS "displayName", exchange_provider AS "exchangeProvider", market_provider AS "marketProvider" FROM models ORDER BY id`,
  );
}

export async function modelIds(db: Queryable): Promise<string[]> {
  return (await db.query<{ id: string }>('SELECT id FROM models ORDER BY id')).map((row) => row.id);
}

/** Everybody with a trader who has not left. */
export async function participantIds(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT trader_id AS id FROM trader_state WHERE state <> 'retired' ORDER BY trader_id`,
  );
  return rows.map((row) => row.id);
}

/** Models that have left for good. */
export async function retiredIds(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT trader_id AS id FROM trader_state WHERE state = 'retired' ORDER BY trader_id`,
  );
  return rows.map((row) => row.id);
}

export type ModelChange = {
  readonly modelId: string;
  readonly what: 'added' | 'configured' | 'retired';
  readonly who: string;
  readonly configDigest: string | null;
  readonly promptDigest: string | null;
  readonly atMs: number;
};

/** What became of a model, newest first. */
export function modelHistory(db: Queryable, modelId: string, limit: number): Promise<ModelChange[]> {
  return db.query<ModelChange>(
    `SELECT model_id AS "modelId", what, who, config_digest AS "configDigest", prompt_digest AS "promptDigest", (extract(epoch FROM at) * 1000)::bigint AS "atMs"
     FROM model_history WHERE model_id = $1 ORDER BY id DESC LIMIT $2`,
    [modelId, limit],
  );
}

/** Settings and prompt by their digest; null when the model never had these. A part of the digest is enough. */
export async function modelConfig(
  db: Queryable,
  modelId: string,
  digest: string,
): Promise<{ digest: string; config: object } | null> {
  const rows = await db.query<{ digest: string; config: object }>(
    'SELECT digest, config FROM model_configs WHERE model_id = $1 AND starts_with(digest, $2) ORDER BY valid_from DESC LIMIT 1',
    [modelId, digest],
  );
  return rows[0] ?? null;
}

/** Takes a model whose trader the caller has just retired out of the schedules, and writes it down. */
export async function leaveArena(tx: Queryable, modelId: string, who: string): Promise<void> {
  await tx.query(
    `WITH unscheduled AS (
       DELETE FROM schedules WHERE job IN ('decision-cycle', 'snapshot') AND payload->>'modelId' = $1
     )
     INSERT INTO model_history (model_id, what, who, config_digest) SELECT id, 'retired', $2, config_digest FROM models WHERE id = $1`,
    [modelId, who],
  );
}
