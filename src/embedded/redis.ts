/**
 * The run's own Redis servers. Two roles, two servers, because they want opposite things: the queue must lose
 * nothing and refuse writes rather than forget, the cache may forget anything and must never block.
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startOnFreePort } from './free-port.ts';
import {
  commandLineOf,
  identifyProcess,
  isRunning,
  launchServer,
  type ProcessId,
  stopProcess,
  waitUntilServing,
} from './processes.ts';

export type RedisRole = 'queue' | 'cache';

/** Reading back a large append-only file may take this long. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 2_000;

const ROLE_SETTINGS: Record<RedisRole, Record<string, string>> = {
  // A power loss costs up to one second of the queue's writes; the database is the record that outlives it.
  queue: { appendonly: 'yes', appendfsync: 'everysec', 'maxmemory-policy': 'noeviction' },
  cache: { appendonly: 'no', maxmemory: '512mb', 'maxmemory-policy': 'volatile-lru' },
};

export type RunningRedis = { readonly url: string; readonly process: ProcessId; stop(): Promise<void> };

/**
 * Starts the server of one role for the run in `dir` (a real path, owned by the caller), or adopts the one that a
 * killed owner left running.
 *
 * @param program asked only when a start is needed, because finding the program may mean installing it
 * @throws NOF0_SERVER_MISSING, NOF0_SERVER_START
 */
export async function startRedis(options: {
  dir: string;
  role: RedisRole;
  program: () => Promise<string>;
  onProgress: (line: string) => void;
}): Promise<RunningRedis> {
  const home = join(options.dir, `redis-${options.role}`);
  await mkdir(home, { recursive: true });
  const adopted = await adopt(home);
  const found = adopted ?? (await startFresh(home, options.role, await options.program()));
  options.onProgress(`Redis (${options.role}) ${adopted ? 'was still running' : 'runs'} on port ${found.port}`);
  return {
    url: `redis://127.0.0.1:${found.port}`,
    process: found.process,
    stop: () => stopProcess(found.process, 'SIGTERM', STOP_TIMEOUT_MS),
  };
}

/** Whether the server at `url` answers PING within two seconds; one that still loads its data does not. */
export async function answersPing(url: string): Promise<boolean> {
  return (await withClient(Number(new URL(url).port), (client) => client.ping())) === 'PONG';
}

type Found = { readonly port: number; readonly process: ProcessId };

function startFresh(home: string, role: RedisRole, program: string): Promise<Found> {
  return startOnFreePort(async (port) => {
    const configFile = join(home, 'redis.conf');
    await writeFile(configFile, configText(home, role, port), { mode: 0o600 });
    const server = await launchServer({
      // A locale of the caller's that is not installed here makes the server refuse to start.
      command: 'env',
      args: ['LC_ALL=C', program, configFile],
      cwd: home,
      logFile: join(home, 'redis.log'),
    });
    await waitUntilServing(`Redis (${role})`, server, () => isServing(home, port, server.id.pid), START_TIMEOUT_MS);
    return { port, process: server.id };
  });
}

/** The configuration file of this start. It also tells the next owner on which port to look for this server. */
function configText(home: string, role: RedisRole, port: number): string {
  const settings: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    'protected-mode': 'yes',
    daemonize: 'no',
    dir: home,
    logfile: join(home, 'redis.log'),
    pidfile: pidFileOf(home),
    save: '',
    ...ROLE_SETTINGS[role],
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `# Written anew at every start.\n${lines.join('\n')}\n`;
}

/** The server a dead owner left behind: adopted when it serves our folder, stopped when it hangs. */
async function adopt(home: string): Promise<Found | null> {
  const port = await lastPort(home);
  if (port === null) return null;
  const seen = await inspect(port);
  const running = seen?.dir === home ? identifyProcess(seen.pid) : null;
  if (running === null) {
    // A server of another folder that answers there is the one this folder was copied from.
    if (seen === null) await stopSilent(home, port);
    return null;
  }
  const deadline = Date.now() + START_TIMEOUT_MS;
  // It may still be reading its data, or be on its way out.
  while (Date.now() < deadline && isRunning(running)) {
    if (await isServing(home, port, running.pid)) return { port, process: running };
    await sleep(25);
  }
  await stopProcess(running, 'SIGTERM', STOP_TIMEOUT_MS);
  return null;
}

/** Ends a server of ours that lives and does not answer: two of them on one append-only file would destroy it. */
async function stopSilent(home: string, port: number): Promise<void> {
  const pidFile = pidFileOf(home);
  if (!existsSync(pidFile)) return;
  const pid = Number((await readFile(pidFile, 'utf8')).trim());
  const running = Number.isInteger(pid) && pid > 0 ? identifyProcess(pid) : null;
  if (running === null) return;
  // Redis shows its port as its title; without that, another program got the pid of a dead server.
  const title = await commandLineOf(pid);
  const isOurs = /redis|valkey/.test(title) && (title.includes(`:${port}`) || title.includes(home));
  if (isOurs) await stopProcess(running, 'SIGTERM', STOP_TIMEOUT_MS);
}

async function isServing(home: string, port: number, pid: number): Promise<boolean> {
  const seen = await inspect(port);
  return seen !== null && seen.dir === home && seen.pid === pid && !seen.loading;
}

/** Which folder and process answer on a port, and whether that server still reads its data. */
function inspect(port: number): Promise<{ dir: string; pid: number; loading: boolean } | null> {
  return withClient(port, async (client) => {
    const [, dir] = (await client.config('GET', 'dir')) as string[];
    const info = await client.info();
    const pid = /^process_id:(\d+)/m.exec(info)?.[1];
    return dir === undefined || pid === undefined ? null : { dir, pid: Number(pid), loading: /^loading:1/m.test(info) };
  });
}

async function lastPort(home: string): Promise<number | null> {
  const configFile = join(home, 'redis.conf');
  if (!existsSync(configFile)) return null;
  const port = /^port "(\d+)"$/m.exec(await readFile(configFile, 'utf8'))?.[1];
  return port === undefined ? null : Number(port);
}

function pidFileOf(home: string): string {
  return join(home, 'redis.pid');
}

/** Runs `use` with a client; null when the server does not answer or refuses, which is an answer to a probe. */
async function withClient<T>(port: number, use: (client: Redis) => Promise<T | null>): Promise<T | null> {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: ANSWER_TIMEOUT_MS,
    commandTimeout: ANSWER_TIMEOUT_MS,
    retryStrategy: () => null,
  });
  // The same fault rejects the call below; here it would only be printed as unhandled.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } catch {
    // Any fault means "not serving (yet)"; whoever waits reads the server's log when it never does.
    return null;
  } finally {
    client.disconnect();
  }
}
