/** A worker process: every handler of the queues it was given, and a relay for effects that nobody drains. */

import type { Stories } from '../src/engine/context.ts';
import type { FrameBuilder } from '../src/engine/market-frame.ts';
import { CodedError } from '../src/errors.ts';
import { JOB_NAMES, type JobName, jobsOf } from '../src/jobs/registry.ts';
import { hearControl } from '../src/redis/control-channel.ts';
import type { Resources } from '../src/resources.ts';
import { analyticsHandler } from './analytics.ts';
import { startCacheWatch } from './cache-watch.ts';
import { decisionCycleHandler } from './decision-cycle.ts';
import { type Handler, startWorker } from './define-worker.ts';
import { equityIngestHandler } from './equity-ingest.ts';
import { equityScreenHandler } from './equity-screen.ts';
import { maintenanceHandler } from './maintenance.ts';
import { marketContextHandler } from './market-context.ts';
import { newsSentimentHandler } from './news-sentiment.ts';
import { performanceDailyHandler } from './performance-daily.ts';
import { positionMonitorHandler } from './position-monitor.ts';
import { startPresence } from './presence.ts';
import { priceIngestHandler } from './price-ingest.ts';
import { startRelay } from './relay.ts';
import { snapshotHandler } from './snapshot.ts';
import { tradeIngestHandler } from './trade-ingest.ts';

type Handlers = { readonly [Name in JobName]: Handler<Name> };

/** One handler a contract: the type says so at compile time, `assertComplete` at boot. */
function handlersOf(resources: Resources, { stories, frames }: { stories: Stories; frames: FrameBuilder }): Handlers {
  return {
    'price-ingest': priceIngestHandler(stories),
    'decision-cycle': decisionCycleHandler(stories, frames),
    'trade-ingest': tradeIngestHandler(stories),
    snapshot: snapshotHandler(stories),
    analytics: analyticsHandler(stories),
    maintenance: maintenanceHandler(resources, stories),
    'equity-ingest': equityIngestHandler(stories),
    'equity-screen': equityScreenHandler(stories),
    'position-monitor': positionMonitorHandler(stories),
    'market-context': marketContextHandler(stories),
    'news-sentiment': newsSentimentHandler(stories),
    'performance-daily': performanceDailyHandler(stories),
  };
}

function assertComplete(handlers: Handlers): void {
  const handled = Object.keys(handlers);
  const unhandled = JOB_NAMES.filter((name) => !handled.includes(name));
  const unknown = handled.filter((name) => !JOB_NAMES.includes(name as JobName));
  if (unhandled.length + unknown.length === 0) return;
  throw new CodedError(
    'NOF0_JOB_UNHANDLED',
    `contracts without handler: ${unhandled.join(', ') || 'none'}; handlers without contract: ${unknown.join(', ') || 'none'}`,
  );
}

/**
 * Places of a queue for jobs that only wait. A language model may take a minute to answer, and a model has one cycle at a time: with a place
 * for each, however many of them hang, the others are decided on time. In a replay each model's next snapshot waits for its slot, and those
 * that follow from trades are taken beside them.
 */
function waiting(name: JobName, { stories }: { stories: Stories }): number {
  const traders = [...stories.traders.values()];
  if (name === 'decision-cycle') return traders.filter(({ model }) => !model.deterministic).length;
  return name === 'snapshot' && stories.clock.repeats ? traders.length : 0;
}

/** Starts working. `close` stops taking jobs, lets running ones finish until the deadline, and aborts the rest. */
export async function startWorkers(
  resources: Resources,
  opened: { stories: Stories; frames: FrameBuilder },
  options: { queues: readonly JobName[]; concurrency: number },
): Promise<{ close(deadlineMs: number): Promise<void> }> {
  const handlers = handlersOf(resources, opened);
  assertComplete(handlers);
  const own = jobsOf(resources.run.kind);
  const queues = options.queues.filter((name) => own.includes(name));
  const workers = queues.map((name) =>
    startWorker(resources, name, handlers[name] as Handler<typeof name>, options.concurrency + waiting(name, opened)),
  );
  const relay = startRelay(resources);
  const presence = startPresence(resources);
  const cacheWatch = startCacheWatch(resources);
  const control = await hearControl(
    resources.queueRedisUrl,
    resources.keys,
    ({ cancel }) => {
      for (const worker of workers) worker.cancel(cancel);
    },
    (error) => resources.logger.debug({ error: error.message }, 'control channel'),
  );
  await Promise.all(workers.map((worker) => worker.bull.waitUntilReady()));
  return {
    async close(deadlineMs) {
      await Promise.all([
        relay.stop(),
        presence.stop(),
        cacheWatch.stop(),
        ...workers.map((worker) => worker.close(deadlineMs)),
      ]);
      control.close();
    },
  };
}
