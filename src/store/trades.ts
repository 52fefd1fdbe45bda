/** Trades: reads. They are written by the ledger alone. */

import type { StoredTrade } from '../domain/published.ts';
import type { Queryable } from './database.ts';

/** Columns of a `StoredTrade`, of a table that is called `t`. */
export const TRADE_COLUMNS = `t.id, t.model_id AS "modelId", t.symbol, t.side, t.trade_type AS "tradeType", t.quantity, t.leverage, t.confidence,
  t.entry_price AS "entryPrice", t.entry_ts_ms AS "entryTsMs", t.entry_oid AS "entryOid", t.entry_tid AS "entryTid", t.entry_sz AS "entrySz",
  t.entry_crossed AS "entryCrossed", t.entry_commission_dollars AS "entryCommissionDollars", t.entry_closed_pnl AS "entryClosedPnl",
  t.entry_liquidation AS "entryLiquidation", t.exit_price AS "exitPrice", t.exit_ts_ms AS "exitTsMs", t.exit_oid AS "exitOid",
  t.exit_tid AS "exitTid", t.exit_sz AS "exitSz", t.exit_crossed AS "exitCrossed", t.exit_commission_dollars AS "exitCommissionDollars",
  t.exit_closed_pnl AS "exitClosedPnl", t.exit_liquidation AS "exitLiquidation", t.exit_plan AS "exitPlan", t.exit_reason AS "exitReason",
  t.realized_gross_pnl AS "realizedGrossPnl", t.realized_net_pnl AS "realizedNetPnl",
  t.total_commission_dollars AS "totalCommissionDollars", t.revision`;

/** How many trades the recent list of a model holds. */
export const RECENT_TRADES = 100;

/** The newest trades of each model, newest first. */
export function recentTrades(
  db: Queryable,
  modelIds: readonly string[],
  limit = RECENT_TRADES,
): Promise<StoredTrade[]> {
  return db.query<StoredTrade>(
    `SELECT ${TRADE_COLUMNS} FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (
       SELECT * FROM trades WHERE model_id = m.id AND voided_at IS NULL ORDER BY exit_ts_ms DESC, id LIMIT $2
     ) t
     ORDER BY t.model_id, t.exit_ts_ms DESC, t.id`,
    [modelIds, limit],
  );
}

/** Every closed trade of a model, oldest first. */
export function closedTrades(db: Queryable, modelId: string): Promise<StoredTrade[]> {
  return db.query<StoredTrade>(
    `SELECT ${TRADE_COLUMNS} FROM trades t WHERE model_id = $1 AND voided_at IS NULL ORDER BY exit_ts_ms, id`,
    [modelId],
  );
}

export type TradeFilter = {
  readonly modelId?: string | undefined;
  readonly symbol?: string | undefined;
  /** Market ms: trades that ended at or after it. */
  readonly sinceMs?: number | undefined;
  /** Continue after this trade (its exit time and id). */
  readonly after?: { readonly exitTsMs: number; readonly id: string } | undefined;
  readonly limit: number;
};

/** A page of trades over all models, newest first. */
export function listTrades(db: Queryable, filter: TradeFilter): Promise<StoredTrade[]> {
  return db.query<StoredTrade>(
    `SELECT ${TRADE_COLUMNS} FROM trades t
     WHERE voided_at IS NULL
       AND ($1::text IS NULL OR model_id = $1) AND ($2::text IS NULL OR symbol = $2) AND ($3::bigint IS NULL OR exit_ts_ms >= $3)
       AND ($4::bigint IS NULL OR exit_ts_ms < $4 OR (exit_ts_ms = $4 AND id > $5))
     ORDER BY exit_ts_ms DESC, id LIMIT $6`,
    [
      filter.modelId ?? null,
      filter.symbol ?? null,
      filter.sinceMs ?? null,
      filter.after?.exitTsMs ?? null,
      filter.after?.id ?? null,
      filter.limit,
    ],
  );
}
