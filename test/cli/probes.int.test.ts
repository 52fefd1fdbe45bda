import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';

/** Where a process says that its metrics are. */
const ADDRESS = /^metrics {2}(http:\/\/127\.0\.0\.1:\d+)\/metrics$/m;

let dir = '';
let env: Record<string, string> = {};
const started: Nof0[] = [];
let scheduler = '';
let worker = '';

/** Starts a process and waits for the address of its probes. */
async function start(...args: string[]): Promise<string> {
  const process = nof0(args, env);
  started.push(process);
  return (await process.printed(ADDRESS))[1] ?? '';
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'nof0-probes-'));
  const database = new URL(inject('databaseUrl'));
  database.pathname = '/probes';
  env = {
    NOF0_RUN: 'main',
    NOF0_DATA_DIR: dir,
    NOF0_REDIS_PREFIX: 'probes',
    DATABASE_URL: database.toString(),
    REDIS_QUEUE_URL: inject('queueRedisUrl'),
    REDIS_CACHE_URL: inject('cacheRedisUrl'),
  };
  // The scheduler declares the run; without it the others do not start.
  scheduler = await start('scheduler');
  worker = await start('worker', '--metrics-port', String(await freePort()));
});

afterAll(async () => {
  for (const { process } of started) process.kill('SIGTERM');
  await Promise.all(started.map((process) => process.ended));
  await rm(dir, { recursive: true, force: true });
});

const get = async (url: string) => (await fetch(url)).text();

describe('a process without an API', () => {
  it('of a worker tells how long its jobs ran', async () => {
    const wanted = [
      /^nof0_job_duration_seconds_count\{job="price-ingest",outcome="done"\} [1-9]/m,
      /^nof0_job_duration_seconds_bucket\{le="\+Inf",job="price-ingest",outcome="done"\} [1-9]/m,
      /^db_writes_total\{/m,
      /^nof0_queue_jobs\{queue="price-ingest",state="completed"\} [1-9]/m,
    ];
    await eventually('a finished job', async () => {
      const metrics = await get(`${worker}/metrics`);
      return wanted.every((line) => line.test(metrics));
    });
  });

  it('of a scheduler tells which slots it fired', async () => {
    await eventually('a slot', async () =>
      /^nof0_slots_fired_total\{job="price-ingest"\} [1-9]/m.test(await get(`${scheduler}/metrics`)),
    );
  });

  it.each(['worker', 'scheduler'])('of a %s says that it lives and can work, and serves nothing else', async (role) => {
    const url = role === 'worker' ? worker : scheduler;
    expect(JSON.parse(await get(`${url}/healthz`))).toEqual({ status: 'ok' });
    expect(JSON.parse(await get(`${url}/readyz`))).toMatchObject({ status: 'ready' });
    expect((await fetch(`${url}/api/leaderboard`)).status).toBe(404);
    expect((await fetch(`${url}/queues`)).status).toBe(404);
  });

  it('prints the address once, and takes it from the environment too', async () => {
    expect(started[1]?.output().match(/\/metrics/g)).toHaveLength(1);
    expect(new URL(worker).port).not.toBe(new URL(scheduler).port);
    const port = String(await freePort());
    const other = nof0(['worker', '--queues', 'maintenance'], { ...env, NOF0_METRICS_PORT: port });
    started.push(other);
    expect((await other.printed(ADDRESS))[1]).toBe(`http://127.0.0.1:${port}`);
  });

  it('does not begin on a port that is taken or none', async () => {
    const taken = await runNof0(['worker', '--metrics-port', new URL(worker).port], env);
    expect(taken).toMatchObject({ code: 1, output: expect.stringContaining('NOF0_METRICS_PORT') });
    expect(taken.output).toContain('is taken');
    const none = await runNof0(['worker', '--metrics-port', 'some'], env);
    expect(none).toMatchObject({ code: 1, output: expect.stringContaining('--metrics-port expects a whole number') });
  });

  it('closes them at its end and exits with 0', async () => {
    const [, own] = started;
    own?.process.kill('SIGTERM');
    expect(await own?.ended).toBe(0);
    await expect(fetch(`${worker}/healthz`)).rejects.toThrow();
  });
});
