/**
 * The one pipeline every job goes through: parse → abort signal and timeout → handler → outcome → acknowledgement → history.
 * Handlers know none of it; they return an outcome or throw a coded error.
 */

import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq';
import { type Outcome, snoozed } from '../src/engine/context.ts';
import { CodedError, toCoded } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { contractOf, type JobName, type PayloadOf, parsePayload } from '../src/jobs/registry.ts';
import { workerConnection } from '../src/redis/connections.ts';
import type { Resources } from '../src/resources.ts';
import { acknowledgeEnqueue, newestEnqueue } from '../src/store/effects.ts';
import type { Logger } from '../src/telemetry/logger.ts';

/** What a handler gets beside its payload. */
export type JobRun = { readonly signal: AbortSignal; readonly logger: Logger; readonly attempt: number };
export type Handler<Name extends JobName> = (payload: PayloadOf<Name>, run: JobRun) => Promise<Outcome>;

/** A dead worker's job is taken over after a lock has run out and the next check has seen it: within about ten seconds. */
const LOCK_MS = 6000;
const STALLED_CHECK_MS = 3000;
/** A process that dies spends no attempt; so many deaths in one job are poison. */
const MAX_STALLS = 25;
const TOO_NEW_SNOOZE_MS = 30_000;

/** Starts working on a queue. `contract` is the name's own; a test may pass a copy with shorter times. */
export function startWorker<Name extends JobName>(
  resources: Resources,
  name: Name,
  handler: Handler<Name>,
  concurrency: number,
  contract: JobContract = contractOf(name),
): Worker {
  const pipeline = new Pipeline(
    resources,
    contract,
    handler as unknown as (payload: { v: number }, run: JobRun) => Promise<Outcome>,
  );
  // Three declared parameters: with fewer BullMQ passes no abort signal.
  const worker = new Worker(
    name,
    (job, token, signal) => pipeline.run(job, token ?? '', signal ?? new AbortController().signal),
    {
      connection: workerConnection(resources.queueRedisUrl),
      prefix: resources.keys.queuePrefix,
      name: resources.worker,
      concurrency: Math.min(concurrency, contract.concurrency ?? concurrency),
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: MAX_STALLS,
      settings: { backoffStrategy: (attemptsMade) => backoffMs(contract, attemptsMade) },
    },
  );
  worker.on('error', (error) => resources.logger.warn({ queue: name, error: error.message }, 'worker connection'));
  worker.on('stalled', (jobId) => {
    resources.metrics.stalledJobs.inc({ job: name });
    resources.logger.warn({ job: name, jobId }, 'the process of this job died; it runs again');
  });
  // Whose lock is lost is somebody else's job now: the handler is aborted and writes nothing more.
  worker.on('lockRenewalFailed', (jobIds) => {
    for (const id of jobIds) worker.cancelJob(id, 'lock lost');
  });
  return worker;
}

/** Capped exponential backoff with full jitter: uniform in (0, min(cap, base · 2^n)]. */
export function backoffMs(contract: Pick<JobContract, 'backoff'>, attemptsMade: number): number {
  const { baseMs, capMs } = contract.backoff;
  return Math.ceil(Math.random() * Math.min(capMs, baseMs * 2 ** Math.max(0, attemptsMade - 1)));
}

class Pipeline {
  readonly #resources: Resources;
  readonly #contract: JobContract;
  readonly #handler: (payload: { v: number }, run: JobRun) => Promise<Outcome>;

  constructor(
    resources: Resources,
    contract: JobContract,
    handler: (payload: { v: number }, run: JobRun) => Promise<Outcome>,
  ) {
    this.#resources = resources;
    this.#contract = contract;
    this.#handler = handler;
  }

