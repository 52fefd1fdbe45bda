/** What a run leaves behind for people: a log line, a metric, a row of history. */

import type { Job } from 'bullmq';
import type { Outcome } from '../src/engine/context.ts';
import { CodedError } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import type { Resources } from '../src/resources.ts';

export type Run = {
  readonly payload: { v: number } | null;
  readonly attempt: number;
  readonly startedAt: Date;
  readonly outcome: Outcome | CodedError;
};

/** Runs every second would drown everything else. */
const QUIET_JOBS = new Set(['price-ingest']);

/** Whether the row of history says all there is to say: of what runs all the time, and of what went well with nothing to tell. */
function isQuiet(job: string, outcome: Outcome): boolean {
  return QUIET_JOBS.has(job) || (outcome.kind === 'done' && outcome.note === undefined);
}

export function reportRun(resources: Resources, contract: JobContract, job: Job, run: Run): void {
  const { logger, metrics, history, worker } = resources;
  const { payload, attempt, startedAt, outcome } = run;
  const startedMs = startedAt.getTime();
  const finishedMs = Date.now();
  const durationMs = finishedMs - startedMs;
  const failed = outcome instanceof CodedError;
  const kind = failed ? 'failed' : outcome.kind;
  const reason = failed || outcome.kind === 'done' ? null : outcome.reason;
  const modelId = payload === null ? null : contract.modelOf(payload);
  const slotMs = payload === null ? null : contract.slotOf(payload);
  metrics.jobDuration.observe({ job: contract.name, outcome: kind }, durationMs / 1000);
  const line = () => ({
    job: contract.name,
    jobId: job.id,
    model: modelId,
    slot: slotMs,
    attempt,
    durationMs,
    outcome: kind,
    source: worker,
    ...(reason ? { reason } : {}),
    ...(failed ? { code: outcome.code, error: outcome.message } : {}),
    ...(!failed && outcome.kind === 'done' ? outcome.note : {}),
  });
  if (failed) logger.warn(line(), 'job failed');
  else if (!isQuiet(contract.name, outcome)) logger.info(line(), 'job');
  else if (logger.isLevelEnabled('debug')) logger.debug(line(), 'job');
  if (kind === 'done' && payload !== null && contract.routine?.(payload) === true) return;
  history.add({
    queue: contract.name,
    jobId: job.id ?? '',
    attempt,
    outcome: kind,
    reason,
    modelId,
    slotMs,
    worker,
    startedMs,
    finishedMs,
    errorCode: failed ? outcome.code : null,
    errorMessage: failed ? outcome.message.slice(0, 2000) : null,
    payload: payload === null ? job.data : (contract.remembered?.(payload) ?? payload),
  });
}
