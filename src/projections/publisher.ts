/**
 * Refreshes, reads and checks projected keys. Every write draws its token before it loads, so an older value can never replace a
 * newer one; the lock in front only keeps processes from computing the same key at the same time.
 */

import { CodedError, messageOf } from '../errors.ts';
import { redisNowMs, type ScriptedRedis } from '../redis/connections.ts';
import { FAMILIES, type Family, type KeyRegistry } from '../redis/keys.ts';
import { type RefreshLock, refreshLock } from '../redis/lock.ts';
import { SingleFlight } from '../store/single-flight.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { announceKeys } from './announce.ts';
import { peek } from './peek.ts';
import { type LoadContext, type Members, type Projection, type Target, typeOf } from './projection.ts';
import { Versions } from './versions.ts';

/** A write that takes longer than this after its token was drawn is refused: its sidecar may have expired. */
const MAX_WRITE_AGE_MS = 10_000;
const SIDECAR_TTL_MS = 60_000;
/** What the script answers to a write that took too long. */
const TOO_LATE = -1;

export type RefreshResult = { readonly written: number; readonly refused: number };

export class Publisher {
  readonly #context: LoadContext;
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #projections = new Map<Family, Projection>();
  readonly #maxWriteAgeMs: number;
  readonly #versions: Versions;
  /** Readers of keys that are missing: one load for all of them. */
  readonly #reads: SingleFlight<Target, Members>;

