import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { acquireOwnerLock } from '../../src/embedded/owner-lock.ts';
import { identifyProcess } from '../../src/embedded/processes.ts';
import { type EmbeddedServers, findServers, type ServerUrls, startServers } from '../../src/embedded/servers.ts';

const TIMEOUT_MS = 60_000;
const isRoot = process.getuid?.() === 0;

let root: string;
let dir: string;
let running: EmbeddedServers[];
let children: ChildProcess[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'nof0-servers-'));
  // Temporary folders are closed to others; only the tests about that keep them so.
  await chmod(root, 0o755);
  dir = join(root, 'run');
  running = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(running.map((servers) => servers.stop()));
  const note = join(dir, 'postgres.location');
  const moved = existsSync(note) ? dirname((await readFile(note, 'utf8')).trim()) : null;
  if (moved !== null) await rm(moved, { recursive: true, force: true });
  await rm(root, { recursive: true, force: true });
}, TIMEOUT_MS);

async function start(): Promise<EmbeddedServers> {
  const servers = await startServers({ dir, database: 'arena' });
  running.push(servers);
  return servers;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function withRedis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

const setting = (url: string, name: string): Promise<unknown> =>
  withRedis(url, async (client) => ((await client.config('GET', name)) as string[])[1]);

const pidsSchema = z.object({
  pids: z.object({ postgres: z.number(), queueRedis: z.number(), cacheRedis: z.number() }),
});

async function serverPids(): Promise<number[]> {
  return Object.values(pidsSchema.parse(JSON.parse(await readFile(join(dir, 'servers.json'), 'utf8'))).pids);
}

async function remember(urls: ServerUrls): Promise<void> {
  await query(urls.databaseUrl, 'CREATE TABLE kept (id int)');
  await query(urls.databaseUrl, 'INSERT INTO kept VALUES (7)');
  await withRedis(urls.queueRedisUrl, (client) => client.set('kept', 'yes'));
}

async function expectRemembered(urls: ServerUrls): Promise<void> {
  expect(await query(urls.databaseUrl, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
  expect(await withRedis(urls.queueRedisUrl, (client) => client.get('kept'))).toBe('yes');
}

/** Starts servers in a process of their own and answers once they run. */
async function startInChild(): Promise<{ child: ChildProcess; urls: ServerUrls }> {
  const module = new URL('../../src/embedded/servers.ts', import.meta.url).href;
  const program = `
    const { startServers } = await import(${JSON.stringify(module)});
    const servers = await startServers({ dir: ${JSON.stringify(dir)}, database: 'arena' });
    process.stdout.write(JSON.stringify(servers) + '\\n');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8')));
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
  });
  return { child, urls: JSON.parse(line) as ServerUrls };
}

async function killHard(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

describe('embedded servers', { timeout: TIMEOUT_MS }, () => {
  it('serve a database and two Redis roles with the settings of their role', async () => {
    const servers = await start();
    expect(await query(servers.databaseUrl, 'SELECT 1 AS one, current_database() AS name')).toEqual([
      { one: 1, name: 'arena' },
    ]);
    expect(await query(servers.databaseUrl, 'SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
    for (const url of [servers.queueRedisUrl, servers.cacheRedisUrl]) {
      await withRedis(url, (client) => client.set('key', 'value'));
      expect(await withRedis(url, (client) => client.get('key'))).toBe('value');
      expect(await setting(url, 'save')).toBe('');
    }
    expect(await setting(servers.queueRedisUrl, 'maxmemory-policy')).toBe('noeviction');
    expect(await setting(servers.queueRedisUrl, 'appendonly')).toBe('yes');
    expect(await setting(servers.cacheRedisUrl, 'maxmemory-policy')).toBe('volatile-lru');
    expect(await setting(servers.cacheRedisUrl, 'maxmemory')).toBe(String(512 * 1024 * 1024));
    expect(await setting(servers.cacheRedisUrl, 'appendonly')).toBe('no');
  });

  it('refuse a second owner, who can still find and use them', async () => {
    const servers = await start();
    await expect(start()).rejects.toMatchObject({ code: 'NOF0_RUN_BUSY', details: { pid: process.pid } });
    const { databaseUrl, queueRedisUrl, cacheRedisUrl } = servers;
    expect(await findServers(dir)).toEqual({ databaseUrl, queueRedisUrl, cacheRedisUrl, ownerPid: process.pid });
    for (const secret of ['servers.json', 'postgres.password']) {
      expect((await stat(join(dir, secret))).mode & 0o777).toBe(0o600);
    }
  });

  it('leave no process when stopped and keep their data for the next start', async () => {
    const first = await start();
    const pids = await serverPids();
    await remember(first);
    await Promise.all([first.stop(), first.stop()]);
    expect(pids.map(identifyProcess)).toEqual([null, null, null]);
    expect(await findServers(dir)).toBeNull();
    await expectRemembered(await start());
  });

  it('are adopted with their data after their owner was killed', async () => {
    const { child, urls } = await startInChild();
    await remember(urls);
    const pids = await serverPids();
    await killHard(child);
    expect(await findServers(dir)).toBeNull();
    const next = await start();
    expect(await serverPids()).toEqual(pids);
    await expectRemembered(next);
    await next.stop();
    expect(pids.map(identifyProcess)).toEqual([null, null, null]);
  });

  it('start again with their data after they and their owner were killed', async () => {
    const { child, urls } = await startInChild();
    await remember(urls);
    // The append-only file reaches the kernel at every write, so that only a power loss could cost this key.
    const pids = await serverPids();
    await killHard(child);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await expectRemembered(await start());
  });

  it('start although another program got the pid of a dead Postgres', async () => {
    await (await start()).stop();
    const data = existsSync(join(dir, 'postgres.location'))
      ? (await readFile(join(dir, 'postgres.location'), 'utf8')).trim()
      : join(dir, 'postgres');
    await writeFile(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n1700000000\n5432\n\n127.0.0.1\n\n`);
    const servers = await start();
    expect(await query(servers.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('say what to do when the named Redis program does not run, and leave nothing running', async () => {
    const redisServerPath = '/nonexistent/redis-server';
    const attempt = startServers({ dir, database: 'arena', redisServerPath });
    await expect(attempt).rejects.toMatchObject({
      code: 'NOF0_SERVER_MISSING',
      message: expect.stringMatching(/NOF0_REDIS_SERVER.*REDIS_URL/),
    });
    expect(existsSync(join(dir, 'postgres', 'postmaster.pid'))).toBe(false);
    await start();
  });

  it.runIf(isRoot)('move the database of a run that its system user cannot reach, and never the folder', async () => {
    await chmod(root, 0o700);
    const first = await start();
    await remember(first);
    const noted = (await readFile(join(dir, 'postgres.location'), 'utf8')).trim();
    expect(existsSync(join(noted, 'PG_VERSION'))).toBe(true);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    await first.stop();
    await expectRemembered(await start());
  });

  it.runIf(isRoot)('begin empty when a run with a moved database was deleted', async () => {
    await chmod(root, 0o700);
    const first = await start();
    await remember(first);
    await first.stop();
    await rm(dir, { recursive: true });
    const second = await start();
    expect(await query(second.databaseUrl, "SELECT to_regclass('kept') AS kept")).toEqual([{ kept: null }]);
  });
});

describe('owner lock', () => {
  beforeEach(() => mkdir(dir));

  it('goes to exactly one of many who find a dead owner', async () => {
    await writeFile(join(dir, 'owner.lock'), JSON.stringify({ pid: 2 ** 31 - 1, startTicks: '1' }));
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => acquireOwnerLock(dir)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });

  it.runIf(process.platform === 'linux')(
    'passes on when the pid of a dead owner was given to another process',
    async () => {
      await writeFile(join(dir, 'owner.lock'), JSON.stringify({ pid: process.pid, startTicks: '1' }));
      expect((await acquireOwnerLock(dir)).owner.pid).toBe(process.pid);
    },
  );

  it('passes on when its file was damaged', async () => {
    await writeFile(join(dir, 'owner.lock'), '{"pid":');
    expect((await acquireOwnerLock(dir)).owner.pid).toBe(process.pid);
  });
});
