/** The queues, seen by producers. Jobs get here through the outbox alone, so that a lost write comes back. */

import { randomBytes } from 'node:crypto';
import { type Job, type JobsOptions, Queue, type Telemetry } from 'bullmq';
import { CodedError, messageOf } from '../errors.ts';
import type { JobContract } from '../jobs/contract.ts';
import { contractOf, JOB_NAMES, type JobName } from '../jobs/registry.ts';
import { openRedis, type ScriptedRedis } from './connections.ts';
import type { KeyRegistry } from './keys.ts';
import { ANNOUNCED, QueueDesk } from './queue-desk.ts';

export type Enqueue = {
  readonly job: string;
  readonly data: { v: number };
  readonly identity: string;
  /** The outbox offers the job again: the queue may have lost it, or given up on it. */
  readonly again: boolean;
  readonly delayMs: number;
  /** Nothing is promised yet: the worker waits with it for its slot to fire. */
  readonly announced?: boolean;
};

/** BullMQ's name of our backoff; the workers' settings implement it. */
export const BACKOFF = 'capped-jitter';

export class JobQueues {
  readonly #client: ScriptedRedis;
  readonly #queues: ReadonlyMap<string, Queue>;

  constructor(
    url: string,
    prefix: string,
    onError: (error: Error) => void,
    telemetry: Telemetry | null = null,
    names: readonly JobName[] = JOB_NAMES,
  ) {
    // One client for all: given options, each queue would make its own, which on a dead server never lets the process end.
    this.#client = openRedis(url, 'nof0-queues', onError);
    const options = { connection: this.#client, prefix, ...(telemetry ? { telemetry } : {}) };
    this.#queues = new Map(names.map((name) => [name, new Queue(name, options)]));
    for (const queue of this.#queues.values()) queue.on('error', onError);
  }

  /** The queues themselves, for the dashboard. */
  all(): Queue[] {
    return [...this.#queues.values()];
  }

  /** What people control the jobs with. */
  desk(keys: KeyRegistry): QueueDesk {
    return new QueueDesk(this.#queues, this.#client, keys);
  }

  /** Waits until every producer is connected. */
  async ready(): Promise<void> {
    await Promise.all(this.all().map((queue) => queue.waitUntilReady()));
  }

  /** Adds jobs. Adding one that is there already changes nothing. Throws NOF0_QUEUE_UNAVAILABLE when the queue Redis is gone. */
  async add(entries: readonly Enqueue[]): Promise<void> {
    try {
      for (const entry of entries.filter(({ again }) => again)) await this.#forgetEnded(entry);
      const names = [...new Set(entries.map((entry) => entry.job))];
      await Promise.all(
        names.map((name) =>
          this.#addBulk(
            name,
            entries.filter((entry) => entry.job === name),
          ),
        ),
      );
    } catch (error) {
      throw new CodedError('NOF0_QUEUE_UNAVAILABLE', `adding jobs: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Why the queue gave up a job that the outbox still promises; null when it did not. */
  async givenUp(entry: Enqueue): Promise<{ job: Job; reason: string } | null> {
    const job = await this.#queue(entry.job).getJob(entry.identity);
    return job && (await job.isFailed()) ? { job, reason: job.failedReason } : null;
  }

  /** Jobs of every queue by state. */
  async depths(): Promise<{ queue: string; paused: boolean; counts: Record<string, number> }[]> {
    return Promise.all(
      this.all().map(async (queue) => ({
        queue: queue.name,
        paused: await queue.isPaused(),
        counts: await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed', 'completed'),
      })),
    );
  }

  /** For every queue how many workers are connected to it. */
  async workerCounts(): Promise<{ queue: string; workers: number }[]> {
    return Promise.all(
      this.all().map(async (queue) => ({ queue: queue.name, workers: await queue.getWorkersCount() })),
    );
  }

  /** For every queue how long its oldest waiting job has been due, ms; 0 when none waits. */
  async longestWaits(nowMs: number): Promise<{ queue: string; ms: number }[]> {
    return Promise.all(
      this.all().map(async (queue) => {
        // The first of each list: a queue's jobs have one priority, so the next one to be taken is the oldest.
        const first = await queue.getJobs(['waiting', 'prioritized'], 0, 0, true);
        const due = first.map((job) => job.timestamp + (job.opts.delay ?? 0));
        return { queue: queue.name, ms: Math.max(0, ...due.map((dueMs) => nowMs - dueMs)) };
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((queue) => queue.close()));
    this.#client.disconnect();
  }

  async #addBulk(name: string, entries: readonly Enqueue[]): Promise<void> {
    const contract = contractOf(name);
    await this.#queue(name).addBulk(
      entries.map((entry) => ({
        name: entry.announced ? ANNOUNCED : name,
        data: entry.data,
        opts: jobOptions(contract, entry),
      })),
    );
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new Error(`no queue for job ${name}`);
    return queue;
  }

  /** A job that ended without its effect being acknowledged must not block its successor by its id. */
  async #forgetEnded(entry: Enqueue): Promise<void> {
    const job = await this.#queue(entry.job).getJob(entry.identity);
    if (job && ((await job.isFailed()) || (await job.isCompleted()))) await job.remove();
  }
}

function jobOptions(contract: JobContract, entry: Enqueue): JobsOptions {
  return {
    attempts: contract.attempts,
    backoff: { type: BACKOFF },
    ...(entry.delayMs > 0 ? { delay: entry.delayMs } : {}),
    ...(contract.priority > 0 ? { priority: contract.priority } : {}),
    removeOnComplete: { count: contract.keep.completed },
    removeOnFail: { count: contract.keep.failed },
    ...(contract.runs === 'each'
      ? { jobId: entry.identity }
      : { jobId: uniqueId(entry), deduplication: { id: entry.identity, keepLastIfActive: true } }),
  };
}

/**
 * Id of one job of several with the same identity. The queue's own would be a number that every queue counts for itself, and from 1
 * again after a loss: cancelling one would hit another, and a dead letter would be taken for one that is kept already.
 */
function uniqueId(entry: Enqueue): string {
  return `${entry.identity}.${randomBytes(6).toString('hex')}`;
}
