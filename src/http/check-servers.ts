/** Whether the servers of a run answer. */

import type { Resources } from '../resources.ts';
import { inTime } from './in-time.ts';

type Check = 'up' | 'down';

/** Asks every server at once. Without the cache the process still works: reads come from Postgres. */
export async function checkServers(
  { db, queueRedis, cacheRedis }: Resources,
  timeoutMs?: number,
): Promise<Record<string, Check>> {
  const check = async (answered: Promise<unknown>): Promise<Check> => {
    try {
      await inTime(answered, timeoutMs);
      return 'up';
    } catch {
      // The answer of the probe is the report; the connection's own error handler logs the reason.
      return 'down';
    }
  };
  const [postgres, queue, cache] = await Promise.all([
    check(db.query('SELECT 1')),
    check(queueRedis.ping()),
    check(cacheRedis.ping()),
  ]);
  return { postgres, queue, cache };
}
