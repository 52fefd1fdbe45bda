/** One Postgres and two Redis servers for the whole test run, with a migrated template database that each file clones. */

import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { startServers } from '../src/embedded/servers.ts';
import { migrate } from '../src/store/migrate.ts';
import { tempDir } from './temp-dir.ts';

export const TEMPLATE = 'nof0_template';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    queueRedisUrl: string;
    cacheRedisUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await tempDir('nof0-test-');
  const servers = await startServers({ dir, database: TEMPLATE });
  await migrate(servers.databaseUrl);
  project.provide('databaseUrl', servers.databaseUrl);
  project.provide('queueRedisUrl', servers.queueRedisUrl);
  project.provide('cacheRedisUrl', servers.cacheRedisUrl);
  return async () => {
    await servers.stop();
    await rm(dir, { recursive: true, force: true });
  };
}
