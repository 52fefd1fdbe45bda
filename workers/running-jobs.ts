/** The jobs that run in this process, and how each of them is told to stop. */

import type { Worker } from 'bullmq';

/** Why a running job is told to stop. */
export const STOP = {
  lockLost: 'lock lost',
  shutdown: 'shutdown',
  cancelled: 'cancelled',
  timeout: 'timeout',
} as const;
export type StopReason = (typeof STOP)[keyof typeof STOP];

/**
 * One word to one job. Does what an AbortController does, which costs a short job more than its work: so there is one only where a
 * handler wants its signal.
 */
export class Stop {
  #reason: StopReason | null = null;
  #controller: AbortController | null = null;
  #hear: ((reason: StopReason) => void) | null = null;

  /** Why the job must stop; null while it may go on. */
  get reason(): StopReason | null {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason counts. */
  say(reason: StopReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#hear?.(reason);
  }

  /** The result of `work`, or a rejection with the reason as soon as the job must stop: work that does not listen cannot hold the job. */
  orStopped<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#hear = reject;
      if (this.#reason !== null) reject(this.#reason);
      work().then(resolve, reject);
    });
  }
}

type Running = { readonly stop: Stop; renewedAt: number };

/**
 * Jobs between their start and their outcome. Stops those whose lock is lost: by the event, when Redis says so; by a watchdog, when
 * renewals no longer reach Redis at all or this process stood still. Their handlers write nothing more, another worker has the job.
 */
export class RunningJobs {
  readonly #jobs = new Map<string, Running>();

  async track<T>(jobId: string, run: (stop: Stop) => Promise<T>): Promise<T> {
    const stop = new Stop();
    this.#jobs.set(jobId, { stop, renewedAt: performance.now() });
    try {
      return await run(stop);
    } finally {
      // After a lost lock the same job may have begun again in this very process.
      if (this.#jobs.get(jobId)?.stop === stop) this.#jobs.delete(jobId);
    }
  }

  /** False when the job does not run here. */
  stop(jobId: string, reason: StopReason): boolean {
    const job = this.#jobs.get(jobId);
    job?.stop.say(reason);
    return job !== undefined;
  }

  stopAll(reason: StopReason): void {
    for (const { stop } of this.#jobs.values()) stop.say(reason);
  }

  /** Watches the locks that `bull` holds for these jobs. Returns how to end that. */
  watchLocks(bull: Worker, lockMs: number, everyMs: number): () => void {
    bull.on('locksRenewed', ({ jobIds }) => {
      const now = performance.now();
      for (const id of jobIds) {
        const job = this.#jobs.get(id);
        if (job) job.renewedAt = now;
      }
    });
    bull.on('lockRenewalFailed', (jobIds) => {
      for (const id of jobIds) this.stop(id, STOP.lockLost);
    });
    const timer = setInterval(() => {
      const now = performance.now();
      for (const { stop, renewedAt } of this.#jobs.values()) if (now - renewedAt > lockMs) stop.say(STOP.lockLost);
    }, everyMs);
    return () => clearInterval(timer);
  }
}
