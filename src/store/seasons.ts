/** Seasons of the arena. Each change is part of a commit of the caller's, under the season lock. */

import type { SeasonPlace, SeasonStanding, SeasonState } from '../domain/season.ts';
import type { Queryable } from './database.ts';

export type Season = {
  readonly id: number;
  readonly name: string;
  readonly state: SeasonState;
  /** Market ms. */
  readonly startsMs: number;
  readonly endsMs: number | null;
  /** Null until it is frozen; then for ever what it is. */
  readonly finalRanking: readonly SeasonPlace[] | null;
  readonly frozenAtMs: number | null;
  readonly resetAtMs: number | null;
};

const millis = (column: string) => `(extract(epoch FROM ${column}) * 1000)::bigint`;
const SEASON = `id, name, state, ${millis('starts')} AS "startsMs", ${millis('ends')} AS "endsMs", final_ranking AS "finalRanking",
  ${millis('frozen_at')} AS "frozenAtMs", ${millis('reset_at')} AS "resetAtMs"`;

/** One change of seasons at a time. */
export async function lockSeasons(tx: Queryable): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['seasons']);
}

/** Newest first. */
export function listSeasons(db: Queryable): Promise<Season[]> {
  return db.query<Season>(`SELECT ${SEASON} FROM seasons ORDER BY id DESC`);
}

/**
 * Begins a season: whoever takes part and is not retired enters with the equity of his newest snapshot, and counts from its moment on.
 */
export async function insertSeason(tx: Queryable, name: string, startsMs: number): Promise<Season> {
  const rows = await tx.query<Season>(
    `INSERT INTO seasons (name, starts, opening)
     SELECT $1, to_timestamp($2::bigint / 1000.0), coalesce(jsonb_object_agg(a.model_id, jsonb_build_object(
       'equityUsd', coalesce(s.equity_usd, a.initial_equity_usd), 'tsMs', coalesce(s.ts_ms, a.inception_ts_ms))) FILTER (WHERE a.model_id IS NOT NULL), '{}')
     FROM (SELECT 1) one LEFT JOIN (accounts a JOIN trader_state t ON t.trader_id = a.model_id AND t.state <> 'retired'
       LEFT JOIN LATERAL (SELECT equity_usd, ts_ms FROM account_equity_snapshots WHERE model_id = a.model_id ORDER BY ts_ms DESC LIMIT 1) s ON TRUE) ON TRUE
     RETURNING ${SEASON}`,
    [name, startsMs],
  );
  return rows[0] as Season;
}

export async function endSeasonRow(tx: Queryable, id: number, endsMs: number): Promise<void> {
  await tx.query(`UPDATE seasons SET state = 'ended', ends = to_timestamp($2::bigint / 1000.0) WHERE id = $1`, [
    id,
    endsMs,
  ]);
}

export async function freezeSeasonRow(tx: Queryable, id: number, ranking: readonly SeasonPlace[]): Promise<void> {
  await tx.query(
    `UPDATE seasons SET state = 'frozen', final_ranking = $2::jsonb, frozen_at = clock_timestamp() WHERE id = $1`,
    [id, JSON.stringify(ranking)],
  );
}

/** Whether it was this call that marked it. */
export async function markReset(tx: Queryable, id: number): Promise<boolean> {
  const rows = await tx.query(
    'UPDATE seasons SET reset_at = clock_timestamp() WHERE id = $1 AND reset_at IS NULL RETURNING id',
    [id],
  );
  return rows.length > 0;
}

/** A standing, and whether it is final: of a season that has ended the first snapshot at or after the end counts, and there is one. */
export type StandingRow = SeasonStanding & { readonly closed: boolean };

/**
 * Who takes part in a season with which figures: those who entered at its start, and those who joined the arena while it ran. Whoever has
 * retired stands at the newest of his snapshots: he left flat.
 */
export function seasonStandings(db: Queryable, seasonId: number): Promise<StandingRow[]> {
  return db.query<StandingRow>(
    `WITH season AS (SELECT ${millis('starts')} AS starts_ms, ${millis('ends')} AS ends_ms, opening FROM seasons WHERE id = $1),
     part AS (
       SELECT o.key AS model_id, (o.value->>'equityUsd')::float8 AS opening, (o.value->>'tsMs')::bigint AS from_ms FROM season, jsonb_each(opening) o
       UNION ALL
       SELECT a.model_id, a.initial_equity_usd, a.inception_ts_ms FROM season s JOIN accounts a ON a.inception_ts_ms >= s.starts_ms
         AND (s.ends_ms IS NULL OR a.inception_ts_ms < s.ends_ms) AND NOT s.opening ? a.model_id
     )
     SELECT p.model_id AS "modelId", p.opening AS "openingUsd", coalesce(c.equity_usd, p.opening) AS "equityUsd", c.closed IS TRUE AS closed,
       f.transfers AS "transfersUsd", t.n AS "numTrades", t.wins AS "numWins", t.won AS "winDollars", t.lost AS "loseDollars", t.fees AS "feesUsd"
     FROM part p CROSS JOIN season s
     LEFT JOIN LATERAL (
       (SELECT 1 AS choice, equity_usd, ts_ms, TRUE AS closed FROM account_equity_snapshots
        WHERE model_id = p.model_id AND ts_ms >= s.ends_ms ORDER BY ts_ms LIMIT 1)
       UNION ALL
       (SELECT 2, equity_usd, ts_ms, EXISTS (SELECT 1 FROM trader_state WHERE trader_id = p.model_id AND state = 'retired')
        FROM account_equity_snapshots WHERE model_id = p.model_id AND ts_ms >= p.from_ms ORDER BY ts_ms DESC LIMIT 1)
       ORDER BY choice LIMIT 1
     ) c ON TRUE
     CROSS JOIN LATERAL (SELECT coalesce(sum(closed_pnl), 0) AS transfers FROM fills
       WHERE model_id = p.model_id AND kind = 'transfer' AND ts_ms > p.from_ms AND ts_ms <= c.ts_ms) f
     CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE realized_net_pnl > 0) AS wins,
         coalesce(sum(realized_net_pnl) FILTER (WHERE realized_net_pnl > 0), 0) AS won,
         coalesce(sum(realized_net_pnl) FILTER (WHERE realized_net_pnl <= 0), 0) AS lost, coalesce(sum(total_commission_dollars), 0) AS fees
       FROM trades WHERE model_id = p.model_id AND voided_at IS NULL AND exit_ts_ms > p.from_ms AND exit_ts_ms <= c.ts_ms) t
     ORDER BY p.model_id`,
    [seasonId],
  );
}
