/**
 * Notices that the cache has lost everything (it was flushed, or its server began anew) and fills it again before readers have to. A key
 * without a lifetime stands for all others: while it is there, nothing was lost at once.
 */

import { messageOf } from '../src/errors.ts';
import { rebuildKeys } from '../src/projections/rebuild.ts';
import { refreshLock } from '../src/redis/lock.ts';
import type { Resources } from '../src/resources.ts';
import { type Polling, startPolling } from './poll.ts';

/** A process that dies over it is followed within this. */
const LOCK_MS = 30_000;

/** Looks once; true when this process has filled the cache. Throws when Redis or Postgres do. */
export async function fillWhenEmpty(resources: Resources): Promise<boolean> {
  const { cacheRedis, keys, publisher, prices, metrics, logger } = resources;
  if (!publisher.available || (await cacheRedis.exists(keys.cacheMark())) === 1) return false;
  const lock = refreshLock(cacheRedis, keys.lock('cache', 'fill'), LOCK_MS, () =>
    metrics.swallowed.inc({ reason: 'lock_lost' }),
  );
  if (!(await lock.tryAcquire())) return false;
  try {
    // Somebody else may have just finished.
    if ((await cacheRedis.exists(keys.cacheMark())) === 1) return false;
    const startedAt = performance.now();
    const rebuilt = await rebuildKeys(publisher, prices, { missingOnly: true });
    await cacheRedis.set(keys.cacheMark(), String(Date.now()));
    metrics.cacheRebuilds.inc();
    const written = rebuilt.reduce((sum, family) => sum + family.written, 0);
    logger.info({ written, ms: Math.round(performance.now() - startedAt) }, 'the cache was empty; it is filled again');
    return true;
  } finally {
    await lock.release().catch(() => metrics.swallowed.inc({ reason: 'lock_release' }));
  }
}

/** Looks every second, for the first time after one: at the start others have more to do. */
export function startCacheWatch(resources: Resources): Polling {
  return startPolling(async () => {
    try {
      await fillWhenEmpty(resources);
    } catch (error) {
      resources.logger.warn({ error: messageOf(error) }, 'the cache could not be filled');
    }
  });
}
