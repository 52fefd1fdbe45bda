/** What the benchmarks share: servers of their own in a temporary folder, a run on them, and figures. */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { type Config, loadConfig } from '../src/config.ts';
import { type ServerUrls, startServers } from '../src/embedded/servers.ts';
import { openResources, type Resources } from '../src/resources.ts';
import { Database } from '../src/store/database.ts';
import { migrate } from '../src/store/migrate.ts';
import { declareRun } from '../src/store/runs.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { tempDir } from '../test/temp-dir.ts';

const REPO = path.resolve(import.meta.dirname, '..');

export const say = (line: string) => process.stdout.write(`${line}\n`);

/** The repository's configuration with nothing from this machine's environment, and what a production process logs. */
export function benchConfig(): Config {
  return loadConfig({ env: { NOF0_LOG_LEVEL: 'info', NOF0_LOG_FORMAT: 'json' }, cwd: REPO });
}

/** Starts empty servers, declares a run on them, and takes everything away again after `work`. */
export async function onStage<T>(work: (servers: ServerUrls, dir: string) => Promise<T>): Promise<T> {
  const dir = await tempDir('nof0-bench-');
  const servers = await startServers({ dir, database: 'bench' });
  try {
    await migrate(servers.databaseUrl);
    const db = new Database(servers.databaseUrl, { max: 1, applicationName: 'bench', onError: () => {} });
    await declareRun(db, { name: 'bench', kind: 'synthetic', settings: {}, seed: 'bench', startMs: null, endMs: null });
    await db.close();
    return await work(servers, dir);
  } finally {
    await servers.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Opens the run's resources as a production process does, its log in a file of the folder. */
export function openBench(servers: ServerUrls, dir: string): Promise<Resources> {
  const config = benchConfig();
  const logger = createLogger(config.log, { run: 'bench' }, path.join(dir, `bench-${process.pid}.log`));
  return openResources({ config, servers, prefix: 'bench', role: 'bench', logger });
}

/** The value below which this part of the values lies. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}
