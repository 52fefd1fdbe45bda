/** For operators and their tools: is the process alive, can it work, what does it count. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { Gauge, type Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { pendingEffects } from '../store/effects.ts';

/** How long a check waits for a server. A probe that hangs is worse than one that says no. */
const CHECK_TIMEOUT_MS = 1500;

const EFFECT_KINDS = ['project', 'enqueue', 'stream'];

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
  const queueJobs = queueGauge(resources.metrics.registry);
  routes.get('/metrics', async (c) => {
    await Promise.all([measureOutbox(resources), measureQueues(resources, queueJobs)]);
    const { registry } = resources.metrics;
    return c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType });
  });
  return routes;
}

type Check = 'up' | 'down';

/** Asks every server at once. Without the cache the process still works: reads come from Postgres. */
async function checkServers({ db, queueRedis, cacheRedis }: Resources): Promise<Record<string, Check>> {
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

async function measureOutbox({ db, metrics, logger }: Resources): Promise<void> {
  try {
    const pending = await inTime(pendingEffects(db));
    for (const kind of EFFECT_KINDS) {
      metrics.effectsPending.set({ kind }, pending.find((row) => row.kind === kind)?.count ?? 0);
    }
  } catch (error) {
    // No figure is better than an old one, and the other metrics are wanted most of all during an outage.
    metrics.effectsPending.reset();
    metrics.swallowed.inc({ reason: 'metrics_outbox' });
    logger.debug({ error: messageOf(error) }, 'the outbox could not be measured');
  }
}

async function measureQueues({ queues, metrics, logger }: Resources, gauge: Gauge): Promise<void> {
  try {
    const depths = await inTime(queues.depths());
    for (const { queue, counts } of depths) {
      for (const [state, count] of Object.entries(counts)) gauge.set({ queue, state }, count);
    }
  } catch (error) {
    gauge.reset();
    metrics.swallowed.inc({ reason: 'metrics_queues' });
    logger.debug({ error: messageOf(error) }, 'the queues could not be measured');
  }
}

/** The gauge of this registry: one however many servers a process opens. */
function queueGauge(registry: Registry): Gauge {
  const name = 'nof0_queue_jobs';
  const existing = registry.getSingleMetric(name);
  if (existing instanceof Gauge) return existing;
  return new Gauge({ name, help: 'Jobs by queue and state', labelNames: ['queue', 'state'], registers: [registry] });
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(CHECK_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer in ${CHECK_TIMEOUT_MS} ms`);
  });
  // The loser of the race rejects later, when nobody listens any more.
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
