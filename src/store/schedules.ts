/** Durable cursors of the schedules. A slot's cursor and its job's effect move in one transaction, so a slot fires once. */

import type { Database, Queryable } from './database.ts';
import { EFFECT_COLUMNS, EFFECT_LEASE_MS, type EffectRow, type NewEffect } from './effects.ts';
import { RELAXED } from './relaxed.ts';

/** Multiples of an interval on the UTC clock, their starts spread over `spreadMs`; or a cron expression in UTC. */
export type ScheduleSpec = { readonly everyMs: number; readonly spreadMs?: number } | { readonly cron: string };
/** `skip`: only a current slot runs; `run-latest`: the newest missed one; `every`: each of them (a replay misses none). */
export type SlotPolicy = 'skip' | 'run-latest' | 'every';

export type Schedule = {
  readonly name: string;
  readonly job: string;
  readonly spec: ScheduleSpec;
  /** What the job's payload holds beside its slot. */
  readonly payload: Record<string, unknown>;
  readonly policy: SlotPolicy;
  readonly lastSlotMs: number;
};

/**
 * Makes the table say what the configuration says: new schedules begin at `startMs`, a changed interval goes on from
 * max(old cursor, startMs), and what is no longer configured is removed.
 */
export async function syncSchedules(
  db: Database,
  wanted: readonly Omit<Schedule, 'lastSlotMs'>[],
  startMs: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['schedules']);
    await tx.query('DELETE FROM schedules WHERE NOT (name = ANY($1::text[]))', [
      wanted.map((schedule) => schedule.name),
    ]);
    await tx.query(
      `INSERT INTO schedules (name, job, spec, payload, policy, last_slot_ms)
       SELECT name, job, spec, payload, policy, $2::bigint FROM jsonb_to_recordset($1::jsonb) AS s(name text, job text, spec jsonb, payload jsonb, policy text)
       ON CONFLICT (name) DO UPDATE SET job = excluded.job, payload = excluded.payload, policy = excluded.policy, updated_at = now(),
         last_slot_ms = CASE WHEN schedules.spec = excluded.spec THEN schedules.last_slot_ms ELSE greatest(schedules.last_slot_ms, $2::bigint) END, spec = excluded.spec`,
      [JSON.stringify(wanted), startMs],
    );
  });
}

export function listSchedules(db: Queryable): Promise<Schedule[]> {
  return db.query<Schedule>(
    `SELECT name, job, spec, payload, policy, last_slot_ms AS "lastSlotMs" FROM schedules ORDER BY name`,
  );
}

export type DueSlot = {
  readonly name: string;
  readonly fromSlotMs: number;
  readonly slotMs: number;
  readonly effect: NewEffect;
};

/**
 * Moves the cursors of due slots and writes their effects in one statement. A cursor that another scheduler has moved meanwhile is
 * left out, with its effect. It need not reach the disk before the jobs begin: whatever they commit takes it there, and a slot that was
 * lost together with all that followed from it simply fires again.
 */
const FIRE = `WITH ${RELAXED},
  due AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::jsonb[]) WITH ORDINALITY AS u(name, cursor, slot, effect, place)
    WHERE $7::numeric IS NULL OR ((SELECT sum(last_slot_ms) FROM schedules) = $7::numeric AND NOT EXISTS (SELECT 1 FROM effects WHERE kind = 'enqueue'))
  ),
  held AS (
    SELECT l.name FROM schedules l JOIN due ON due.name = l.name AND due.cursor = l.last_slot_ms, relaxed
    ORDER BY l.name FOR UPDATE OF l SKIP LOCKED
  ),
  moved AS (
    UPDATE schedules s SET last_slot_ms = due.slot, updated_at = now() FROM held JOIN due ON due.name = held.name WHERE s.name = held.name
    RETURNING s.name
  ),
  clock AS (
    UPDATE runs SET market_now_ms = greatest(coalesce(market_now_ms, 0), $5::bigint) WHERE $5::bigint IS NOT NULL AND EXISTS (SELECT 1 FROM moved)
  )
  SELECT ${EFFECT_COLUMNS} FROM add_effects(
    (SELECT coalesce(jsonb_agg(due.effect ORDER BY due.place), '[]'::jsonb) FROM due JOIN moved ON moved.name = due.name), $6::int)`;

/** What a replay believes when it fires: cursors only ever grow, so their sum says whether they are still those. */
export type ReplayMoment = { readonly marketNowMs: number; readonly cursors: readonly Schedule[] };

/**
 * Fires slots. Returns the effects to drain: those of the slots that were ours. `replay`: moves its clock, and fires nothing unless all
 * cursors are as it believes and every promised job has finished.
 */
export function fireSlots(db: Database, due: readonly DueSlot[], replay: ReplayMoment | null): Promise<EffectRow[]> {
  return db.query<EffectRow>(FIRE, [
    due.map((slot) => slot.name),
    due.map((slot) => slot.fromSlotMs),
    due.map((slot) => slot.slotMs),
    due.map((slot) => JSON.stringify(slot.effect)),
    replay?.marketNowMs ?? null,
    EFFECT_LEASE_MS,
    replay === null ? null : sumOf(replay.cursors),
  ]);
}

/** Of thousands of schedules it is beyond what a number holds exactly. */
function sumOf(cursors: readonly Schedule[]): string {
  return cursors.reduce((sum, { lastSlotMs }) => sum + BigInt(lastSlotMs), 0n).toString();
}
