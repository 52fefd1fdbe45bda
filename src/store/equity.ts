/** Accounts and their equity over time. */

import type { Standing } from '../domain/leaderboard.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, insertListed, type NewEffect } from './effects.ts';
import { toJsonb } from './jsonb.ts';

/** An account with the sums of its trades and fills, USD; see the equity rule in `domain/ledger`. */
export type Account = {
  readonly modelId: string;
  readonly initialEquityUsd: number;
  readonly inceptionTsMs: number;
  readonly version: number;
  /** Gross. */
  readonly realizedUsd: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly transfersUsd: number;
  readonly turnoverUsd: number;
  /** Its model came with an import and has not taken part here since. */
  readonly imported: boolean;
};

export const ACCOUNT_COLUMNS = `model_id AS "modelId", initial_equity_usd AS "initialEquityUsd", inception_ts_ms AS "inceptionTsMs", version, realized_usd::float8 AS "realizedUsd",
  fees_usd::float8 AS "feesUsd", funding_usd::float8 AS "fundingUsd", transfers_usd::float8 AS "transfersUsd", turnover_usd::float8 AS "turnoverUsd",
  EXISTS (SELECT 1 FROM models m WHERE m.id = model_id AND m.exchange_provider = 'import') AS imported`;

export function accounts(db: Queryable): Promise<Account[]> {
  return db.query<Account>(`SELECT ${ACCOUNT_COLUMNS} FROM accounts ORDER BY model_id`);
}

export async function account(db: Queryable, modelId: string): Promise<Account | null> {
  return (await db.query<Account>(`SELECT ${ACCOUNT_COLUMNS} FROM accounts WHERE model_id = $1`, [modelId]))[0] ?? null;
}

/** The account as it is now; its row stays locked until the commit, so fills cannot come in between. Null for an unknown model. */
export async function lockAccount(tx: Queryable, modelId: string): Promise<Account | null> {
  const rows = await tx.query<Account>(`SELECT ${ACCOUNT_COLUMNS} FROM accounts WHERE model_id = $1 FOR UPDATE`, [
    modelId,
  ]);
  return rows[0] ?? null;
}

export type NewSnapshot = {
  readonly modelId: string;
  readonly tsMs: number;
  readonly equityUsd: number;
  readonly realizedPnl: number;
  readonly unrealizedPnl: number;
  readonly cumPnlPct: number;
  readonly sharpeRatio: number;
  readonly marginUsed: number;
  readonly positions: object;
  readonly hourlyMarker: number;
  readonly minuteMarker: number;
};

/**
 * Inserts snapshots out of `rows` (a table of the statement, with the fields of `NewSnapshot`); a second one of the same moment replaces the
 * figures of the first. Unless a later moment has been recorded, or the market has later prices: a job that comes back because the queue
 * forgot its end knows what is now, not what was then.
 */
export const STORE_SNAPSHOTS = (rows: string) => `
  INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, realized_pnl, unrealized_pnl, cum_pnl_pct, sharpe_ratio, margin_used, positions,
    since_inception_hourly_marker, since_inception_minute_marker)
  SELECT "modelId", "tsMs", "equityUsd", "realizedPnl", "unrealizedPnl", "cumPnlPct", "sharpeRatio", "marginUsed", positions, "hourlyMarker", "minuteMarker" FROM ${rows}
  ON CONFLICT (model_id, ts_ms) DO UPDATE SET equity_usd = excluded.equity_usd, realized_pnl = excluded.realized_pnl,
    unrealized_pnl = excluded.unrealized_pnl, cum_pnl_pct = excluded.cum_pnl_pct, sharpe_ratio = excluded.sharpe_ratio,
    margin_used = excluded.margin_used, positions = excluded.positions
  WHERE NOT EXISTS (SELECT 1 FROM account_equity_snapshots later WHERE later.model_id = excluded.model_id AND later.ts_ms > excluded.ts_ms)
    AND NOT EXISTS (SELECT 1 FROM models m JOIN ingest_cursors market ON market.provider = m.market_provider
      WHERE m.id = excluded.model_id AND market.watermark_ms > excluded.ts_ms)`;

