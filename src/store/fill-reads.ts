/** Entries of the ledger, as they are shown. */

import type { Queryable } from './database.ts';

export type ShownFill = {
  readonly id: string;
  readonly modelId: string;
  readonly symbol: string;
  readonly kind: string;
  readonly side: string;
  readonly price: number;
  readonly size: number;
  readonly feeUsd: number;
  readonly closedPnl: number;
  readonly oid: number | null;
  readonly cloid: string | null;
  readonly crossed: boolean;
  readonly liquidation: boolean;
  readonly tsMs: number;
};

/** Newest entries of a model, behind a place in the list if there is one. A look into the index for each symbol, at any age. */
export function listFills(
  db: Queryable,
  filter: { modelId: string; before?: { tsMs: number; id: string } | undefined; limit: number },
): Promise<ShownFill[]> {
  return db.query<ShownFill>(
    `SELECT f.* FROM symbols s CROSS JOIN LATERAL (
       SELECT id, model_id AS "modelId", symbol, kind, side, price, size, fee_usd AS "feeUsd", closed_pnl AS "closedPnl", oid, cloid, crossed, liquidation, ts_ms AS "tsMs"
       FROM fills WHERE model_id = $1 AND symbol = s.symbol AND ts_ms <= coalesce($2::bigint, ts_ms) AND ($2::bigint IS NULL OR ts_ms < $2 OR id < $3)
       ORDER BY ts_ms DESC, id DESC LIMIT $4
     ) f ORDER BY f."tsMs" DESC, f.id DESC LIMIT $4`,
    [filter.modelId, filter.before?.tsMs ?? null, filter.before?.id ?? null, filter.limit],
  );
}
