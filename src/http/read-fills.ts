/** Entries of a model's ledger, page by page, newest first: fills, and the funding that was paid or received. */

import type { z } from 'zod';
import { listFills } from '../store/fill-reads.ts';
import type { Reader } from './known-models.ts';
import { type fillsQuery, writeTradeCursor } from './query.ts';

/** `nextCursor` is there when older ones are. Throws NOF0_MODEL_UNKNOWN. */
export async function readFills(
  { db, knownModels }: Reader,
  modelId: string,
  { limit, cursor }: z.infer<typeof fillsQuery>,
) {
  await knownModels.assert(modelId);
  const before = cursor === undefined ? undefined : { tsMs: cursor.exitTsMs, id: cursor.id };
  const rows = await listFills(db, { modelId, before, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    fills: page.map((row) => ({
      id: row.id,
      model_id: row.modelId,
      symbol: row.symbol,
      kind: row.kind,
      side: row.side,
      price: row.price,
      size: row.size,
      fee_usd: row.feeUsd,
      closed_pnl: row.closedPnl,
      oid: row.oid,
      cloid: row.cloid,
      crossed: row.crossed,
      liquidation: row.liquidation,
      timestamp: row.tsMs,
    })),
    ...(more ? { nextCursor: writeTradeCursor({ exitTsMs: last.tsMs, id: last.id }) } : {}),
  };
}
