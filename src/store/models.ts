/** The participants: their registration, their settings and their budget. */

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
  readonly initialEquityUsd: number;
};

/** Registers models with their account, trader state and settings. Existing accounts and states are left as they are. */
export async function registerModels(db: Database, models: readonly NewModel[], inceptionTsMs: number): Promise<void> {
  await db.query(
    `WITH listed AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS m(id text, "displayName" text, "exchangeProvider" text, "marketProvider" text, config jsonb, "configDigest" text, "initialEquityUsd" float8)
     ), models_now AS (
       INSERT INTO models (id, display_name, exchange_provider, market_provider, config)
       SELECT id, "displayName", "exchangeProvider", "marketProvider", config FROM listed
       ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, exchange_provider = excluded.exchange_provider, market_provider = excluded.market_provider, config = excluded.config
     ), settings AS (
       INSERT INTO model_configs (model_id, digest, config) SELECT id, "configDigest", config FROM listed ON CONFLICT DO NOTHING
     ), traders AS (
       INSERT INTO trader_state (trader_id) SELECT id FROM listed ON CONFLICT DO NOTHING
     )
     INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) SELECT id, "initialEquityUsd", $2::bigint FROM listed ON CONFLICT DO NOTHING`,
    [JSON.stringify(models), inceptionTsMs],
  );
}

export function listModels(db: Queryable): Promise<ModelRow[]> {
  return db.query<ModelRow>(
    `SELECT id, display_name AS "displayName", exchange_provider AS "exchangeProvider", market_provider AS "marketProvider" FROM models ORDER BY id`,
  );
}

export async function modelIds(db: Queryable): Promise<string[]> {
  return (await db.query<{ id: string }>('SELECT id FROM models ORDER BY id')).map((row) => row.id);
}

/** Tokens and dollars of a model on a market day, reserved and used. */
export type Usage = { readonly tokens: number; readonly usd: number };

/**
 * Reserves budget before a model is asked, unless it would pass the limits. True when it is reserved. The check and the reservation
 * are one statement on one row, so concurrent reservations cannot pass the limit together.
 */
export async function reserveBudget(
  db: Queryable,
  modelId: string,
  day: string,
  want: Usage,
  limit: { tokens: number | null; usd: number | null },
): Promise<boolean> {
  await db.query('INSERT INTO llm_usage (model_id, day) VALUES ($1, $2::date) ON CONFLICT DO NOTHING', [modelId, day]);
  const rows = await db.query(
    `UPDATE llm_usage SET requests = requests + 1, reserved_tokens = reserved_tokens + $3, reserved_usd = reserved_usd + $4
     WHERE model_id = $1 AND day = $2::date
       AND ($5::bigint IS NULL OR used_tokens + reserved_tokens + $3 <= $5) AND ($6::float8 IS NULL OR cost_usd + reserved_usd + $4 <= $6)
     RETURNING 1`,
    [modelId, day, want.tokens, want.usd, limit.tokens, limit.usd],
  );
  return rows.length > 0;
}

/** Turns a reservation into what was really used. */
export async function settleBudget(
  db: Queryable,
  modelId: string,
  day: string,
  reserved: Usage,
  used: Usage,
): Promise<void> {
  await db.query(
    `UPDATE llm_usage SET reserved_tokens = reserved_tokens - $3, reserved_usd = reserved_usd - $4, used_tokens = used_tokens + $5, cost_usd = cost_usd + $6
     WHERE model_id = $1 AND day = $2::date`,
    [modelId, day, reserved.tokens, reserved.usd, used.tokens, used.usd],
  );
}
