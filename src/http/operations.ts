/** For operators and their tools: is the process alive, can it work, what does it count. */

import { Hono } from 'hono';
import { z } from 'zod';
import type { Resources } from '../resources.ts';
import { checkServers } from './check-servers.ts';
import { serverChecks } from './ops-schemas.ts';
import { Scrape } from './scrape.ts';

/** Addresses of this file, for the index page. */
export const OPERATION_ADDRESSES = [
  ['/healthz', 'whether the process lives'],
  ['/readyz', 'whether it can work'],
  ['/metrics', 'Prometheus metrics'],
] as const;

export const health = z.strictObject({ status: z.literal('ok') });
export const readiness = z.strictObject({
  status: z.enum(['ready', 'degraded', 'unavailable']).describe('Degraded: the cache is away, Postgres answers.'),
  checks: serverChecks,
});

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
