/** The participants: their registration, their settings and their trader's state. */

import type { Database, Queryable } from './database.ts';
import { EFFECT_COLUMNS, EFFECT_LEASE_MS, type EffectRow } from './effects.ts';

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

export type TraderRow = {
  readonly traderId: string;
  readonly state: string;
  readonly lastDecisionAtMs: number | null;
  readonly pauseUntilMs: number | null;
};

export function traderStates(db: Queryable, ids: readonly string[]): Promise<TraderRow[]> {
  return db.query<TraderRow>(
    `SELECT trader_id AS "traderId", state, (extract(epoch FROM last_decision_at) * 1000)::bigint AS "lastDecisionAtMs", (extract(epoch FROM pause_until) * 1000)::bigint AS "pauseUntilMs"
     FROM trader_state WHERE trader_id = ANY($1)`,
    [ids],
  );
}

/**
 * Pauses traders that trade or decide in the shadow, or lets paused ones go on as what they were; others are left as they are. One
 * statement: the states, an audit row and an effect for each trader that changes. Returns the effects.
 */
export function setTradersPaused(
  db: Queryable,
  traders: readonly { readonly id: string; readonly effect: string }[],
  paused: boolean,
  who: string,
): Promise<EffectRow[]> {
  return db.query<EffectRow>(
    `WITH wanted AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS w(id text, effect text)
     ), present AS (
       SELECT t.trader_id AS id, t.state, w.effect,
              CASE WHEN $2 THEN 'paused' ELSE coalesce(t.metadata->>'pausedFrom', 'running') END AS next
       FROM trader_state t JOIN wanted w ON w.id = t.trader_id ORDER BY t.trader_id FOR UPDATE OF t
     ), changed AS (
       UPDATE trader_state t SET state = p.next, updated_at = now(),
              metadata = CASE WHEN $2 THEN t.metadata || jsonb_build_object('pausedFrom', p.state) ELSE t.metadata - 'pausedFrom' END
       FROM present p WHERE t.trader_id = p.id AND CASE WHEN $2 THEN p.state IN ('running', 'shadow') ELSE p.state = 'paused' END
       RETURNING p.id, p.state AS before, p.next AS after, p.effect
     ), logged AS (
       INSERT INTO audit_log (who, what, target, before, after)
       SELECT $3, CASE WHEN $2 THEN 'pause' ELSE 'resume' END, 'model:' || id, jsonb_build_object('state', before), jsonb_build_object('state', after) FROM changed
     )
     SELECT ${EFFECT_COLUMNS} FROM add_effects(
       (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', 'project', 'target', effect)), '[]') FROM changed), $4)`,
    [JSON.stringify(traders), paused, who, EFFECT_LEASE_MS],
  );
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
