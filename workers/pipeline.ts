/**
 * The one pipeline every job goes through: parse → one at a time a key → abort signal and timeout → handler → outcome → acknowledgement
 * → history. Handlers know none of it; they return an outcome or throw a coded error.
 */

import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import { type Outcome, skipped, snoozed } from '../src/engine/context.ts';
import { CodedError, toCoded } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { type JobName, type PayloadOf, parsePayload } from '../src/jobs/registry.ts';
import { jobLock } from '../src/redis/lock.ts';
import { ANNOUNCED } from '../src/redis/queue-desk.ts';
import type { Resources } from '../src/resources.ts';
import type { Word } from '../src/store/announced.ts';
import { type Covered, promisesOfAll } from '../src/store/effects.ts';
import { Questions } from '../src/store/questions.ts';
import { crossing, pass } from '../src/telemetry/boundaries.ts';
import type { Logger } from '../src/telemetry/logger.ts';
import { withinWork } from '../src/telemetry/work.ts';
import { buryFailed } from './dead-letters.ts';
import { identityOf } from './job-promise.ts';
import { reportRun } from './report.ts';
import { STOP, type Stop, type StopReason } from './running-jobs.ts';

/** What a handler gets beside its payload. */
export type JobRun = { readonly signal: AbortSignal; readonly logger: Logger; readonly attempt: number };
export type Handler<Name extends JobName> = (payload: PayloadOf<Name>, run: JobRun) => Promise<Outcome>;

const TOO_NEW_SNOOZE_MS = 30_000;
const EXCLUSIVE_SNOOZE_MS = 100;
/** Nothing works without Postgres, and no job is to blame for it: it waits at least this long and at most four times as long. */
const OUTAGE_SNOOZE_MS = 250;
const EXCLUSIVE_LOCK_MS = 6000;
/** A job whose slot has not fired yet lets others to the worker. */
const ANNOUNCED_SNOOZE_MS = 200;

export class Pipeline {
  readonly #resources: Resources;
  readonly #contract: JobContract;
  readonly #handler: (payload: { v: number }, run: JobRun) => Promise<Outcome>;
  /** Whether somebody cancelled the job of this id. Redis itself is asked, every time: a word on a channel may be lost, a mark is not. */
  readonly #cancelMarks: Questions<string, boolean>;
  readonly #promises: Questions<string, number[]>;

