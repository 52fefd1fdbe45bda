/** Locks: `SET NX PX` with an owner token. They save work and keep order; correctness never rests on them. */

import type { Redis } from 'ioredis';
import { type LockOptions, Mutex, TimeoutError } from 'redis-semaphore';
import { crossing } from '../telemetry/boundaries.ts';

/** How long a refresh waits for another process that computes the same key. */
const WAIT_MS = 100;

/** The library puts `mutex:` before every key; ours are named in the registry and keep their names. */
class NamedMutex extends Mutex {
  readonly #lifetimeMs: number;
  #prolongedAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, key: string, options: LockOptions & { lockTimeout: number }) {
    super(redis as never, key, options);
    this._key = key;
    this.#lifetimeMs = options.lockTimeout;
  }

  protected override _acquire(abortSignal?: AbortSignal): Promise<boolean> {
    this.#prolongedAt = performance.now();
    return super._acquire(abortSignal);
  }

  /**
   * Without an answer the lock is ours until it runs out, and lost then. The library would let the failed command reject where nobody
   * hears it, which ends the process.
   */
  protected override async _refresh(): Promise<boolean> {
    const startedAt = performance.now();
    try {
      const kept = await super._refresh();
      if (kept) this.#prolongedAt = startedAt;
      return kept;
    } catch {
      // The connection's own handler reports the fault; here it only matters how long ago the last answer was.
      return performance.now() - this.#prolongedAt < this.#lifetimeMs;
    }
  }
}

/** One lock. Release it in any case; releasing one that was lost is harmless. */
export interface RefreshLock {
  /** True when it was free. */
  tryAcquire(): Promise<boolean>;
  /** Waits for the holder, at most 100 ms; true when it was acquired. */
  waitFor(): Promise<boolean>;
  release(): Promise<void>;
}

export function refreshLock(redis: Redis, key: string, ttlMs: number, onLost: () => void): RefreshLock {
  const mutex = new NamedMutex(redis, key, {
    lockTimeout: ttlMs,
    acquireTimeout: WAIT_MS,
    retryInterval: 5,
    refreshInterval: 0,
    // The library's default throws where nobody can catch it.
    onLockLost: onLost,
  });
  return {
    tryAcquire: () => crossing('lock key', () => mutex.tryAcquire()),
    async waitFor() {
      try {
        await mutex.acquire();
        return true;
      } catch (error) {
        if (error instanceof TimeoutError) return false;
        throw error;
      }
    },
    async release() {
      if (mutex.isAcquired) await crossing('unlock key', () => mutex.release());
    },
  };
}

/** How often a lock that is held for a whole job is prolonged, as a part of its lifetime. */
const EXTENSIONS = 3;

/** A lock held by a job for as long as it runs: prolonged by itself, lost only when Redis or this process stands still. */
export function jobLock(
  redis: Redis,
  key: string,
  ttlMs: number,
  onLost: () => void,
): { tryAcquire(): Promise<boolean>; release(): Promise<void> } {
  const mutex = new NamedMutex(redis, key, {
    lockTimeout: ttlMs,
    refreshInterval: Math.floor(ttlMs / EXTENSIONS),
    onLockLost: onLost,
  });
  return {
    tryAcquire: () => crossing('lock job', () => mutex.tryAcquire()),
    release: () => crossing('unlock job', () => mutex.release()),
  };
}
