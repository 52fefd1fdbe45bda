/** A worker of the freshness bench, in a process of its own. Told by a message what to work on; says when it does. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '../src/config.ts';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { ingestPrices } from '../src/engine/ingest-prices.ts';
import { registerArena } from '../src/engine/register-arena.ts';
import { JOB_NAMES } from '../src/jobs/registry.ts';
import { openResources, openStories, type Resources } from '../src/resources.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { startWorkers } from '../workers/main.ts';

export type StartWorker = { readonly servers: ServerUrls; readonly dir: string; readonly models: number };

/** Resources of an arena with so many models that decide nothing: nobody schedules them. */
export async function openArena(options: StartWorker & { register?: boolean }): Promise<Resources> {
  const { servers, dir, register } = options;
  const arenaFile = path.join(dir, `arena-${process.pid}.yaml`);
  const models = Array.from({ length: options.models }, (_, n) => ({ id: `model-${n}`, strategy: 'buy-and-hold' }));
  // JSON is YAML.
  await writeFile(arenaFile, JSON.stringify({ seed: 'bench', history: '30m', models }));
  const config = loadConfig({ env: { NOF0_LOG_LEVEL: 'warn', NOF0_LOG_FORMAT: 'json' }, cwd: dir, arenaFile });
  const logger = createLogger(config.log, { run: 'bench' }, path.join(dir, `bench-${process.pid}.log`));
  const resources = await openResources({ config, servers, prefix: 'bench', role: 'bench', logger });
  if (register) {
    const { stories } = await openStories(resources);
    await registerArena(stories, resources.run, Date.now());
    await ingestPrices(stories, Date.now(), new AbortController().signal);
  }
  return resources;
}

process.once('message', async (start: StartWorker) => {
  const resources = await openArena(start);
  await startWorkers(resources, await openStories(resources), { queues: JOB_NAMES, concurrency: 8 });
  process.send?.('working');
});
process.once('disconnect', () => process.exit(0));
