/** The lease of a model: one cycle of it runs at a time, and whoever has lost the lease writes nothing more. */

import { CodedError } from '../errors.ts';
import type { Queryable } from './database.ts';

/** How long a lease lasts without a step; a cycle that waits for a language model renews it. */
export const LEASE_MS = 10_000;

export type Lease = { readonly modelId: string; readonly epoch: number };

/** Takes the lease for something else than a cycle; `releaseLease` gives it back. Null while somebody holds it. */
export async function takeLease(db: Queryable, modelId: string): Promise<Lease | null> {
  const [row] = await db.query<{ epoch: number }>(
    `UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE trader_id = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp()) RETURNING lease_epoch AS epoch`,
    [modelId, LEASE_MS],
  );
  return row === undefined ? null : { modelId, epoch: row.epoch };
}

/** Whether somebody works under the lease, or has died over it. */
export async function isLeased(db: Queryable, modelId: string): Promise<boolean> {
  const rows = await db.query('SELECT 1 FROM trader_state WHERE trader_id = $1 AND lease_until IS NOT NULL', [modelId]);
  return rows.length > 0;
}

/** Keeps the lease while a slow answer is awaited. False when it is lost. */
export async function renewLease(db: Queryable, lease: Lease): Promise<boolean> {
  const rows = await db.query(
    `UPDATE trader_state SET lease_until = clock_timestamp() + $3 * interval '1 millisecond' WHERE trader_id = $1 AND lease_epoch = $2 RETURNING 1`,
    [lease.modelId, lease.epoch, LEASE_MS],
  );
  return rows.length > 0;
}

/** Gives the lease back without finishing the cycle: the attempt failed, another one may begin at once. */
export async function releaseLease(db: Queryable, lease: Lease): Promise<void> {
  await db.query('UPDATE trader_state SET lease_until = NULL WHERE trader_id = $1 AND lease_epoch = $2', [
    lease.modelId,
    lease.epoch,
  ]);
}

export function leaseLost(lease: Lease): CodedError {
  return new CodedError(
    'NOF0_LEASE_LOST',
    `the decision lease of "${lease.modelId}" (epoch ${lease.epoch}) passed to another process`,
  );
}