  constructor(resources: Resources, contract: JobContract, handler: Handler<JobName>) {
    this.#resources = resources;
    this.#contract = contract;
    this.#handler = handler as unknown as (payload: { v: number }, run: JobRun) => Promise<Outcome>;
    const { queueRedis, keys, db } = resources;
    this.#cancelMarks = new Questions(async (ids) =>
      (await queueRedis.mget(ids.map((id) => keys.cancelMark(id)))).map((mark) => typeof mark === 'string'),
    );
    this.#promises = new Questions((targets) => promisesOfAll(db, targets));
  }

  async run(job: Job, token: string, stop: Stop): Promise<Outcome> {
    pass(`take ${this.#contract.name}`, 'after');
    let startedAt = new Date();
    const attempt = job.attemptsMade + 1;
    let promise: Covered = { target: identityOf(job), ids: null };
    let payload: { v: number } | null = null;
    let outcome: Outcome | CodedError;
    try {
      // One that has been tried was promised.
      const early = job.name === ANNOUNCED && job.attemptsMade === 0;
      const latest = this.#contract.runs === 'latest';
      // What was asked for before this moment is covered by this run; a request that comes later gets its own.
      if (latest && !early) promise = { ...promise, ids: await this.#promises.ask(promise.target) };
      payload = parsePayload(this.#contract, job.data);
      const word = early ? await this.#heldBack(payload, promise.target, stop) : null;
      if (latest && word !== null) promise = { ...promise, ids: word.kind === 'promised' ? word.ids : [] };
      startedAt = new Date();
      if (job.attemptsStarted > 1) await this.#assertWanted(job);
      if (word?.kind === 'passed') outcome = skipped('its slot is over');
      else if (word?.kind === 'later') outcome = snoozed(ANNOUNCED_SNOOZE_MS, 'its slot has not fired yet');
      else if (this.#isCovered(job, payload, promise))
        outcome = skipped('an earlier run has done everything that was asked for');
      else outcome = await this.#holdingClock(payload, { stop, attempt, startedAt });
      if (outcome.kind !== 'snoozed') await this.#acknowledge(promise);
    } catch (error) {
      outcome = afterFailure(error, this.#contract, stop.reason);
    }
    reportRun(this.#resources, this.#contract, job, { payload, attempt, startedAt, outcome });
    if (!(outcome instanceof CodedError)) {
      if (outcome.kind !== 'snoozed') {
        pass(`acknowledge ${this.#contract.name}`, 'before');
        return outcome;
      }
      const { ms } = outcome;
      await crossing(`snooze ${this.#contract.name}`, () => job.moveToDelayed(Date.now() + ms, token));
      throw new DelayedError();
    }
    const again = outcome.retryable && attempt < this.#contract.attempts;
    if (!again)
      await buryFailed(this.#resources, this.#contract, job, { promise, payload, error: outcome, attempts: attempt });
    pass(`fail ${this.#contract.name}`, 'before');
    throw again ? outcome : new UnrecoverableError(`${outcome.code}: ${outcome.message}`);
  }

  #acknowledge(promise: Covered): Promise<void> {
    return crossing(`settle ${this.#contract.name}`, () => this.#resources.outbox.acknowledge(promise));
  }

  /** Waits with an announced job for its slot to fire. */
  #heldBack(payload: { v: number }, target: string, stop: Stop): Promise<Word> {
    const slotMs = this.#contract.slotOf(payload) ?? this.#contract.asOf(payload);
    return stop.orStopped(() => this.#resources.outbox.announced.wait(target, slotMs, stop));
  }

  /**
   * Whether nothing is promised any more: the slot was offered again while it ran, or the process died between the acknowledgement here and
   * the queue's. Any other follow-up runs all the same, for the last request may say something else than the one that was covered; so does
   * what somebody started again.
   */
  #isCovered(job: Job, payload: { v: number }, { ids }: Covered): boolean {
    if (ids === null || ids.length > 0 || job.attemptsMade > 0) return false;
    return this.#contract.slotOf(payload) !== null || job.stalledCounter > 0;
  }

  /**
   * Somebody may have cancelled the job while it ran elsewhere and nobody heard it. A waiting job is simply taken out of its queue when it
   * is cancelled, so one that begins for the first time need not ask.
   */
  async #assertWanted(job: Job): Promise<void> {
    if (await this.#cancelMarks.ask(job.id ?? ''))
      throw new CodedError('NOF0_JOB_CANCELLED', 'the job was cancelled before it began');
  }

  /** The clock of a replay waits for the run, unless it is aside. */
  #holdingClock(payload: { v: number }, given: Given): Promise<Outcome> {
    const run = () => this.#exclusively(payload, given);
    return this.#contract.aside?.(payload) ? run() : this.#resources.outbox.handOver.during(run);
  }

  /** Runs the attempt; where runs with the same key may not overlap, under a lock that is prolonged until it is over. */
  #exclusively(payload: { v: number }, given: Given): Promise<Outcome> {
    const key = this.#contract.exclusive?.(payload);
    return key === undefined ? this.#attempt(payload, given) : this.#locked(key, payload, given);
  }

  async #locked(key: string, payload: { v: number }, given: Given): Promise<Outcome> {
    const { queueRedis, keys, metrics } = this.#resources;
    const lock = jobLock(queueRedis, keys.jobLock(key), EXCLUSIVE_LOCK_MS, () => given.stop.say(STOP.lockLost));
    if (!(await lock.tryAcquire())) return snoozed(EXCLUSIVE_SNOOZE_MS, `another run of ${key}`);
    try {
      return await this.#attempt(payload, given);
    } finally {
      await lock.release().catch(() => metrics.swallowed.inc({ reason: 'lock_release' }));
    }
  }

  async #attempt(payload: { v: number }, { stop, attempt, startedAt }: Given): Promise<Outcome> {
    const { metrics, logger } = this.#resources;
    const { name, slotOf, timeoutMs } = this.#contract;
    const slotMs = slotOf(payload);
    if (slotMs !== null) metrics.slotLag.observe({ job: name }, Math.max(0, startedAt.getTime() - slotMs) / 1000);
    const run: JobRun = {
      get signal() {
        return stop.signal;
      },
      logger,
      attempt,
    };
    const timer = setTimeout(() => stop.say(STOP.timeout), timeoutMs);
    try {
      return await stop.orStopped(() => withinWork({ job: name, stop }, () => this.#handler(payload, run)));
    } finally {
      clearTimeout(timer);
    }
  }
}

type Given = { readonly stop: Stop; readonly attempt: number; readonly startedAt: Date };

/** What an error makes of the run: a snooze where waiting is the answer and no attempt shall be spent, else a coded error. */
function afterFailure(error: unknown, contract: JobContract, stopped: StopReason | null): Outcome | CodedError {
  if (stopped !== null) {
    if (stopped === STOP.cancelled)
      return new CodedError('NOF0_JOB_CANCELLED', 'the job was cancelled while it ran', { cause: error });
    if (stopped === STOP.lockLost)
      return new CodedError('NOF0_JOB_LOCK_LOST', 'the lock of this job was lost', { cause: error });
    if (stopped === STOP.timeout)
      return new CodedError('NOF0_JOB_TIMEOUT', `${contract.name} took longer than ${contract.timeoutMs} ms`, {
        cause: error,
      });
    return snoozed(0, 'given back at shutdown');
  }
  const coded = toCoded(error);
  if (coded.code === 'NOF0_PAYLOAD_TOO_NEW') return snoozed(TOO_NEW_SNOOZE_MS, coded.message);
  if (coded.code === 'NOF0_DATABASE_UNAVAILABLE')
    return snoozed(Math.ceil(OUTAGE_SNOOZE_MS * (1 + 3 * Math.random())), coded.message);
  const { retryAfterMs } = coded.details;
  return coded.retryable && typeof retryAfterMs === 'number' ? snoozed(retryAfterMs, coded.message) : coded;
}
