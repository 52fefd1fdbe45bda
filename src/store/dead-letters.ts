/** Jobs that failed for good. They wait here for people, independent of what the queue remembers. */

import type { Database, Queryable } from './database.ts';
import { addEffects, type EffectRow } from './effects.ts';
import { toJsonb } from './jsonb.ts';

export type NewDeadLetter = {
  readonly job: string;
  readonly identity: string;
  readonly jobId: string;
  readonly modelId: string | null;
  readonly payload: unknown;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly attempts: number;
  readonly stalls: number;
};

export type DeadLetter = NewDeadLetter & {
  readonly id: number;
  readonly failedAt: Date;
  readonly redrivenAt: Date | null;
};

const COLUMNS = `id, job, identity, job_id AS "jobId", model_id AS "modelId", payload, error_code AS "errorCode", error_message AS "errorMessage", attempts, stalls,
  failed_at AS "failedAt", redriven_at AS "redrivenAt"`;

/**
 * Stores a dead letter and acknowledges the promises it covered (null: all of its identity) in one statement: a job is either still promised or kept here, never neither.
 * A job that reports its end twice (its process died in between) is kept once. So is work that was offered to the queue again by a relay
 * that did not know of its end yet, and failed again under another id of the queue: it is the same payload of the same identity.
 */
export async function buryJob(db: Queryable, letter: NewDeadLetter, covered: readonly number[] | null): Promise<void> {
  await db.query(
    `WITH letter AS (
       SELECT * FROM jsonb_to_record($1::jsonb) AS l(job text, identity text, "jobId" text, "modelId" text, payload jsonb, "errorCode" text, "errorMessage" text,
         attempts int, stalls int)
     ), acknowledged AS (
       DELETE FROM effects USING letter WHERE effects.kind = 'enqueue' AND effects.target = letter.identity AND ($2::bigint[] IS NULL OR effects.id = ANY($2))
     )
     INSERT INTO dead_letters (job, identity, job_id, model_id, payload, error_code, error_message, attempts, stalls)
     SELECT job, identity, "jobId", "modelId", payload, "errorCode", left("errorMessage", 4000), attempts, stalls FROM letter
     WHERE NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.redriven_at IS NULL AND d.job = letter.job AND d.identity = letter.identity AND d.payload = letter.payload)
     ON CONFLICT (job, job_id) WHERE redriven_at IS NULL DO NOTHING`,
    [toJsonb(letter), covered],
  );
}

export type DeadLetterFilter = {
  readonly ids?: readonly number[] | undefined;
  readonly job?: string | undefined;
  readonly modelId?: string | undefined;
  /** Code, or a part of the message. */
  readonly error?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly limit: number;
};

/** Dead letters that nobody has redriven, newest first. */
export function listDeadLetters(db: Queryable, filter: DeadLetterFilter): Promise<DeadLetter[]> {
  return db.query<DeadLetter>(
    `SELECT ${COLUMNS} FROM dead_letters
     WHERE redriven_at IS NULL AND ($1::bigint[] IS NULL OR id = ANY($1)) AND ($2::text IS NULL OR job = $2) AND ($3::text IS NULL OR model_id = $3)
       AND ($4::text IS NULL OR error_code = $4 OR strpos(lower(error_message), lower($4)) > 0) AND ($5::bigint IS NULL OR failed_at >= to_timestamp($5 / 1000.0))
     ORDER BY failed_at DESC, id DESC LIMIT $6`,
    [
      filter.ids ?? null,
      filter.job ?? null,
      filter.modelId ?? null,
      filter.error ?? null,
      filter.sinceMs ?? null,
      filter.limit,
    ],
  );
}

/** Letters of these ids that somebody has redriven already. */
export async function redrivenAmong(db: Queryable, ids: readonly number[]): Promise<number[]> {
  const rows = await db.query<{ id: number }>(
    'SELECT id FROM dead_letters WHERE id = ANY($1::bigint[]) AND redriven_at IS NOT NULL ORDER BY id',
    [ids],
  );
  return rows.map((row) => row.id);
}

/** Promises the jobs again and marks their letters, in one transaction. Letters somebody else has redriven meanwhile are left out. */
export async function redrive(db: Database, letters: readonly DeadLetter[]): Promise<readonly EffectRow[]> {
  return db.transaction(async (tx) => (await redriveWithin(tx, letters)).effects);
}

/** The same in the caller's transaction; says which letters it redrove. */
export async function redriveWithin(
  tx: Queryable,
  letters: readonly DeadLetter[],
): Promise<{ readonly letters: readonly DeadLetter[]; readonly effects: readonly EffectRow[] }> {
  const rows = await tx.query<{ id: number }>(
    `UPDATE dead_letters SET redriven_at = now()
     WHERE id IN (SELECT id FROM dead_letters WHERE id = ANY($1::bigint[]) AND redriven_at IS NULL ORDER BY id FOR UPDATE) RETURNING id`,
    [letters.map((letter) => letter.id)],
  );
  const ids = new Set(rows.map((row) => row.id));
  const mine = letters.filter((letter) => ids.has(letter.id));
  const effects = await addEffects(
    tx,
    mine.map((letter) => ({
      kind: 'enqueue' as const,
      target: letter.identity,
      payload: { job: letter.job, data: letter.payload as object, again: true },
    })),
  );
  return { letters: mine, effects };
}

/** Dead letters that nobody has redriven, by job. */
export function openLetters(db: Queryable): Promise<{ job: string; count: number }[]> {
  return db.query('SELECT job, count(*) AS count FROM dead_letters WHERE redriven_at IS NULL GROUP BY job');
}
