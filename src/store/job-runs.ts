/** History of job runs: written in batches, because it is read by people and must not slow a job down. */

import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Database, Queryable } from './database.ts';
import { toJsonb } from './jsonb.ts';
import { RELAXED } from './relaxed.ts';

export type JobRunRow = {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly outcome: string;
  readonly reason: string | null;
  readonly modelId: string | null;
  readonly slotMs: number | null;
  readonly worker: string;
  /** Unix ms of wall time. */
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly payload: unknown;
};

/** Rows deleted in one statement, so that none of them holds others up for long. */
const PRUNE_BATCH = 5000;

/** Deletes runs that ended longer ago than `retentionMs` (wall time), a batch at a time. Returns how many. */
export async function pruneRuns(db: Queryable, retentionMs: number): Promise<number> {
  const rows = await db.query(
    `DELETE FROM job_runs WHERE id IN (
       SELECT id FROM job_runs WHERE finished_at < now() - $1 * interval '1 millisecond' ORDER BY id LIMIT $2
     ) RETURNING id`,
    [retentionMs, PRUNE_BATCH],
  );
  return rows.length;
}

const INSERT = `WITH ${RELAXED}
  INSERT INTO job_runs (queue, job, job_id, attempt, outcome, reason, model_id, slot_ms, worker, started_at, finished_at, error_code, error_message, payload)
  SELECT queue, queue, "jobId", attempt, outcome, reason, "modelId", "slotMs", worker, to_timestamp("startedMs" / 1000.0), to_timestamp("finishedMs" / 1000.0), "errorCode", "errorMessage", payload
  FROM relaxed, jsonb_to_recordset($1::jsonb) AS r(queue text, "jobId" text, attempt int, outcome text, reason text, "modelId" text, "slotMs" bigint, worker text,
    "startedMs" bigint, "finishedMs" bigint, "errorCode" text, "errorMessage" text, payload jsonb)`;
const IS_NEW = `NOT EXISTS (SELECT 1 FROM job_runs j WHERE j.queue = r.queue AND j.finished_at = to_timestamp(r."finishedMs" / 1000.0)::timestamptz(3) AND j.job_id = r."jobId" AND j.worker = r.worker)`;

const FLUSH_MS = 250;
const BATCH = 500;
/** Beyond it the oldest rows are given up: history must not fill the memory while Postgres is away. */
const MAX_BUFFERED = 10_000;

export class RunHistory {
  readonly #db: Database;
  readonly #logger: Logger;
  #rows: JobRunRow[] = [];
  /** A try failed: whether it was committed nobody knows, so what is there already is left out. */
  #again = false;
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> = Promise.resolve();

  constructor(db: Database, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  add(row: JobRunRow): void {
    this.#rows.push(row);
    if (this.#rows.length > MAX_BUFFERED) {
      this.#logger.warn({ dropped: 1 }, 'run history is full, the oldest row is dropped');
      this.#rows.shift();
    }
    if (this.#rows.length >= BATCH) this.#flushing = this.flush();
    else this.#flushIn(FLUSH_MS);
  }

  /** Writes what is buffered. Rows that could not be written stay for the next time. */
  async flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const rows = this.#rows.splice(0);
    if (rows.length === 0) return;
    try {
      await this.#db.query(this.#again ? `${INSERT} WHERE ${IS_NEW}` : INSERT, [toJsonb(rows)]);
      this.#again = false;
    } catch (error) {
      this.#logger.warn(
        { rows: rows.length, error: messageOf(error) },
        'run history could not be written, trying again',
      );
      this.#again = true;
      this.#rows = [...rows, ...this.#rows].slice(-MAX_BUFFERED);
      this.#flushIn(10 * FLUSH_MS);
    }
  }

  #flushIn(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#flushing = this.flush();
    }, ms);
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.flush();
    if (this.#timer) clearTimeout(this.#timer);
  }
}
