import { readFile } from 'node:fs/promises';
import { Agent, createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { startHttp } from '../../src/http/server.ts';
import { openArena, type TestArena } from './arena.ts';
import * as shapes from './shapes.ts';

let arena: TestArena;

beforeAll(async () => {
  arena = await openArena();
}, 120_000);

afterAll(() => arena?.close(), 60_000);

const readiness = z.strictObject({
  status: z.string(),
  checks: z.strictObject({ postgres: z.string(), queue: z.string(), cache: z.string() }),
});

async function readyz(): Promise<z.infer<typeof readiness> & { code: number }> {
  const started = performance.now();
  const response = await createApi(arena.resources).request('/readyz');
  expect(performance.now() - started).toBeLessThan(2000);
  return { code: response.status, ...readiness.parse(await response.json()) };
}

/** Ends a Redis server and waits until our client has seen it. */
async function stopRedis(url: string, client: Redis): Promise<void> {
  const closed = new Promise((resolve) => client.once('close', resolve));
  const killer = new Redis(url, { retryStrategy: () => null });
  killer.on('error', () => undefined);
  await killer.shutdown('NOSAVE').catch(() => undefined);
  killer.disconnect();
  await closed;
}

describe('the server', () => {
  it('takes a free port when the usual one is taken, and fails with a code when the given one is', async () => {
    const usual = await startHttp(arena.resources, { host: '127.0.0.1', port: null });
    const other = await startHttp(arena.resources, { host: '127.0.0.1', port: null });
    expect(other.url).not.toBe(usual.url);
    expect((await fetch(`${other.url}/healthz`)).status).toBe(200);
    const taken = startHttp(arena.resources, { host: '127.0.0.1', port: Number(new URL(other.url).port) });
    await expect(taken).rejects.toMatchObject({ code: 'NOF0_CONFIG_INVALID', message: /is taken/ });
    await Promise.all([usual.close(), other.close()]);
  });

  it('fails with a code on an address that is not of this machine', async () => {
    const foreign = startHttp(arena.resources, { host: '192.0.2.1', port: 0 });
    await expect(foreign).rejects.toMatchObject({ code: 'NOF0_CONFIG_INVALID' });
  });

  it('closes quickly although connections are kept open, and twice', async () => {
    const server = await startHttp(arena.resources, { host: '127.0.0.1', port: 0 });
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      httpGet(`${server.url}/healthz`, { agent }, (response) => response.resume().on('end', resolve)).on(
        'error',
        reject,
      );
    });
    const started = performance.now();
    await Promise.all([server.close(), server.close()]);
    expect(performance.now() - started).toBeLessThan(1500);
    agent.destroy();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });

  it('leaves the given port alone after a refusal', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as AddressInfo;
    await expect(startHttp(arena.resources, { host: '127.0.0.1', port })).rejects.toThrow();
    await new Promise((resolve) => blocker.close(resolve));
    const server = await startHttp(arena.resources, { host: '127.0.0.1', port });
    expect(server.url).toBe(`http://127.0.0.1:${port}`);
    await server.close();
  });
});

describe('the dashboard', () => {
  it('shows the queues on loopback, with its own files', async () => {
    const server = await startHttp(arena.resources, { host: '127.0.0.1', port: 0 });
    const page = await fetch(`${server.url}/queues`);
    const text = await page.text();
    expect(page.status).toBe(200);
    const script = /src="([^"]+\.js)"/.exec(text)?.[1] ?? '';
    const file = await fetch(new URL(script, `${server.url}/queues/`));
    expect(file.headers.get('content-type')).toContain('javascript');
    await file.arrayBuffer();
    const queues = await fetch(`${server.url}/queues/api/queues`);
    expect(await queues.json()).toMatchObject({ queues: expect.arrayContaining([expect.objectContaining({})]) });
    await server.close();
  });

  it('is not there beyond loopback', async () => {
    const api = createApi(arena.resources, { host: '0.0.0.0' });
    expect((await api.request('http://localhost/queues')).status).toBe(404);
    expect(await (await api.request('/')).text()).not.toContain('/queues');
  });

  it('refuses web pages of strangers and foreign names of this machine', async () => {
    const api = createApi(arena.resources);
    const url = 'http://127.0.0.1:4280/queues/api/queues';
    const ask = async (headers: Record<string, string>) => (await api.request(url, { headers })).status;
    expect(await ask({ host: '127.0.0.1:4280' })).toBe(200);
    expect(await ask({ host: 'localhost:4280', origin: 'http://localhost:4280' })).toBe(200);
    expect(await ask({ host: '127.0.0.1:4280', origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ host: 'rebound.example:4280' })).toBe(403);
  });
});

