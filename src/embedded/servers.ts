/** All own servers of a run as one thing: started together, described in one file, stopped together. */

import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { acquireOwnerLock, type OwnerLock } from './owner-lock.ts';
import { answersSql, type RunningPostgres, startPostgres } from './postgres.ts';
import { isRunning, processIdSchema } from './processes.ts';
import { answersPing, type RedisRole, type RunningRedis, startRedis } from './redis.ts';
import { redisProgram } from './redis-program.ts';

const DESCRIPTION_FILE = 'servers.json';

const descriptionSchema = z.object({
  databaseUrl: z.string(),
  queueRedisUrl: z.string(),
  cacheRedisUrl: z.string(),
  owner: processIdSchema,
  /** Process ids of the servers, for people: nothing is signalled by them. */
  pids: z.object({ postgres: z.number(), queueRedis: z.number(), cacheRedis: z.number() }),
  /** Wall time, ISO 8601. */
  startedAt: z.string(),
});

export type ServerUrls = {
  readonly databaseUrl: string;
  readonly queueRedisUrl: string;
  readonly cacheRedisUrl: string;
};

export type EmbeddedServers = ServerUrls & {
  /** Stops all servers and gives up the folder; a second call waits for the first. */
  stop(): Promise<void>;
};

export type ServersOptions = {
  /** The run's data folder; made when absent. */
  readonly dir: string;
  /** Name of the database; made when absent. */
  readonly database: string;
  /** Path of the Redis server program (NOF0_REDIS_SERVER); found or installed when absent. */
  readonly redisServerPath?: string;
  /** Gets a line for a person whenever something noticeable happens. */
  readonly onProgress?: (line: string) => void;
};

/**
 * Starts Postgres and both Redis servers of the run in `dir`, or adopts those that a killed owner left running.
 * The servers survive this process; only `stop` ends them.
 *
 * @throws NOF0_RUN_BUSY when a living process owns the folder (details: pid)
 * @throws NOF0_SERVER_MISSING when a server program is not there and cannot be installed
 * @throws NOF0_SERVER_START when a server does not start; those that did are stopped again
 */
export async function startServers(options: ServersOptions): Promise<EmbeddedServers> {
  await mkdir(options.dir, { recursive: true });
  // Servers report their folders with links resolved, and are recognised by them.
  const dir = await realpath(options.dir);
  const lock = await acquireOwnerLock(dir);
  try {
    const started = await startAll(dir, options);
    const stopAll = (): Promise<void> => stop(dir, lock, [started.postgres, started.queue, started.cache]);
    const urls = await describe(dir, lock, started).catch(async (error: unknown) => {
      await stopAll();
      throw error;
    });
    let stopping: Promise<void> | null = null;
    return {
      ...urls,
      stop: () => {
        stopping ??= stopAll();
        return stopping;
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Where the servers of the run in `dir` are while somebody holds them, whether they answer or not; else null. */
export async function describedServers(dir: string): Promise<(ServerUrls & { readonly ownerPid: number }) | null> {
  const path = join(dir, DESCRIPTION_FILE);
  if (!existsSync(path)) return null;
  const parsed = descriptionSchema.safeParse(parseJson(await readFile(path, 'utf8')));
  if (!parsed.success || !isRunning(parsed.data.owner)) return null;
  const { databaseUrl, queueRedisUrl, cacheRedisUrl, owner } = parsed.data;
  return { databaseUrl, queueRedisUrl, cacheRedisUrl, ownerPid: owner.pid };
}

/** The servers of the run in `dir` when they run and answer, for a second process that wants to use them; else null. */
export async function findServers(dir: string): Promise<(ServerUrls & { readonly ownerPid: number }) | null> {
  const found = await describedServers(dir);
  if (found === null) return null;
  const { databaseUrl, queueRedisUrl, cacheRedisUrl } = found;
  const answers = await Promise.all([answersSql(databaseUrl), answersPing(queueRedisUrl), answersPing(cacheRedisUrl)]);
  return answers.every(Boolean) ? found : null;
}

type Started = { readonly postgres: RunningPostgres; readonly queue: RunningRedis; readonly cache: RunningRedis };

/** Starts the three at once; when one fails, stops the others before the failure is passed on. */
async function startAll(dir: string, options: ServersOptions): Promise<Started> {
  const onProgress = options.onProgress ?? (() => undefined);
  let found: Promise<string> | null = null;
  // Asked by both roles, answered once.
  const program = (): Promise<string> => {
    found ??= redisProgram(options.redisServerPath, onProgress);
    return found;
  };
  const redis = (role: RedisRole): Promise<RunningRedis> => startRedis({ dir, role, program, onProgress });
  const results = await Promise.allSettled([
    startPostgres({ dir, database: options.database, onProgress }),
    redis('queue'),
    redis('cache'),
  ]);
  const [postgres, queue, cache] = results;
  if (postgres.status === 'fulfilled' && queue.status === 'fulfilled' && cache.status === 'fulfilled') {
    return { postgres: postgres.value, queue: queue.value, cache: cache.value };
  }
  await Promise.all(results.map((result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)));
  throw results.find((result) => result.status === 'rejected')?.reason;
}

/** Writes down what runs, in one step, so that a reader never sees half of it. The file holds the password. */
async function describe(dir: string, lock: OwnerLock, started: Started): Promise<ServerUrls> {
  const urls = {
    databaseUrl: started.postgres.url,
    queueRedisUrl: started.queue.url,
    cacheRedisUrl: started.cache.url,
  };
  const description: z.infer<typeof descriptionSchema> = {
    ...urls,
    owner: lock.owner,
    pids: {
      postgres: started.postgres.process.pid,
      queueRedis: started.queue.process.pid,
      cacheRedis: started.cache.process.pid,
    },
    startedAt: new Date().toISOString(),
  };
  const path = join(dir, DESCRIPTION_FILE);
  await rm(`${path}.new`, { force: true });
  await writeFile(`${path}.new`, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return urls;
}

/** Stops everything and gives the folder free last. A server that would not end is reported after the others ended. */
async function stop(dir: string, lock: OwnerLock, servers: readonly { stop(): Promise<void> }[]): Promise<void> {
  await rm(join(dir, DESCRIPTION_FILE), { force: true });
  const results = await Promise.allSettled(servers.map((server) => server.stop()));
  await lock.release();
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // A damaged file describes no servers.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
