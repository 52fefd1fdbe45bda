/** For operators and their tools: is the process alive, can it work, what does it count. */

import { Hono } from 'hono';
import type { Resources } from '../resources.ts';
import { inTime } from './in-time.ts';
import { Scrape } from './scrape.ts';

/** Addresses of this file, for the index page. */
export const OPERATION_ADDRESSES = [
  ['/healthz', 'whether the process lives'],
  ['/readyz', 'whether it can work'],
  ['/metrics', 'Prometheus metrics'],
] as const;

export function operationRoutes(resources: Resources): Hono {
  const routes = new Hono();
  routes.get('/healthz', (c) => c.json({ status: 'ok' }, 200, { 'Cache-Control': 'no-store' }));
  routes.get('/readyz', async (c) => {
    const checks = await checkServers(resources);
    const isReady = checks.postgres === 'up' && checks.queue === 'up';
    const status = !isReady ? 'unavailable' : checks.cache === 'up' ? 'ready' : 'degraded';
    return c.json({ status, checks }, isReady ? 200 : 503, { 'Cache-Control': 'no-store' });
  });
  const scrape = new Scrape(resources);
  routes.get('/metrics', async (c) => {
    await scrape.take();
    const { registry } = resources.metrics;
    return c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType });
  });
  return routes;
}

type Check = 'up' | 'down';

/** Asks every server at once. Without the cache the process still works: reads come from Postgres. */
export async function checkServers({ db, queueRedis, cacheRedis }: Resources): Promise<Record<string, Check>> {
  const check = async (answered: Promise<unknown>): Promise<Check> => {
    try {
      await inTime(answered);
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
