/** The beginning of decision cycles, under the leases of their models. */

import { CodedError } from '../errors.ts';
import { type CycleMemory, type MemoryMoment, memoryOf } from './cycle-memory.ts';
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

export type StartedCycle = {
  readonly kind: 'started';
  readonly lease: Lease;
  readonly cycle: Cycle;
  readonly found: Found;
};
export type CycleStart =
  | StartedCycle
  | { readonly kind: 'busy'; readonly retryAfterMs: number }
  | { readonly kind: 'done' };

/** A cycle that is to begin. */
export type CycleWish = MemoryMoment & { readonly modelId: string };

/** Of the cycles of one model the earliest begins. The question whether a slot is done is asked row by row: its answer is in the index. */
const BEGIN = `WITH ${RELAXED},
  asked AS MATERIALIZED (
    SELECT DISTINCT ON (a."modelId") a.*
    FROM jsonb_to_recordset($1::jsonb) AS a("modelId" text, "slotMs" bigint, "dayStartMs" bigint, "cooledSinceMs" bigint)
    WHERE (SELECT step = 'done' FROM decision_cycles WHERE model_id = a."modelId" AND slot_ms = a."slotMs") IS NOT TRUE
    ORDER BY a."modelId", a."slotMs"
  ),
  free AS (
    SELECT t.trader_id AS id FROM trader_state t JOIN asked ON asked."modelId" = t.trader_id, relaxed
    WHERE t.lease_until IS NULL OR t.lease_until < clock_timestamp() ORDER BY t.trader_id FOR NO KEY UPDATE OF t
  ),
  lease AS (
    UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
    FROM free WHERE trader_id = free.id RETURNING lease_epoch AS epoch, ${TRADER_COLUMNS}
  ),
  cycle AS (
    INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, lease_epoch, attempts)
    SELECT asked."modelId", asked."slotMs",
      coalesce((SELECT cycle_number FROM decision_cycles WHERE model_id = asked."modelId" ORDER BY cycle_number DESC LIMIT 1), 0) + 1, lease.epoch, 1
    FROM lease JOIN asked ON asked."modelId" = lease."traderId"
    ON CONFLICT (model_id, slot_ms) DO UPDATE SET lease_epoch = excluded.lease_epoch, attempts = decision_cycles.attempts + 1
    RETURNING ${CYCLE_COLUMNS}
  )
  SELECT cycle.*, lease.*, a.synced_seq AS "syncedSeq", m.memory
  FROM cycle JOIN lease ON lease."traderId" = cycle."modelId" JOIN asked ON asked."modelId" = cycle."modelId" JOIN accounts a ON a.model_id = cycle."modelId"
  CROSS JOIN LATERAL (${memoryOf('asked."modelId"', { slotMs: 'asked."slotMs"', dayStartMs: 'asked."dayStartMs"', cooledSinceMs: 'asked."cooledSinceMs"' })}) m`;

/**
 * Takes the models' leases and the rows of their slots, and reads what the cycles need to know first, in one statement. Null for a cycle
 * that cannot begin; `whyNotBegun` says why.
 */
export async function beginCycles(db: Queryable, wishes: readonly CycleWish[]): Promise<(StartedCycle | null)[]> {
  const rows = await db.query<Cycle & TraderRow & { epoch: number; syncedSeq: number; memory: CycleMemory }>(BEGIN, [
    JSON.stringify(wishes),
    LEASE_MS,
  ]);
  const begun = new Map(rows.map((row) => [nameOf(row), row]));
  return wishes.map((wish) => {
    const row = begun.get(nameOf(wish));
    if (row === undefined) return null;
    // Asked for twice, it has begun for one of them.
    begun.delete(nameOf(wish));
    const { modelId, epoch, syncedSeq, memory } = row;
    return { kind: 'started', lease: { modelId, epoch }, cycle: row, found: { trader: row, syncedSeq, memory } };
  });
}

const nameOf = ({ modelId, slotMs }: { modelId: string; slotMs: number }) => `${slotMs} ${modelId}`;

/**
 * Why a cycle could not begin. Busy: another cycle of the model holds the lease, or did so a moment ago. Done: the slot's cycle has finished
 * before.
 *
 * @throws CodedError NOF0_MODEL_UNKNOWN for a model that is not registered
 */
export async function whyNotBegun(db: Queryable, { modelId, slotMs }: CycleWish): Promise<CycleStart> {
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