/** Stores a snapshot and effects in one statement. */
export function saveSnapshot(
  tx: Queryable,
  snapshot: NewSnapshot,
  effects: readonly NewEffect[],
): Promise<EffectRow[]> {
  return tx.query<EffectRow>(
    `WITH given AS (
       SELECT * FROM jsonb_to_record($1::jsonb) AS g("modelId" text, "tsMs" bigint, "equityUsd" float8, "realizedPnl" float8, "unrealizedPnl" float8, "cumPnlPct" float8,
         "sharpeRatio" float8, "marginUsed" float8, positions jsonb, "hourlyMarker" int, "minuteMarker" int)
     ), saved AS (${STORE_SNAPSHOTS('given')}) ${insertListed('$2', '$3')}`,
    [toJsonb(snapshot), JSON.stringify(effects), EFFECT_LEASE_MS],
  );
}

/** Equity of every snapshot of a model, oldest first. */
export function equityPoints(db: Queryable, modelId: string): Promise<{ tsMs: number; equityUsd: number }[]> {
  return db.query(
    `SELECT ts_ms AS "tsMs", equity_usd AS "equityUsd" FROM account_equity_snapshots WHERE model_id = $1 ORDER BY ts_ms`,
    [modelId],
  );
}

export type Snapshot = {
  readonly id: number;
  readonly modelId: string;
  readonly tsMs: number;
  readonly equityUsd: number;
  readonly realizedPnl: number;
  readonly unrealizedPnl: number;
  readonly cumPnlPct: number | null;
  readonly sharpeRatio: number | null;
  readonly positions: Record<string, unknown>;
  readonly hourlyMarker: number | null;
  readonly minuteMarker: number | null;
};

export const SNAPSHOT_COLUMNS = `id, model_id AS "modelId", ts_ms AS "tsMs", equity_usd AS "equityUsd", realized_pnl AS "realizedPnl",
  unrealized_pnl AS "unrealizedPnl", cum_pnl_pct AS "cumPnlPct", sharpe_ratio AS "sharpeRatio", positions,
  since_inception_hourly_marker AS "hourlyMarker", since_inception_minute_marker AS "minuteMarker"`;

/** The last snapshot of each hour at or after the hourly marker, oldest first. */
export function snapshotsByHour(db: Queryable, fromMarker: number, limit: number): Promise<Snapshot[]> {
  return db.query<Snapshot>(
    `SELECT DISTINCT ON (model_id, since_inception_hourly_marker) ${SNAPSHOT_COLUMNS} FROM account_equity_snapshots
     WHERE since_inception_hourly_marker >= $1 ORDER BY model_id, since_inception_hourly_marker, ts_ms DESC LIMIT $2`,
    [fromMarker, limit],
  );
}

/** The newest snapshot of each model. */
export function latestSnapshots(db: Queryable, modelIds: readonly string[]): Promise<Snapshot[]> {
  return db.query<Snapshot>(
    `SELECT s.* FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (SELECT ${SNAPSHOT_COLUMNS} FROM account_equity_snapshots WHERE model_id = m.id ORDER BY ts_ms DESC LIMIT 1) s`,
    [modelIds],
  );
}

export type CurvePoint = { readonly modelId: string; readonly timestamp: number; readonly value: number };

/** Most points an equity curve in Redis holds. */
export const CURVE_POINTS = 500;

/**
 * Equity curves, oldest point first, thinned to `CURVE_POINTS` by taking the last snapshot of equally long stretches of time; the newest
 * snapshot is always part of it. Each point is one look into the index, so a curve costs the same at any age.
 */
export function equityCurves(db: Queryable, modelIds: readonly string[]): Promise<CurvePoint[]> {
  return db.query<CurvePoint>(
    `SELECT m.id AS "modelId", s.ts_ms AS timestamp, s.equity_usd AS value FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (
       SELECT min(ts_ms) AS first_ms, greatest(60000, (max(ts_ms) - min(ts_ms)) / ${CURVE_POINTS} + 1) AS stretch_ms, max(ts_ms) AS last_ms
       FROM account_equity_snapshots WHERE model_id = m.id
     ) span
     CROSS JOIN LATERAL generate_series(span.first_ms, span.last_ms, span.stretch_ms) AS stretches(from_ms)
     CROSS JOIN LATERAL (
       SELECT ts_ms, equity_usd FROM account_equity_snapshots
       WHERE model_id = m.id AND ts_ms >= stretches.from_ms AND ts_ms < stretches.from_ms + span.stretch_ms ORDER BY ts_ms DESC LIMIT 1
     ) s
     ORDER BY m.id, s.ts_ms`,
    [modelIds],
  );
}