  async run(job: Job, token: string, cancelled: AbortSignal): Promise<Outcome> {
    const startedAt = new Date();
    const attempt = job.attemptsMade + 1;
    let outcome: Outcome | CodedError;
    let payload: { v: number } | null = null;
    let covers = 0;
    try {
      payload = parsePayload(this.#contract, job.data);
      covers = await this.#covers(payload);
      outcome = await this.#attempt(payload, covers, cancelled, attempt, startedAt);
    } catch (error) {
      outcome = this.#failure(error, cancelled);
    }
    this.#report(job, payload, attempt, startedAt, outcome, cancelled);
    if (!(outcome instanceof CodedError)) {
      if (outcome.kind !== 'snoozed') return outcome;
      await job.moveToDelayed(Date.now() + outcome.ms, token);
      throw new DelayedError();
    }
    if (outcome.retryable && attempt < this.#contract.attempts) throw outcome;
    await this.#giveUp(job, payload, covers);
    throw new UnrecoverableError(`${outcome.code}: ${outcome.message}`);
  }

  /** Newest request that a run beginning now covers: one that comes later gets a run of its own. */
  async #covers(payload: { v: number }): Promise<number> {
    if (this.#contract.runs === 'each') return Number.MAX_SAFE_INTEGER;
    return newestEnqueue(this.#resources.db, this.#contract.identity(payload));
  }

  async #attempt(
    payload: { v: number },
    covers: number,
    cancelled: AbortSignal,
    attempt: number,
    startedAt: Date,
  ): Promise<Outcome> {
    const { db, metrics, logger } = this.#resources;
    const contract = this.#contract;
    const slotMs = contract.slotOf(payload);
    if (slotMs !== null)
      metrics.slotLag.observe({ job: contract.name }, Math.max(0, startedAt.getTime() - slotMs) / 1000);
    const timeout = AbortSignal.timeout(contract.timeoutMs);
    const signal = AbortSignal.any([cancelled, timeout]);
    const outcome = await aborted(signal, this.#handler(payload, { signal, logger, attempt }), () =>
      timeout.aborted
        ? new CodedError('NOF0_JOB_TIMEOUT', `${contract.name} took longer than ${contract.timeoutMs} ms`)
        : new CodedError('NOF0_JOB_ABORTED', `${contract.name} was aborted`),
    );
    if (outcome.kind !== 'snoozed') await acknowledgeEnqueue(db, contract.identity(payload), covers);
    return outcome;
  }

  #failure(error: unknown, cancelled: AbortSignal): Outcome | CodedError {
    if (cancelled.aborted) return new CodedError('NOF0_JOB_ABORTED', 'the job was aborted', { cause: error });
    const coded = toCoded(error);
    if (coded.code === 'NOF0_PAYLOAD_TOO_NEW') return snoozed(TOO_NEW_SNOOZE_MS, coded.message);
    const { retryAfterMs } = coded.details;
    return coded.retryable && typeof retryAfterMs === 'number' ? snoozed(retryAfterMs, coded.message) : coded;
  }

  /** A job that fails for good is done as far as the outbox goes: it waits among the failed for people. */
  async #giveUp(job: Job, payload: { v: number } | null, covers: number): Promise<void> {
    // A payload that cannot be read has no identity of its own; the queue knows the one it came under.
    const [target, uptoId] =
      payload === null
        ? [job.deduplicationId ?? job.id ?? '', Number.MAX_SAFE_INTEGER]
        : [this.#contract.identity(payload), covers];
    // Without Postgres the effect stays, and the relay brings the job back when there is a database again.
    await acknowledgeEnqueue(this.#resources.db, target, uptoId).catch(() =>
      this.#resources.metrics.swallowed.inc({ reason: 'acknowledge_failed_job' }),
    );
  }

  #report(
    job: Job,
    payload: { v: number } | null,
    attempt: number,
    startedAt: Date,
    outcome: Outcome | CodedError,
    cancelled: AbortSignal,
  ): void {
    const { logger, metrics, history, worker } = this.#resources;
    const contract = this.#contract;
    const finishedAt = new Date();
    const durationMs = finishedAt.getTime() - startedAt.getTime();
    const failed = outcome instanceof CodedError;
    const kind = failed ? (cancelled.aborted ? 'aborted' : 'failed') : outcome.kind;
    const reason = failed || outcome.kind === 'done' ? null : outcome.reason;
    const modelId = payload === null ? null : contract.modelOf(payload);
    const slotMs = payload === null ? null : contract.slotOf(payload);
    metrics.jobDuration.observe({ job: contract.name, outcome: kind }, durationMs / 1000);
    const line = {
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
    };
    if (failed) logger.warn(line, 'job failed');
    else logger[contract.name === 'price-ingest' ? 'debug' : 'info'](line, 'job');
    history.add({
      queue: contract.name,
      jobId: job.id ?? '',
      attempt,
      outcome: kind,
      reason,
      modelId,
      slotMs,
      worker,
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      errorCode: failed ? outcome.code : null,
      errorMessage: failed ? outcome.message.slice(0, 2000) : null,
      payload: payload ?? job.data,
    });
  }
}

/** The work's result, or the abort's error as soon as the signal fires: a handler that does not listen cannot hold the job. */
function aborted<T>(signal: AbortSignal, work: Promise<T>, reason: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(reason());
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
