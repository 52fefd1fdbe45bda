/** Durable cursors of the schedules. A slot's cursor and its job's effect move in one transaction, so a slot fires once. */

import type { Database, Queryable } from './database.ts';
import { addEffects, type EffectRow, type NewEffect } from './effects.ts';

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
 * Moves the cursors of due slots and writes their effects in one transaction. A cursor that another scheduler has moved meanwhile is
 * left out, with its effect. `marketNowMs` also moves a replay's clock. Returns the effects to drain.
 */
export async function fireSlots(
  db: Database,
  due: readonly DueSlot[],
  marketNowMs: number | null,
): Promise<EffectRow[]> {
  return db.transaction(async (tx) => {
    const moved = await tx.query<{ name: string }>(
      `UPDATE schedules s SET last_slot_ms = d.slot, updated_at = now()
       FROM (
         SELECT l.name, u.slot FROM schedules l JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(name, cursor, slot) ON u.name = l.name AND u.cursor = l.last_slot_ms
         ORDER BY l.name FOR UPDATE OF l SKIP LOCKED
       ) d WHERE s.name = d.name RETURNING s.name`,
      [due.map((slot) => slot.name), due.map((slot) => slot.fromSlotMs), due.map((slot) => slot.slotMs)],
    );
    if (marketNowMs !== null)
      await tx.query('UPDATE runs SET market_now_ms = greatest(coalesce(market_now_ms, 0), $1)', [marketNowMs]);
    const mine = new Set(moved.map((row) => row.name));
    return addEffects(
      tx,
      due.filter((slot) => mine.has(slot.name)).map((slot) => slot.effect),
    );
  });
}
