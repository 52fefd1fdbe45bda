/** Processes at work. One that ends as told takes its row along; one that is missed was lost. Times are the database's. */

import type { Queryable } from './database.ts';
import { RELAXED } from './relaxed.ts';
import type { Schedule } from './schedules.ts';

export type Presence = {
  readonly name: string;
  readonly role: string;
  readonly host: string;
  /** Free share of the disk of the data folder; null when it cannot be told. */
  readonly diskFree: number | null;
};

export type ProcessRow = Presence & {
  readonly startedMs: number;
  /** How long it has not been seen. */
  readonly silentMs: number;
  /** Another process of its role has begun since it was last seen. */
  readonly replaced: boolean;
};

/** Says that the process lives. Returns the schedule of this name, and what time it is; null when there is none. */
export async function notePresence(
  db: Queryable,
  presence: Presence,
  schedule: string,
): Promise<{ schedule: Schedule; nowMs: number } | null> {
  const [row] = await db.query<Schedule & { nowMs: number }>(
    `WITH ${RELAXED}, noted AS (
       INSERT INTO processes (name, role, host, disk_free) SELECT $1, $2, $3, $4::float8 FROM relaxed
       ON CONFLICT (name) DO UPDATE SET seen_at = now(), disk_free = excluded.disk_free RETURNING 1
     )
     SELECT s.name, job, spec, payload, policy, last_slot_ms AS "lastSlotMs", (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "nowMs"
     FROM noted LEFT JOIN schedules s ON s.name = $5`,
    [presence.name, presence.role, presence.host, presence.diskFree, schedule],
  );
  return row === undefined || row.name === null ? null : { schedule: row, nowMs: row.nowMs };
}

/** The process ends as told. */
export async function forgetProcess(db: Queryable, name: string): Promise<void> {
  await db.query('DELETE FROM processes WHERE name = $1', [name]);
}

export function listProcesses(db: Queryable): Promise<ProcessRow[]> {
  return db.query<ProcessRow>(
    `SELECT name, role, host, disk_free AS "diskFree", (extract(epoch FROM started_at) * 1000)::bigint AS "startedMs",
       greatest(0, extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint AS "silentMs",
       EXISTS (SELECT 1 FROM processes o WHERE o.role = p.role AND o.started_at > p.seen_at) AS replaced
     FROM processes p ORDER BY role, name`,
  );
}

/** Drops processes that somebody has taken the place of, or that have been missed for longer than people want to hear of it. */
export async function forgetLost(db: Queryable, replacedAfterMs: number, forgottenAfterMs: number): Promise<void> {
  await db.query(
    `DELETE FROM processes p WHERE seen_at < now() - $2 * interval '1 millisecond'
       OR (seen_at < now() - $1 * interval '1 millisecond' AND EXISTS (SELECT 1 FROM processes o WHERE o.role = p.role AND o.started_at > p.seen_at))`,
    [replacedAfterMs, forgottenAfterMs],
  );
}