  constructor(
    context: LoadContext,
    redis: ScriptedRedis,
    keys: KeyRegistry,
    metrics: Metrics,
    logger: Logger,
    projections: readonly Projection[],
    maxWriteAgeMs = MAX_WRITE_AGE_MS,
  ) {
    this.#context = context;
    this.#redis = redis;
    this.#keys = keys;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#maxWriteAgeMs = maxWriteAgeMs;
    this.#versions = new Versions(redis, keys);
    this.#reads = new SingleFlight({
      nameOf: ({ family, ids }) => keys.key(family, ids),
      look: (targets) => this.cached(targets),
      load: (targets) => this.fill(targets),
    });
    for (const projection of projections) this.#projections.set(projection.family, projection);
  }

  get families(): Family[] {
    return [...this.#projections.keys()];
  }

  get context(): LoadContext {
    return this.#context;
  }

  /** Whether the cache answers; without it reads come from Postgres and refreshes wait in the outbox. */
  get available(): boolean {
    return this.#redis.status === 'ready';
  }

  /**
   * Loads and writes the keys. Duplicate targets are one. Throws NOF0_CACHE_UNAVAILABLE when the cache is gone, or when a write came too
   * late to be sure that nothing newer stands there: nobody else may have written the value, so the refresh has to be tried again.
   * `lock` false: others who compute the same keys meanwhile are not waited for.
   */
  async refresh(targets: readonly Target[], { lock = true } = {}): Promise<RefreshResult> {
    const unique = [...new Map(targets.map((target) => [this.#keys.key(target.family, target.ids), target])).values()];
    if (unique.length === 0) return { written: 0, refused: 0 };
    const started = process.hrtime.bigint();
    const fence = await this.#fence();
    const { due, release } = lock ? await this.#lock(unique, fence.token) : { due: unique, release: async () => {} };
    try {
      const values = await this.#load(due);
      const result = await this.#write(due, values, fence);
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      for (const family of new Set(due.map((target) => target.family)))
        this.#metrics.cacheFill.observe({ family }, seconds);
      return result;
    } finally {
      await release();
    }
  }

  /** The value of a key: from Redis, else computed (and written, if the cache allows). Never fails because of the cache. */
  async read(target: Target): Promise<Members> {
    const [value] = await this.readMany([target]);
    return value ?? [];
  }

  /**
   * The values of many keys in the order of the targets; misses are loaded together, and once for everybody who asks for them at the same
   * time in this process.
   */
  readMany(targets: readonly Target[]): Promise<Members[]> {
    return this.#reads.get(targets);
  }

  /** Every key that should exist, of one family or of all. */
  async allTargets(families: readonly Family[] = this.families): Promise<Target[]> {
    const lists = await Promise.all(
      families.map(async (family) =>
        (await this.#projection(family).all(this.#context)).map((ids) => ({ family, ids })),
      ),
    );
    return lists.flat();
  }

  /** The name of a key in Redis. */
  nameOf({ family, ids }: Target): string {
    return this.#keys.key(family, ids);
  }

  /**
   * A text that stays the same as long as the values of the keys (by name) do; null when that cannot be told without reading them.
   */
  async versions(keys: readonly string[]): Promise<string | null> {
    if (!this.available) return null;
    try {
      return await this.#versions.read(keys);
    } catch {
      // Reading the values comes next and says what is wrong.
      this.#metrics.swallowed.inc({ reason: 'cache_read' });
      return null;
    }
  }

  /** What Postgres says a key should hold. */
  load(targets: readonly Target[]): Promise<Members[]> {
    return this.#load(targets);
  }

  /** What Redis holds now; undefined where the key is missing and not known to be empty. */
  peek(targets: readonly Target[]): Promise<(Members | undefined)[]> {
    return peek(this.#redis, this.#keys, targets);
  }

  #projection(family: Family): Projection {
    const projection = this.#projections.get(family);
    if (projection === undefined) throw new CodedError('NOF0_INTERNAL', `no projection for key family "${family}"`);
    return projection;
  }

  /** The order matters: Redis time, then the token, then the load. */
  async #fence(): Promise<{ token: number; redisMs: number }> {
    const redisMs = await redisNowMs(this.#redis).catch((error: unknown) => {
      throw new CodedError('NOF0_CACHE_UNAVAILABLE', `the cache Redis does not answer: ${messageOf(error)}`, {
        cause: error,
      });
    });
    const rows = await this.#context.db.query<{ token: number }>(`SELECT nextval('projection_seq') AS token`);
    return { token: rows[0]?.token ?? 0, redisMs };
  }

  async #load(targets: readonly Target[]): Promise<Members[]> {
    const families = [...new Set(targets.map((target) => target.family))];
    const loaded = new Map<Target, Members>();
    await Promise.all(
      families.map(async (family) => {
        const own = targets.filter((target) => target.family === family);
        const end = this.#metrics.readLatency.startTimer({ source: 'database', family });
        const values = await this.#projection(family).load(
          this.#context,
          own.map((target) => target.ids),
        );
        end();
        for (const [index, target] of own.entries()) loaded.set(target, values[index] ?? []);
      }),
    );
    return targets.map((target) => loaded.get(target) ?? []);
  }

  async #write(
    targets: readonly Target[],
    values: readonly Members[],
    fence: { token: number; redisMs: number },
  ): Promise<RefreshResult> {
    const results = await Promise.all(
      targets.map((target, index) => this.#writeOne(target, values[index] ?? [], fence)),
    );
    for (const [index, target] of targets.entries()) {
      this.#metrics.projectionWrites.inc({
        family: target.family,
        result: results[index] === 1 ? 'written' : 'refused',
      });
    }
    const written = targets.flatMap((target, index) =>
      results[index] === 1 ? [{ target, members: values[index] ?? [] }] : [],
    );
    await announceKeys(this.#redis, this.#keys, this.#metrics, written);
    // Too late is no refusal by a newer value: nothing says that our commit is in what stands there.
    const late = results.filter((result) => result === TOO_LATE).length;
    if (late > 0)
      throw new CodedError(
        'NOF0_CACHE_UNAVAILABLE',
        `${late} keys took longer than ${this.#maxWriteAgeMs} ms to write`,
      );
    return { written: written.length, refused: results.length - written.length };
  }

  async #writeOne(target: Target, members: Members, fence: { token: number; redisMs: number }): Promise<number> {
    const key = this.#keys.key(target.family, target.ids);
    try {
      return await crossing(`write ${target.family}`, () =>
        this.#redis.fencedReplace(
          key,
          this.#keys.sidecar(key),
          fence.token,
          fence.redisMs,
          this.#maxWriteAgeMs,
          this.#keys.ttlMs(target.family),
          SIDECAR_TTL_MS,
          typeOf(target.family),
          ...members,
        ),
      );
    } catch (error) {
      throw new CodedError('NOF0_CACHE_UNAVAILABLE', `writing ${key}: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * Waits a moment for processes that compute the same keys. Whoever had to wait looks at the sidecar: a token drawn after ours
   * means that our commit is in the value already. Without the lock the refresh goes on all the same.
   */
  async #lock(targets: readonly Target[], token: number): Promise<{ due: Target[]; release: () => Promise<void> }> {
    const held: RefreshLock[] = [];
    const due: Target[] = [];
    await Promise.all(
      targets.map(async (target) => {
        if (FAMILIES[target.family].locked) {
          const lock = refreshLock(
            this.#redis,
            this.#keys.lock(target.family, target.ids.join(':') || 'all'),
            this.#keys.lockTtlMs,
            () => this.#metrics.swallowed.inc({ reason: 'lock_lost' }),
          );
          held.push(lock);
          if (!(await lock.tryAcquire()) && (await this.#supersededAfterWait(lock, target, token))) return;
        }
        due.push(target);
      }),
    );
    const release = async () => {
      await Promise.all(
        held.map((lock) => lock.release().catch(() => this.#metrics.swallowed.inc({ reason: 'lock_release' }))),
      );
    };
    return { due, release };
  }

  /** True when the holder we waited for has written something newer than our token. */
  async #supersededAfterWait(lock: RefreshLock, target: Target, token: number): Promise<boolean> {
    const end = this.#metrics.lockWaits.startTimer({ family: target.family });
    await lock.waitFor();
    end();
    const sidecar = await this.#redis.get(this.#keys.sidecar(this.#keys.key(target.family, target.ids)));
    return sidecar !== null && Number(sidecar.split(':')[0]) > token;
  }

  /** What Redis holds, for a reader: undefined where a key is missing, and of all of them when the cache does not answer. */
  async cached(targets: readonly Target[]): Promise<(Members | undefined)[]> {
    if (!this.available) return targets.map(() => undefined);
    try {
      const end = this.#metrics.readLatency.startTimer({ source: 'cache' });
      const found = await peek(this.#redis, this.#keys, targets);
      for (const family of new Set(targets.map((target) => target.family))) end({ family });
      for (const [index, target] of targets.entries()) {
        this.#metrics.cacheReads.inc({ family: target.family, result: found[index] === undefined ? 'miss' : 'hit' });
      }
      return found;
    } catch (error) {
      this.#metrics.swallowed.inc({ reason: 'cache_read' });
      this.#logger.debug({ error: messageOf(error) }, 'cache read failed, reading Postgres');
      return targets.map(() => undefined);
    }
  }

  /** Computes missing keys for a reader and writes them on the way; the reader gets its value even if the write is refused. */
  async fill(targets: readonly Target[]): Promise<Members[]> {
    const fence = this.available ? await this.#fence().catch(() => null) : null;
    const values = await this.#load(targets);
    if (fence !== null) {
      await this.#write(targets, values, fence).catch((error: unknown) => {
        this.#metrics.swallowed.inc({ reason: 'cache_fill' });
        this.#logger.debug({ error: messageOf(error) }, 'cache fill failed');
      });
    }
    return values;
  }
}
