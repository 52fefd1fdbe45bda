/** The beginning of a decision cycle, under the lease of its model. */

import { CodedError } from '../errors.ts';
import { type CycleMemory, MEMORY, type MemoryMoment } from './cycle-memory.ts';
import type { Queryable } from './database.ts';
import { CYCLE_COLUMNS, type Cycle } from './decisions.ts';
import { LEASE_MS, type Lease } from './leases.ts';
import { RELAXED } from './relaxed.ts';
import { TRADER_COLUMNS, type TraderRow } from './trader-state.ts';

/** What a cycle finds at its beginning. */
export type Found = {
  readonly trader: TraderRow;
  /** Newest `seq` of the exchange that the ledger has. */
  readonly syncedSeq: number;
  /** As long as no fill has come since. */
  readonly memory: CycleMemory;
};

export type CycleStart =
  | { readonly kind: 'started'; readonly lease: Lease; readonly cycle: Cycle; readonly found: Found }
  | { readonly kind: 'busy'; readonly retryAfterMs: number }
  | { readonly kind: 'done' };

/**
 * Takes the model's lease and the slot's row, and reads what the cycle needs to know first, in one statement. Busy: another cycle of the
 * model holds the lease. Done: the slot's cycle has finished before.
 */
export async function beginCycle(db: Queryable, modelId: string, at: MemoryMoment): Promise<CycleStart> {
  const { slotMs } = at;
  const rows = await db.query<Cycle & TraderRow & { epoch: number; syncedSeq: number; memory: CycleMemory }>(
    `WITH ${RELAXED}, finished AS (
       SELECT 1 FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2 AND step = 'done'
     ), lease AS (
       UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $5 * interval '1 millisecond' FROM relaxed
       WHERE trader_id = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND NOT EXISTS (SELECT 1 FROM finished)
       RETURNING lease_epoch, ${TRADER_COLUMNS}
     ), cycle AS (
       INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, lease_epoch, attempts)
       SELECT $1, $2, coalesce((SELECT cycle_number FROM decision_cycles WHERE model_id = $1 ORDER BY cycle_number DESC LIMIT 1), 0) + 1, lease_epoch, 1 FROM lease
       ON CONFLICT (model_id, slot_ms) DO UPDATE SET lease_epoch = excluded.lease_epoch, attempts = decision_cycles.attempts + 1
       RETURNING ${CYCLE_COLUMNS}
     )
     SELECT cycle.*, l.*, l.lease_epoch AS epoch, a.synced_seq AS "syncedSeq", m.memory
     FROM cycle CROSS JOIN lease l JOIN accounts a ON a.model_id = $1 CROSS JOIN LATERAL (${MEMORY}) m`,
    [modelId, slotMs, at.dayStartMs, at.cooledSinceMs, LEASE_MS],
  );
  const row = rows[0];
  if (row) {
    const { epoch, syncedSeq, memory } = row;
    return { kind: 'started', lease: { modelId, epoch }, cycle: row, found: { trader: row, syncedSeq, memory } };
  }
  const [why] = await db.query<{ done: boolean; waitMs: number | null }>(
    `SELECT EXISTS (SELECT 1 FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2 AND step = 'done') AS done,
            (SELECT greatest(0, extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint FROM trader_state WHERE trader_id = $1) AS "waitMs"`,
    [modelId, slotMs],
  );
  if (why?.done) return { kind: 'done' };
  if (why?.waitMs === null || why === undefined)
    throw new CodedError('NOF0_MODEL_UNKNOWN', `no trader "${modelId}" is registered`);
  return { kind: 'busy', retryAfterMs: Math.min(1000, Math.max(50, why.waitMs + 10)) };
}
