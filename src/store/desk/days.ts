/** The market as a whole, and what sessions brought. */

import type { MarketContext, Performance } from '../../domain/desk/published.ts';
import type { Queryable } from '../database.ts';

export async function saveContext(tx: Queryable, tsMs: number, payload: MarketContext): Promise<void> {
  await tx.query('INSERT INTO desk_contexts (ts_ms, payload) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    tsMs,
    JSON.stringify(payload),
  ]);
}

/** The newest context, or the newest before a moment. */
export async function latestContext(db: Queryable, beforeMs: number | null = null): Promise<MarketContext | null> {
  const rows = await db.query<{ payload: MarketContext }>(
    `SELECT payload FROM desk_contexts WHERE $1::bigint IS NULL OR ts_ms < $1 ORDER BY ts_ms DESC LIMIT 1`,
    [beforeMs],
  );
  return rows[0]?.payload ?? null;
}

export type DayRow = {
  readonly modelId: string;
  readonly day: string;
  readonly tsMs: number;
  readonly final: boolean;
  readonly payload: Performance;
};

/** Stores a session's performance over what it was; an older count changes nothing. */
export async function savePerformance(tx: Queryable, row: DayRow): Promise<void> {
  await tx.query(
    `INSERT INTO desk_performance (model_id, day, ts_ms, final, payload) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (model_id, day) DO UPDATE SET ts_ms = excluded.ts_ms, final = excluded.final, payload = excluded.payload
     WHERE desk_performance.ts_ms <= excluded.ts_ms`,
    [row.modelId, row.day, row.tsMs, row.final, JSON.stringify(row.payload)],
  );
}

/** Sessions, newest first. */
export function performances(db: Queryable, limit: number): Promise<DayRow[]> {
  return db.query<DayRow>(
    `SELECT model_id AS "modelId", day, ts_ms AS "tsMs", final, payload FROM desk_performance ORDER BY day DESC, model_id LIMIT $1`,
    [limit],
  );
}

/** Net profit of every trade that a trader closed in [fromMs, toMs). */
export async function netPnls(db: Queryable, modelId: string, fromMs: number, toMs: number): Promise<number[]> {
  const rows = await db.query<{ pnl: number }>(
    `SELECT coalesce(realized_net_pnl, 0) AS pnl FROM trades
     WHERE model_id = $1 AND exit_ts_ms >= $2 AND exit_ts_ms < $3 AND voided_at IS NULL ORDER BY exit_ts_ms, id`,
    [modelId, fromMs, toMs],
  );
  return rows.map(({ pnl }) => pnl);
}

/** What the account was worth at the last snapshot before a moment; what it began with when there is none. */
export async function equityBefore(db: Queryable, modelId: string, tsMs: number): Promise<number> {
  const rows = await db.query<{ equity: number }>(
    `SELECT coalesce((SELECT equity_usd FROM account_equity_snapshots WHERE model_id = $1 AND ts_ms < $2 ORDER BY ts_ms DESC LIMIT 1), initial_equity_usd) AS equity
     FROM accounts WHERE model_id = $1`,
    [modelId, tsMs],
  );
  return rows[0]?.equity ?? 0;
}
