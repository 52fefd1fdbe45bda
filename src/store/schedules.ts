/** Durable cursors of the schedules. A slot's cursor and its job's effect move in one transaction, so a slot fires once. */

import type { Database, Queryable } from './database.ts';
import {
  COVERED,
  type Covered,
  EFFECT_LEASE_MS,
  type EffectRow,
  type EnqueueEffect,
  HOLDS_CLOCK,
  insertEffects,
  ofCovered,
  SETTLE,
} from './effects.ts';
import { onePlan } from './one-plan.ts';

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
  readonly effect: EnqueueEffect;
};

/**
 * Settles what was done, then moves the cursors of due slots and writes their effects, in one statement. A cursor that another scheduler
 * has moved meanwhile is left out, with its effect. It need not reach the disk before the jobs begin: whatever they commit takes it there,
 * and a slot that was lost together with all that followed from it simply fires again. All parts see what was before the statement, so
 * what it settles itself counts as finished; of two statements at the same moment each may see what the other settles, and none fires.
 */
const FIRE = `${SETTLE},
  promised AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM effects WHERE ${HOLDS_CLOCK} AND NOT ${COVERED}) AS busy),
  due AS (
    SELECT * FROM unnest(${onePlan('$4::text[]')}, ${onePlan('$5::bigint[]')}, ${onePlan('$6::bigint[]')}, ${onePlan('$7::jsonb[]')}) WITH ORDINALITY AS u(name, cursor, slot, effect, place)
    WHERE $10::numeric IS NULL OR (NOT (SELECT busy FROM promised) AND (SELECT sum(last_slot_ms) FROM schedules) = $10::numeric)
  ),
  held AS (
    SELECT l.name, due.slot, due.effect, due.place FROM schedules l JOIN due ON due.name = l.name AND due.cursor = l.last_slot_ms, relaxed
    ORDER BY l.name FOR UPDATE OF l SKIP LOCKED
  ),
  moved AS (
    UPDATE schedules s SET last_slot_ms = held.slot, updated_at = now() FROM held WHERE s.name = held.name
    RETURNING held.effect, held.place
  ),
  clock AS (
    UPDATE runs SET market_now_ms = greatest(coalesce(market_now_ms, 0), $8::bigint) WHERE $8::bigint IS NOT NULL AND EXISTS (SELECT 1 FROM moved)
  ),
  fired AS (${insertEffects('moved', 'place', '$9::int')})
  SELECT promised.busy, e.* FROM promised LEFT JOIN fired e ON TRUE`;

/** What a replay believes when it fires: cursors only ever grow, so their sum says whether they are still those. */
export type ReplayMoment = { readonly marketNowMs: number; readonly cursors: readonly Schedule[] };
/** The slots of a replay that come next. */
export type NextMoment = { readonly due: readonly DueSlot[]; readonly replay: ReplayMoment };

/**
 * Fires slots. Returns the effects to drain: those of the slots that were ours. `replay`: moves its clock, and fires nothing unless all
 * cursors are as it believes and every promised job has finished.
 */
export async function fireSlots(
  db: Queryable,
  due: readonly DueSlot[],
  replay: ReplayMoment | null,
): Promise<EffectRow[]> {
  return (await fire(db, [], due, replay)).fired;
}

/** Settles what was done, and fires the next moment of a replay with it. `busy`: another job is promised, so it was not fired. */
export function settleAndFire(
  db: Queryable,
  covered: readonly Covered[],
  next: NextMoment | null,
): Promise<{ busy: boolean; fired: EffectRow[] }> {
  return fire(db, covered, next?.due ?? [], next?.replay ?? null);
}

async function fire(
  db: Queryable,
  covered: readonly Covered[],
  due: readonly DueSlot[],
  replay: ReplayMoment | null,
): Promise<{ busy: boolean; fired: EffectRow[] }> {
  const rows = await db.query<EffectRow & { busy: boolean }>(FIRE, [
    ...ofCovered(covered),
    due.map((slot) => slot.name),
    due.map((slot) => slot.fromSlotMs),
    due.map((slot) => slot.slotMs),
    due.map((slot) => JSON.stringify(slot.effect)),
    replay?.marketNowMs ?? null,
    EFFECT_LEASE_MS,
    replay === null ? null : sumOf(replay.cursors),
  ]);
  return { busy: rows[0]?.busy ?? false, fired: rows.filter(({ id }) => id !== null) };
}

/** Of thousands of schedules it is beyond what a number holds exactly. */
function sumOf(cursors: readonly Schedule[]): string {
  return cursors.reduce((sum, { lastSlotMs }) => sum + BigInt(lastSlotMs), 0n).toString();
}