describe('metrics', () => {
  it('tell the outbox and the queues as they are now, however many servers there are', async () => {
    const { db, queues } = arena.resources;
    await db.query(`INSERT INTO effects (kind, target, payload) VALUES ('project', 'leaderboard|', '{}')`);
    await queues.all()[0]?.add('x', { v: 1 });
    createApi(arena.resources);
    const response = await createApi(arena.resources).request('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('nof0_effects_pending{kind="project"} 1');
    expect(text).toContain('nof0_effects_pending{kind="enqueue"} 0');
    expect(text).toContain(`nof0_queue_jobs{queue="${queues.all()[0]?.name}",state="waiting"} 1`);
    await db.query('DELETE FROM effects');
    const again = await (await createApi(arena.resources).request('/metrics')).text();
    expect(again).toContain('nof0_effects_pending{kind="project"} 0');
  });
});

// The order matters from here on: one server after the other is lost.
describe('outages', () => {
  it('nothing is missing', async () => {
    expect(await readyz()).toEqual({
      code: 200,
      status: 'ready',
      checks: { postgres: 'up', queue: 'up', cache: 'up' },
    });
  });

  it('without the cache the process is degraded and reads stay right', async () => {
    const api = createApi(arena.resources);
    const paths = [
      ['/api/positions', shapes.positions],
      ['/api/trades', shapes.trades],
      ['/api/leaderboard', shapes.leaderboard],
      ['/api/analytics', shapes.allAnalytics],
      ['/api/crypto-prices', shapes.prices],
      ['/api/models', shapes.models],
    ] as const;
    const tags = async () =>
      Promise.all(paths.map(async ([path]) => (await api.request(path)).headers.get('etag') ?? path));
    const before = await tags();
    await stopRedis(arena.urls.cacheRedisUrl, arena.resources.cacheRedis);
    expect(await readyz()).toMatchObject({ code: 200, status: 'degraded', checks: { cache: 'down', queue: 'up' } });
    expect(await tags()).toEqual(before);
    for (const [path, shape] of paths) shape.parse(await (await api.request(path)).json());
  });

  it('without the queue it is not ready, and still reads', async () => {
    await stopRedis(arena.urls.queueRedisUrl, arena.resources.queueRedis);
    expect(await readyz()).toMatchObject({
      code: 503,
      status: 'unavailable',
      checks: { postgres: 'up', queue: 'down', cache: 'down' },
    });
    const api = createApi(arena.resources);
    expect((await api.request('/api/trades')).status).toBe(200);
    const metrics = await api.request('/metrics');
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).not.toMatch(/^nof0_queue_jobs\{/m);
  });

  it('without Postgres reads are 503 with a code and no address, and the process still lives', async () => {
    const text = await readFile(join(arena.dir, 'servers.json'), 'utf8');
    const { pids } = z.object({ pids: z.object({ postgres: z.number() }) }).parse(JSON.parse(text));
    // Fast shutdown: sessions are ended, the files are left in order.
    process.kill(pids.postgres, 'SIGINT');
    await expect.poll(async () => (await readyz()).checks.postgres, { timeout: 10_000 }).toBe('down');
    const api = createApi(arena.resources);
    for (const path of ['/api/trades', '/api/account-totals', '/api/leaderboard', '/api/crypto-prices']) {
      const response = await api.request(path);
      expect(response.status, path).toBe(503);
      const { error } = shapes.failure.parse(await response.json());
      expect(error.code).toBe('NOF0_DATABASE_UNAVAILABLE');
      expect(error.message).not.toMatch(/127\.0\.0\.1|ECONN/);
    }
    expect((await api.request('/healthz')).status).toBe(200);
    expect((await api.request('/metrics')).status).toBe(200);
  });
});
