/** The lease of a trader in the hands of a person: taken from a cycle that has sent nothing, never from one that has. */

import type { Database, Queryable } from './database.ts';
import { LEASE_MS, type Lease } from './leases.ts';

/** Steps in which orders may be on their way. */
const SENDS = `step NOT IN ('started', 'asking', 'answered', 'done')`;

/**
 * Takes the lease from a cycle that has sent no orders yet: its next step finds the lease lost, and nothing it decided leaves. Null
 * while its orders may be on their way. The trader's row is locked first, so a cycle cannot begin to send in between.
 */
export function seizeLease(db: Database, modelId: string): Promise<Lease | null> {
  return db.transaction(async (tx) => {
    const [trader] = await tx.query<{ epoch: number; held: boolean }>(
      `SELECT lease_epoch AS epoch, coalesce(lease_until >= clock_timestamp(), false) AS held FROM trader_state WHERE trader_id = $1 FOR UPDATE`,
      [modelId],
    );
    if (trader === undefined) return null;
    const sending = await tx.query(
      `SELECT 1 FROM decision_cycles WHERE model_id = $1 AND ${SENDS} AND lease_epoch = $2 LIMIT 1`,
      [modelId, trader.epoch],
    );
    if (trader.held && sending.length > 0) return null;
    await tx.query(
      `UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 millisecond' WHERE trader_id = $1`,
      [modelId, LEASE_MS],
    );
    return { modelId, epoch: trader.epoch + 1 };
  });
}

/** Market ms until which orders of unfinished cycles may still reach the exchange; null when there are none on their way. */
export async function sendingUntilMs(db: Queryable, modelId: string): Promise<number | null> {
  const [row] = await db.query<{ untilMs: number | null }>(
    `SELECT max(greatest((orders->'request'->>'expiresAtMs')::bigint, (orders->'guard'->'request'->>'expiresAtMs')::bigint)) AS "untilMs"
     FROM decision_cycles WHERE model_id = $1 AND ${SENDS}`,
    [modelId],
  );
  return row?.untilMs ?? null;
}
