/** Which run a process belongs to, and where its data is. Runs see nothing of each other. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import type { Config } from './config.ts';
import { CodedError, messageOf } from './errors.ts';
import { connectRedis, openRedis, type RedisRole } from './redis/connections.ts';
import { forgetRun } from './redis/forget-run.ts';
import { redactUrl } from './telemetry/logger.ts';

/** The run that has the plain names on shared servers: the database of the address and the prefix as configured. */
const MAIN_RUN = 'main';

/**
 * The run of a command that names none and finds none. On servers of our own each market has a run, so that a look at a real one does not
 * need another name than the demo's.
 */
export function defaultRun(shared: boolean, market = 'synthetic'): string {
  if (shared) return MAIN_RUN;
  return market === 'synthetic' ? 'demo' : market;
}

export type RunServers = {
  readonly databaseUrl: string;
  readonly queueRedisUrl: string;
  readonly cacheRedisUrl: string;
};

/** Addresses and key prefix of a run on shared servers: the default run has the plain names, any other one its own. */
export function sharedServers(
  config: Config & { servers: NonNullable<Config['servers']> },
  run: string,
): RunServers & { prefix: string } {
  if (run === MAIN_RUN) return { ...config.servers, prefix: config.redisPrefix };
  const url = new URL(config.servers.databaseUrl);
  url.pathname = `${url.pathname.replace(/\/$/, '') || '/nof0'}_${run.replaceAll('-', '_')}`;
  return { ...config.servers, databaseUrl: url.toString(), prefix: `${config.redisPrefix}.${run}` };
}

/** Folder of a run's embedded servers, log and journal. */
export function runDir(config: Config, run: string): string {
  return path.join(config.dataDir, run);
}

/** Folder of a run's journal. */
export function journalDir(config: Config, run: string): string {
  return path.join(runDir(config, run), 'journal');
}

/** Folder of a run's archived rows. */
export function archiveDir(config: Config, run: string): string {
  return path.join(runDir(config, run), 'archive');
}

const LAST_RUN = 'last-run';

/** Remembers the run that a command without `--run` means from now on. */
export function rememberRun(config: Config, run: string): void {
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(path.join(config.dataDir, LAST_RUN), `${run}\n`);
}

/** The run that was brought up last in this folder, if its data is still there. */
export function lastRun(config: Config): string | null {
  const file = path.join(config.dataDir, LAST_RUN);
  const name = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return name !== '' && existsSync(runDir(config, name)) ? name : null;
}

/** A name for a fresh run: `replay-20261120-083000`. */
export function freshRun(kind: string, now = new Date()): string {
  return `${kind}-${now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}`;
}

/** Creates the database of the address if its server has none of that name. Throws NOF0_DATABASE_UNAVAILABLE with a clear line. */
export async function ensureDatabase(databaseUrl: string): Promise<void> {
  const name = decodeURIComponent(new URL(databaseUrl).pathname.slice(1));
  try {
    await withClient(databaseUrl, async () => {});
    return;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === '3D000')) throw unavailable(databaseUrl, error);
  }
  const maintenance = new URL(databaseUrl);
  maintenance.pathname = '/postgres';
  await withClient(maintenance.toString(), async (client) => {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`).catch((error: unknown) => {
      // Somebody else was faster: that is what was wanted.
      if (!(error instanceof Error && 'code' in error && (error.code === '42P04' || error.code === '23505')))
        throw error;
    });
  }).catch((error: unknown) => {
    throw unavailable(databaseUrl, error);
  });
}

/** Removes everything of the run from both Redis: for a run whose database was replaced. Nobody may work on it. */
export async function forgetKeys({ queueRedisUrl, cacheRedisUrl }: RunServers, prefix: string): Promise<void> {
  const roles: [RedisRole, string][] = [
    ['queue', queueRedisUrl],
    ['cache', cacheRedisUrl],
  ];
  for (const [role, url] of roles) {
    // What goes wrong rejects the command that is under way.
    const redis = openRedis(url, 'nof0-forget', () => {});
    try {
      await connectRedis(redis, role, redactUrl(url));
      await forgetRun(redis, prefix);
    } finally {
      redis.disconnect();
    }
  }
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {});
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function unavailable(url: string, error: unknown): CodedError {
  return new CodedError(
    'NOF0_DATABASE_UNAVAILABLE',
    `Postgres at ${redactUrl(url)} does not answer: ${messageOf(error)}`,
    { cause: error },
  );
}
