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
