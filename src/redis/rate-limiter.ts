/** A provider's budget of requests, shared by every process of a run: weight in a sliding minute, counted in the queue Redis. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptedRedis } from './connections.ts';

export type RateLimit = {
  /** Weight that may be taken in any minute. */
  readonly perMinute: number;
  /** Part of it that only urgent takers may touch. */
  readonly reserved: number;
};

/** Asked again at least this often: others give nothing back early, but a block may be lifted by its end only. */
const MAX_WAIT_MS = 5000;

export class RateLimiter {
  readonly #redis: ScriptedRedis;
  readonly #key: string;
  readonly #limit: RateLimit;

  constructor(redis: ScriptedRedis, key: string, limit: RateLimit) {
    this.#redis = redis;
    this.#key = key;
    this.#limit = limit;
  }

  /** Waits until the weight is there and takes it. `urgent` may use the reserve. Rejects when the signal aborts. */
  async take(weight: number, options: { urgent: boolean; signal?: AbortSignal | undefined }): Promise<void> {
    for (;;) {
      options.signal?.throwIfAborted();
      const waitMs = await this.#call(weight, options.urgent ? 0 : this.#limit.reserved, false, 0);
      if (waitMs === 0) return;
      await sleep(Math.min(waitMs, MAX_WAIT_MS), undefined, options.signal ? { signal: options.signal } : {});
    }
  }

  /** Counts weight that was spent already: answers cost by their rows, which nobody knows before. */
  async charge(weight: number): Promise<void> {
    if (weight > 0) await this.#call(weight, 0, true, 0);
  }

  /** Stops every taker for a while: the provider said that it was too much. */
  async block(ms: number): Promise<void> {
    await this.#call(0, 0, true, Math.ceil(ms));
  }

  #call(weight: number, reserve: number, spent: boolean, blockMs: number): Promise<number> {
    return this.#redis.takeWeight(this.#key, Math.ceil(weight), this.#limit.perMinute, reserve, spent ? 1 : 0, blockMs);
  }
}
