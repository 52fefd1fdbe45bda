/** Positions: reads. They are written by the ledger alone. */

import type { StoredPosition } from '../domain/published.ts';
import type { Queryable } from './database.ts';

/** An open position with the price that marks it. */
export type MarkedPosition = StoredPosition & { readonly id: string; readonly markPrice: number };

/** Positions of `$1`, the provider whose newest price marks them; the entry price marks a symbol that has none. */
export const MARKED_POSITIONS = `SELECT p.id, p.model_id AS "modelId", p.symbol, p.side, p.quantity, p.entry_price AS "entryPrice", p.entry_ts_ms AS "entryTsMs",
            p.entry_oid AS "entryOid", p.sl_oid AS "slOid", p.tp_oid AS "tpOid", p.stop_loss AS "stopLoss", p.take_profit AS "takeProfit",
            p.leverage, p.confidence, p.risk_usd AS "riskUsd", p.invalidation_condition AS "invalidationCondition",
            p.wait_for_fill AS "waitForFill", p.slippage, p.index_col AS "indexCol", p.commission, p.closed_pnl AS "closedPnl",
            a.max_leverage AS "maxLeverage", coalesce(l.price, p.entry_price) AS "markPrice"
     FROM positions p
     LEFT JOIN price_latest l ON l.provider = $1 AND l.symbol = p.symbol
     LEFT JOIN market_assets a ON a.provider = $1 AND a.symbol = p.symbol`;

/** Open positions of the models with what marks them, ordered by model and symbol. */
export function openPositions(db: Queryable, provider: string, modelIds: readonly string[]): Promise<MarkedPosition[]> {
  return db.query<MarkedPosition>(
    `${MARKED_POSITIONS} WHERE p.model_id = ANY($2) AND p.status = 'open' ORDER BY p.model_id, p.symbol`,
    [provider, modelIds],
  );
}
