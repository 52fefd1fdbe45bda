/** An arena of two models that did a few things, for the tests of the HTTP API. */

import type { Resources } from '../../src/resources.ts';
import { registerModels } from '../../src/store/models.ts';

export const INCEPTION_MS = 1_760_738_400_000;
export const HOUR_MS = 3_600_000;
export const MODELS = ['deepseek-chat-v3.1', 'qwen3-max'] as const;
/** More than the recent lists hold. */
export const TRADES_OF_EACH = 130;

/** Writes the arena into a run. */
export async function seed({ db }: Resources): Promise<void> {
  const common = { exchangeProvider: 'paper', marketProvider: 'synthetic', config: {}, configDigest: 'd' };
  await registerModels(
    db,
    MODELS.map((id) => ({ ...common, id, displayName: id.toUpperCase(), initialEquityUsd: 10_000 })),
    INCEPTION_MS,
    'test',
  );
  for (const modelId of MODELS) await seedTrades(db, modelId);
  await db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, entry_oid, stop_loss, take_profit)
     VALUES ('p1', $1, 'BTC', 'long', 100000, 0.5, 10, $2, 7, 90000, 120000), ('p2', $1, 'ETH', 'short', 4000, -2, 5, $2, 8, NULL, NULL)`,
    [MODELS[0], INCEPTION_MS],
  );
  await db.query(
    `INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ('synthetic', 'BTC', 110000, $1), ('synthetic', 'ETH', 3900, $1)`,
    [INCEPTION_MS],
  );
  // Two snapshots an hour; the first model is three hours old, the second two.
  await db.query(
    `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, since_inception_hourly_marker, since_inception_minute_marker, positions)
     SELECT m.id, $3::bigint + half * 1800000, 10000 + half, half / 2, half * 30, '{"BTC":{"symbol":"BTC"}}'
     FROM (VALUES ($1, 6), ($2, 4)) AS m(id, halves) CROSS JOIN LATERAL generate_series(0, m.halves - 1) AS half`,
    [MODELS[0], MODELS[1], INCEPTION_MS],
  );
  await db.query(
    `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, success, decisions, orders, executed_at)
     SELECT id, $2::bigint + n * 60000, n, 'done', true, '[{"symbol":"BTC","action":"hold","confidence":0.5}]',
            '{"request":{"nonce":1,"expiresAtMs":2,"bytes":"signed"},"legs":[]}', to_timestamp(($2::bigint + n * 60000) / 1000.0)
     FROM unnest($1::text[]) AS id, generate_series(1, 5) AS n`,
    [MODELS, INCEPTION_MS],
  );
  await db.query(
    `WITH c AS (INSERT INTO conversations (model_id) SELECT $1 FROM generate_series(1, 9) RETURNING id)
     INSERT INTO conversation_messages (conversation_id, role, content, ts_ms)
     SELECT c.id, r.role, r.role || ' ' || c.id, $2::bigint + c.id * 1000
     FROM c, (VALUES (1, 'system'), (2, 'user'), (3, 'assistant')) AS r(n, role) ORDER BY c.id, r.n`,
    [MODELS[0], INCEPTION_MS],
  );
}

/** A season from the inception on, which `MODELS[0]` leads. */
export async function seedSeason({ db }: Resources): Promise<void> {
  await db.query(
    `INSERT INTO seasons (name, starts, opening)
     SELECT 'first', to_timestamp($1::bigint / 1000.0), jsonb_object_agg(id, jsonb_build_object('equityUsd', 10000, 'tsMs', $1::bigint)) FROM models`,
    [INCEPTION_MS],
  );
}

/** Trades of a model. Every third moment is shared with the next trade and with the other model, so that pages end among equals. */
async function seedTrades(db: Resources['db'], modelId: string): Promise<void> {
  await db.query(
    `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, confidence, entry_price, entry_ts_ms, exit_price, exit_ts_ms,
       entry_commission_dollars, exit_commission_dollars, total_commission_dollars, entry_closed_pnl, exit_closed_pnl, realized_gross_pnl, realized_net_pnl, exit_reason)
     SELECT $1 || '_' || n, $1, CASE n % 2 WHEN 0 THEN 'BTC' ELSE 'ETH' END, 'long', 1, 10, 0.7, 100, $2::bigint + n, 110, $2::bigint + (n / 3) * 1001,
       1, 1, 2, -1, 9, 10, 8, 'signal'
     FROM generate_series(1, $3::int) AS n`,
    [modelId, INCEPTION_MS, TRADES_OF_EACH],
  );
}

/** One row of everything that operators look at. */
export async function seedOperations({ db }: Resources): Promise<void> {
  await db.query(
    `INSERT INTO schedules (name, job, spec, last_slot_ms) VALUES ('snapshot:x', 'snapshot', '{"everyMs":60000}', 1) ON CONFLICT (name) DO NOTHING`,
  );
  await db.query(
    `INSERT INTO dead_letters (job, identity, job_id, model_id, payload, error_code, error_message, attempts, failed_at)
     VALUES ('snapshot', 'a', 'a', $1, '{}', 'NOF0_INTERNAL', 'broke', 1, now())`,
    [MODELS[0]],
  );
  await db.query(
    `INSERT INTO job_runs (queue, job, job_id, attempt, outcome, model_id, started_at, finished_at, error_code, error_message, payload)
     VALUES ('snapshot', 'snapshot', 'a', 1, 'failed', $1, now(), now(), 'NOF0_INTERNAL', 'broke', '{}')`,
    [MODELS[0]],
  );
  await db.query(
    `INSERT INTO audit_log (who, what, target, after) VALUES ('carol', 'pause', 'model:x', '{"state":"paused"}')`,
  );
  await db.query(`INSERT INTO processes (name, role, host, disk_free) VALUES ('worker@box:1', 'worker', 'box', 0.4)`);
  await db.query(
    `INSERT INTO alerts (alert, subject, state, episode, summary, since_ms, last_seen_ms, messages) VALUES ('slot_lag', 'snapshot:x', 'firing', 1, 'late', 1, 2, 1)`,
  );
  await db.query(
    `INSERT INTO effects (kind, target, payload, attempts, last_error) VALUES ('project', 'leaderboard', '{}', 3, 'no answer')`,
  );
}