/** Figures of the leaderboard at this moment, also of trades that the analytics have not counted yet. */
export function standings(db: Queryable): Promise<Standing[]> {
  return db.query<Standing>(
    `SELECT a.model_id AS "modelId", a.initial_equity_usd AS "initialEquityUsd", coalesce(s.equity_usd, a.initial_equity_usd) AS "equityUsd",
            coalesce(s.sharpe_ratio, 0) AS sharpe, t.num_wins + t.num_losses AS "numTrades", t.num_wins AS "numWins", t.num_losses AS "numLosses",
            t.win_dollars AS "winDollars", t.lose_dollars AS "loseDollars"
     FROM accounts a
     JOIN v_trade_totals t ON t.model_id = a.model_id
     LEFT JOIN LATERAL (SELECT equity_usd, sharpe_ratio FROM account_equity_snapshots WHERE model_id = a.model_id ORDER BY ts_ms DESC LIMIT 1) s ON TRUE
     ORDER BY a.model_id`,
  );
}

/**
 * The last snapshot of each hour and model from the hourly marker on, or of the newest hours without one; at most `hours` hours,
 * oldest first and always whole ones, so that a reader goes on behind the last of them and misses nothing.
 */
export function hourlySnapshots(db: Queryable, fromMarker: number | null, hours: number): Promise<Snapshot[]> {
  return db.query<Snapshot>(
    `WITH own AS (
       SELECT m.id, first.hour AS first_hour, last.hour AS last_hour FROM models m
       CROSS JOIN LATERAL (SELECT min(since_inception_hourly_marker) AS hour FROM account_equity_snapshots
         WHERE model_id = m.id AND since_inception_hourly_marker >= coalesce($1::int, 0)) first
       CROSS JOIN LATERAL (SELECT max(since_inception_hourly_marker) AS hour FROM account_equity_snapshots WHERE model_id = m.id) last
     ), span AS (
       SELECT CASE WHEN $1::int IS NULL THEN greatest(min(first_hour), max(last_hour) - $2::int + 1) ELSE min(first_hour) END AS first_hour FROM own
     )
     SELECT s.* FROM span CROSS JOIN own
     CROSS JOIN LATERAL generate_series(greatest(own.first_hour, span.first_hour), least(own.last_hour, span.first_hour + $2::int - 1)) AS hours(hour)
     CROSS JOIN LATERAL (SELECT ${SNAPSHOT_COLUMNS} FROM account_equity_snapshots
       WHERE model_id = own.id AND since_inception_hourly_marker = hours.hour ORDER BY ts_ms DESC LIMIT 1) s
     ORDER BY s."hourlyMarker", s."modelId"`,
    [fromMarker, hours],
  );
}

export type Inception = {
  /** The one of an import, else the model's. */
  readonly id: string;
  readonly modelId: string;
  readonly initialEquityUsd: number;
  readonly inceptionTsMs: number;
  readonly invocations: number;
};

/** The last snapshots of the newest hours of each model, oldest first. */
export function newestHours(db: Queryable, modelIds: readonly string[], hours: number): Promise<Snapshot[]> {
  return db.query<Snapshot>(
    `SELECT s.* FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (SELECT max(since_inception_hourly_marker) AS hour FROM account_equity_snapshots WHERE model_id = m.id) last
     CROSS JOIN LATERAL generate_series(greatest(0, last.hour - $2::int + 1), last.hour) AS hours(hour)
     CROSS JOIN LATERAL (SELECT ${SNAPSHOT_COLUMNS} FROM account_equity_snapshots
       WHERE model_id = m.id AND since_inception_hourly_marker = hours.hour ORDER BY ts_ms DESC LIMIT 1) s
     ORDER BY m.id, hours.hour`,
    [modelIds, hours],
  );
}

/** Where models began; invocations are those that came with an import. */
export function inceptions(db: Queryable, modelIds: readonly string[]): Promise<Inception[]> {
  return db.query<Inception>(
    `SELECT a.model_id AS "modelId", a.initial_equity_usd AS "initialEquityUsd", a.inception_ts_ms AS "inceptionTsMs",
            coalesce((i.payload->>'num_invocations')::int, 0) AS invocations, coalesce(i.payload->>'id', a.model_id) AS id
     FROM accounts a LEFT JOIN imports i ON i.model_id = a.model_id AND i.kind = 'since-inception' WHERE a.model_id = ANY($1::text[])`,
    [modelIds],
  );
}
