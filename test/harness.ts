/** A run of its own for a test file: cloned database, own key prefix, real servers. */

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { inject } from 'vitest';
import { type Config, loadConfig } from '../src/config.ts';
import type { Stories } from '../src/engine/context.ts';
import type { FrameBuilder } from '../src/engine/market-frame.ts';
import { openResources, openStories, type Resources } from '../src/resources.ts';
import { Database } from '../src/store/database.ts';
import { declareRun, type RunRow } from '../src/store/runs.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { TEMPLATE } from './global-setup.ts';
import { REPO } from './paths.ts';

export { REPO, SHARED } from './paths.ts';

export type TestServers = {
  readonly databaseUrl: string;
  readonly queueRedisUrl: string;
  readonly cacheRedisUrl: string;
};

export type TestRun = {
  readonly servers: TestServers;
  readonly prefix: string;
  readonly config: Config;
  readonly resources: Resources;
  /** Opens the market, exchange and models of the run. */
  stories(): Promise<{ stories: Stories; frames: FrameBuilder }>;
  close(): Promise<void>;
};

/** `marketNowMs`: how far the slots of a replay have fired; a test that works slots itself lets it be the end. */
export type TestRunOptions = Partial<
  Pick<RunRow, 'kind' | 'settings' | 'seed' | 'startMs' | 'endMs' | 'marketNowMs'>
> & {
  readonly servers?: Partial<TestServers>;
  readonly config?: Config;
  /** Folder of journal files; absent: none are written. */
  readonly journalDir?: string;
};

/** The configuration of the repository, with nothing from this machine's environment. */
export function testConfig(env: Record<string, string> = {}): Config {
  return loadConfig({ env: { NOF0_LOG_LEVEL: 'fatal', NOF0_LOG_FORMAT: 'json', ...env }, cwd: REPO });
}

/** Clones the template, declares the run and opens its resources. Close it in `afterAll`. */
export async function createRun(options: TestRunOptions = {}): Promise<TestRun> {
  const name = `t_${randomBytes(5).toString('hex')}`;
  const template = new URL(inject('databaseUrl'));
  await admin(template, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const url = new URL(template);
  url.pathname = `/${name}`;
  const servers: TestServers = {
    databaseUrl: url.toString(),
    queueRedisUrl: inject('queueRedisUrl'),
    cacheRedisUrl: inject('cacheRedisUrl'),
    ...options.servers,
  };
  const config = options.config ?? testConfig();
  const db = new Database(servers.databaseUrl, { max: 1, applicationName: 'test', onError: () => {} });
  await declareRun(db, {
    name,
    kind: options.kind ?? 'synthetic',
    settings: options.settings ?? {},
    seed: options.seed ?? 'test',
    startMs: options.startMs ?? null,
    endMs: options.endMs ?? null,
  });
  if (options.marketNowMs !== undefined) await setClock(db, options.marketNowMs);
  await db.close();
  const prefix = `test.${name}`;
  const journal = options.journalDir === undefined ? {} : { journalDir: options.journalDir };
  const logger = createLogger(config.log);
  const resources = await openResources({ config, servers, prefix, role: 'test', logger, ...journal });
  return {
    servers,
    prefix,
    config,
    resources,
    stories: () => openStories(resources),
    async close() {
      await resources.close();
      await admin(template, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await Promise.all([forget(servers.queueRedisUrl, prefix), forget(servers.cacheRedisUrl, prefix)]);
    },
  };
}

/** Lets the slots of a replay have fired up to here, or takes back that they have. */
export async function setClock(db: Database, marketNowMs: number | null): Promise<void> {
  await db.query('UPDATE runs SET market_now_ms = $1', [marketNowMs]);
}

async function admin(template: URL, statement: string): Promise<void> {
  const url = new URL(template);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function forget(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl);
  try {
    const keys = [...(await redis.keys(`${prefix}:*`)), ...(await redis.keys(`v:{${prefix}:*`))];
    if (keys.length > 0) await redis.del(...keys);
  } catch {
    // A test may have stopped this very server; there is nothing to forget then.
  } finally {
    redis.disconnect();
  }
}
