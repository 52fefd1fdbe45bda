/** One BullMQ worker a queue: how it is set up, and how its jobs learn that they must stop. */

import { Worker } from 'bullmq';
import { STALLED_TOO_OFTEN } from '../src/effect-handlers.ts';
import { messageOf } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { contractOf, type JobName } from '../src/jobs/registry.ts';
import { endConnection, workerConnection } from '../src/redis/connections.ts';
import type { Resources } from '../src/resources.ts';
import { pass } from '../src/telemetry/boundaries.ts';
import { buryPoison } from './dead-letters.ts';
import { type Handler, Pipeline } from './pipeline.ts';
import { RunningJobs, STOP } from './running-jobs.ts';

export type { Handler, JobRun } from './pipeline.ts';

/** A dead worker's job is taken over after its lock has run out and the next check has seen it: within about ten seconds. */
export const LOCK_MS = 6000;
export const STALLED_CHECK_MS = 3000;
/** A process that dies spends no attempt; a job that took this many processes with it is poison. */
export const MAX_STALLS = 10;
const WATCHDOG_MS = 500;

export type RunningWorker = {
  readonly name: JobName;
  readonly bull: Worker;
  /** Aborts a job of this worker; false when it does not run here. */
  cancel(jobId: string): boolean;
  /** Stops taking jobs, waits for running ones until the deadline, gives the rest back to the queue. */
  close(deadlineMs: number): Promise<void>;
};

/** Starts a worker for one queue. `contract`: the job's own, unless a test wants other times; `maxStalls`: fewer, if it cannot wait. */
export function startWorker<Name extends JobName>(
  resources: Resources,
  name: Name,
  handler: Handler<Name>,
  concurrency: number,
  contract: JobContract = contractOf(name),
  maxStalls = MAX_STALLS,
): RunningWorker {
  const pipeline = new Pipeline(resources, contract, handler as unknown as Handler<JobName>);
  const connection = workerConnection(resources.queueRedisUrl);
  const running = new RunningJobs();
  const bull = new Worker(
    name,
    (job, token) => running.track(job.id ?? '', (stop) => pipeline.run(job, token ?? '', stop)),
    {
      connection,
      prefix: resources.keys.queuePrefix,
      name: resources.worker,
      concurrency: Math.min(concurrency, contract.concurrency ?? concurrency),
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: maxStalls,
      settings: { backoffStrategy: (attemptsMade) => backoffMs(contract, attemptsMade) },
      ...(resources.tracing ? { telemetry: resources.tracing.telemetry } : {}),
    },
  );
  listen(resources, name, bull);
  const stopWatching = running.watchLocks(bull, LOCK_MS, WATCHDOG_MS);
  return {
    name,
    bull,
    cancel: (jobId) => running.stop(jobId, STOP.cancelled),
    async close(deadlineMs) {
      // BullMQ's close has no deadline of its own.
      const overdue = setTimeout(() => running.stopAll(STOP.shutdown), deadlineMs);
      await bull.close();
      endConnection(connection);
      clearTimeout(overdue);
      stopWatching();
    },
  };
}

/** Capped exponential backoff with full jitter: uniform in (0, min(cap, base · 2^n)]. */
export function backoffMs(contract: Pick<JobContract, 'backoff'>, attemptsMade: number): number {
  const { baseMs, capMs } = contract.backoff;
  return Math.ceil(Math.random() * Math.min(capMs, baseMs * 2 ** Math.max(0, attemptsMade - 1)));
}

function listen(resources: Resources, name: JobName, bull: Worker): void {
  const { logger, metrics } = resources;
  bull.on('error', (error) => logger.warn({ queue: name, error: error.message }, 'worker connection'));
  bull.on('completed', (job) => {
    pass(`acknowledge ${name}`, 'after');
    if (job.stalledCounter > 0) metrics.recoveredJobs.inc({ job: name });
  });
  bull.on('stalled', (jobId) => {
    metrics.stalledJobs.inc({ job: name });
    logger.warn({ job: name, jobId }, 'the process of this job died; it runs again');
  });
  bull.on('failed', (job, error) => {
    pass(`fail ${name}`, 'after');
    if (job === undefined || !STALLED_TOO_OFTEN.test(error.message)) return;
    // If this fails too, the relay finds the job failed and buries it.
    buryPoison(resources, job).catch((cause: unknown) =>
      logger.warn({ job: name, jobId: job.id, error: messageOf(cause) }, 'a poisonous job could not be buried yet'),
    );
  });
}
