/** Reading the history of job runs. */

import type { Queryable } from './database.ts';
import { toJsonb } from './jsonb.ts';

export type RunFilter = {
  readonly job?: string | undefined;
  readonly modelId?: string | undefined;
  readonly outcome?: string | undefined;
  /** Code, or a part of the message. */
  readonly error?: string | undefined;
  /** Wall time of the end of the run. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Fields that the payload must hold with these values. */
  readonly payload?: Record<string, unknown> | undefined;
  readonly limit: number;
};

export type PastRun = {
  readonly id: number;
  readonly job: string;
  readonly jobId: string;
  readonly modelId: string | null;
  readonly slotMs: number | null;
  readonly attempt: number;
  readonly outcome: string;
  /** Why it was skipped or snoozed. */
  readonly reason: string | null;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly durationMs: number;
  readonly worker: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly payload: unknown;
};

const COLUMNS = `id, job, job_id AS "jobId", model_id AS "modelId", slot_ms AS "slotMs", attempt, outcome, reason, started_at AS "startedAt", finished_at AS "finishedAt",
  (extract(epoch FROM finished_at - started_at) * 1000)::bigint AS "durationMs", worker, error_code AS "errorCode", error_message AS "errorMessage", payload`;

/** Runs that have ended, newest first. */
export function listRuns(db: Queryable, filter: RunFilter): Promise<PastRun[]> {
  const { text, values } = runQuery(filter);
  return db.query<PastRun>(text, values);
}

/** Only the conditions that were asked for: one that may be absent would keep the planner from the index on payloads. */
export function runQuery(filter: RunFilter): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const given = (value: unknown, condition: (parameter: string) => string) => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  given(filter.job, (p) => `queue = ${p}`);
  given(filter.modelId, (p) => `model_id = ${p}`);
  given(filter.outcome, (p) => `outcome = ${p}`);
  given(filter.error, (p) => `(error_code = ${p} OR strpos(lower(error_message), lower(${p})) > 0)`);
  given(filter.sinceMs, (p) => `finished_at >= to_timestamp(${p}::bigint / 1000.0)`);
  given(filter.untilMs, (p) => `finished_at <= to_timestamp(${p}::bigint / 1000.0)`);
  given(filter.payload && toJsonb(filter.payload), (p) => `payload @> ${p}::jsonb`);
  values.push(filter.limit);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return {
    text: `SELECT ${COLUMNS} FROM job_runs ${where} ORDER BY finished_at DESC, id DESC LIMIT $${values.length}`,
    values,
  };
}
