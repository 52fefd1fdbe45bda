/** What people may do with the jobs of the queues: find, cancel, pause. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { CodedError, messageOf } from '../errors.ts';
import type { JobDesk, QueuedJob, Stopped } from '../jobs/desk.ts';
import type { ScriptedRedis } from './connections.ts';
import { sayToWorkers } from './control-channel.ts';
import type { KeyRegistry } from './keys.ts';

/** BullMQ's name of a job that was announced; every other has the name of its queue. */
export const ANNOUNCED = 'announced';

/** Longer than a job whose process died needs to turn up again. */
const MARK_TTL_MS = 3_600_000;
/** The word to the workers may be lost; it is said again at every look. */
const LOOK_MS = 100;
const NOT_STARTED: ReadonlySet<string> = new Set(['waiting', 'prioritized', 'delayed']);

export class QueueDesk implements JobDesk {
  readonly #queues: ReadonlyMap<string, Queue>;
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;

  constructor(queues: ReadonlyMap<string, Queue>, redis: ScriptedRedis, keys: KeyRegistry) {
    this.#queues = queues;
    this.#redis = redis;
    this.#keys = keys;
  }

  get queueNames(): readonly string[] {
    return [...this.#queues.keys()];
  }

  find(idOrIdentity: string): Promise<QueuedJob[]> {
    return reach('looking for a job', async () => {
      const found = await Promise.all(this.queueNames.map((name) => this.#findIn(name, idOrIdentity)));
      return found.flat();
    });
  }

  async #findIn(name: string, idOrIdentity: string): Promise<QueuedJob[]> {
    const queue = this.#queue(name);
    const coalescing = await queue.getDeduplicationJobId(idOrIdentity);
    const ids = new Set([idOrIdentity, ...(coalescing === null ? [] : [coalescing])]);
    const jobs = await Promise.all([...ids].map((id) => read(queue, id)));
    return jobs.filter((job) => job !== null);
  }

  stop(job: QueuedJob, waitMs: number): Promise<Stopped> {
    return reach('stopping a job', async () => {
      const queue = this.#queue(job.queue);
      const deadline = performance.now() + waitMs;
      // First of all: whoever takes the job from now on does not begin it.
      await this.#redis.set(this.#keys.cancelMark(job.id), job.queue, 'PX', MARK_TTL_MS);
      for (;;) {
        const state = await queue.getJobState(job.id);
        if (NOT_STARTED.has(state) && (await queue.remove(job.id)) === 1) return 'withdrawn';
        if (state === 'completed') return 'completed';
        if (state === 'failed') return howItFailed(queue, job.id);
        if (state === 'unknown') return 'gone';
        if (performance.now() >= deadline) return 'running';
        if (state === 'active') await sayToWorkers(this.#redis, this.#keys, { cancel: job.id });
        await pause(LOOK_MS);
      }
    });
  }

  allow(ids: readonly string[]): Promise<void> {
    return reach('allowing jobs again', async () => {
      await Promise.all(ids.map((id) => this.#redis.del(this.#keys.cancelMark(id))));
    });
  }

  setPaused(name: string, paused: boolean): Promise<boolean> {
    return reach(`${paused ? 'pausing' : 'resuming'} a queue`, async () => {
      const queue = this.#queue(name);
      const before = await queue.isPaused();
      await (paused ? queue.pause() : queue.resume());
      return before;
    });
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new CodedError('NOF0_JOB_UNKNOWN', `there is no queue "${name}"`);
    return queue;
  }
}

/** The job of an id. By its state first: an id that somebody typed may be the name of one of the queue's own keys. */
async function read(queue: Queue, id: string): Promise<QueuedJob | null> {
  const state = await queue.getJobState(id);
  const job = state === 'unknown' ? undefined : await queue.getJob(id);
  if (job === undefined) return null;
  return {
    queue: queue.name,
    id,
    identity: job.opts.deduplication?.id ?? id,
    announced: job.name === ANNOUNCED,
    state,
    data: job.data,
    attempts: job.attemptsMade,
    stalls: job.stalledCounter,
  };
}

async function howItFailed(queue: Queue, id: string): Promise<Stopped> {
  const job = await queue.getJob(id);
  return job?.failedReason.startsWith('NOF0_JOB_CANCELLED') ? 'stopped' : 'failed';
}

async function reach<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw new CodedError('NOF0_QUEUE_UNAVAILABLE', `${what}: ${messageOf(error)}`, { cause: error });
  }
}
