import { Agent, createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { startHttp } from '../../src/http/server.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { createRun, type TestRun } from '../harness.ts';
import { type CuttableProxy, startProxy } from '../tcp-proxy.ts';
import { seed } from './arena.ts';
import * as shapes from './shapes.ts';

type Server = 'postgres' | 'queue' | 'cache';

let run: TestRun;
let resources: Resources;
let lines: Record<Server, CuttableProxy>;

beforeAll(async () => {
  run = await createRun();
  await seed(run.resources);
  const { databaseUrl, queueRedisUrl, cacheRedisUrl } = run.servers;
  const [postgres, queue, cache] = await Promise.all([databaseUrl, queueRedisUrl, cacheRedisUrl].map(proxied));
  if (!postgres || !queue || !cache) throw new Error('a proxy is missing');
  lines = { postgres: postgres.proxy, queue: queue.proxy, cache: cache.proxy };
  const servers = { databaseUrl: postgres.url, queueRedisUrl: queue.url, cacheRedisUrl: cache.url };
  const { config, logger } = run.resources;
  resources = await openResources({ config, servers, prefix: run.prefix, role: 'test', logger });
});

afterAll(async () => {
  await resources?.close();
  await Promise.all(Object.values(lines ?? {}).map((line) => line.close()));
  await run?.close();
});

/** The same server behind a line that can be cut. */
async function proxied(address: string): Promise<{ url: string; proxy: CuttableProxy }> {
  const url = new URL(address);
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port) });
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  return { url: url.toString(), proxy };
}

const readiness = z.strictObject({
  status: z.string(),
  checks: z.strictObject({ postgres: z.string(), queue: z.string(), cache: z.string() }),
});

async function readyz(): Promise<z.infer<typeof readiness> & { code: number }> {
  const started = performance.now();
  const response = await createApi(resources).request('/readyz');
  expect(performance.now() - started).toBeLessThan(2000);
  return { code: response.status, ...readiness.parse(await response.json()) };
}

describe('the server', () => {
  it('takes a free port when the usual one is taken, and fails with a code when the given one is', async () => {
    const usual = await startHttp(resources, { host: '127.0.0.1', port: null });
    const other = await startHttp(resources, { host: '127.0.0.1', port: null });
    expect(other.url).not.toBe(usual.url);
    expect((await fetch(`${other.url}/healthz`)).status).toBe(200);
    const taken = startHttp(resources, { host: '127.0.0.1', port: Number(new URL(other.url).port) });
    await expect(taken).rejects.toMatchObject({ code: 'NOF0_CONFIG_INVALID', message: /is taken/ });
    await Promise.all([usual.close(), other.close()]);
  });

  it('fails with a code on an address that is not of this machine', async () => {
    const foreign = startHttp(resources, { host: '192.0.2.1', port: 0 });
    await expect(foreign).rejects.toMatchObject({ code: 'NOF0_CONFIG_INVALID' });
  });

  it('closes quickly although connections are kept open, and twice', async () => {
    const server = await startHttp(resources, { host: '127.0.0.1', port: 0 });
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
    await expect(startHttp(resources, { host: '127.0.0.1', port })).rejects.toThrow();
    await new Promise((resolve) => blocker.close(resolve));
    const server = await startHttp(resources, { host: '127.0.0.1', port });
    expect(server.url).toBe(`http://127.0.0.1:${port}`);
    await server.close();
  });
});

describe('the dashboard', () => {
  it('shows the queues on loopback, with its own files', async () => {
    const server = await startHttp(resources, { host: '127.0.0.1', port: 0 });
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
    const api = createApi(resources, { host: '0.0.0.0' });
    expect((await api.request('http://localhost/queues')).status).toBe(404);
    expect(await (await api.request('/api')).text()).not.toContain('/queues');
  });

  it('refuses web pages of strangers and foreign names of this machine', async () => {
    const api = createApi(resources);
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
    const { db, queues } = resources;
    await db.query(`INSERT INTO effects (kind, target, payload) VALUES ('project', 'leaderboard|', '{}')`);
    await queues.all()[0]?.add('x', { v: 1 });
    createApi(resources);
    const response = await createApi(resources).request('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('nof0_effects_pending{kind="project"} 1');
    expect(text).toContain('nof0_effects_pending{kind="enqueue"} 0');
    expect(text).toContain(`nof0_queue_jobs{queue="${queues.all()[0]?.name}",state="waiting"} 1`);
    await db.query('DELETE FROM effects');
    const again = await (await createApi(resources).request('/metrics')).text();
    expect(again).toContain('nof0_effects_pending{kind="project"} 0');
  });
});

/** Reads a stream inside the process. */
async function watch(api: Hono, query: string) {
  const response = await api.request(`/api/stream${query}`);
  expect(response.status).toBe(200);
  if (response.body === null) throw new Error('no body');
  const reader = response.body.getReader();
  let text = '';
  const reading = (async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read())
      text += new TextDecoder().decode(read.value);
  })();
  return {
    text: () => text,
    /** Everything so far, once this is in it. */
    async until(part: string): Promise<string> {
      await expect.poll(() => text, { timeout: 10_000 }).toContain(part);
      return text;
    },
    async end(): Promise<void> {
      await reader.cancel();
      await reading;
    },
  };
}

describe('outages', () => {
  const cut = new Set<Server>();

  async function lose(...servers: Server[]): Promise<void> {
    for (const server of servers) {
      await lines[server].cut();
      cut.add(server);
    }
    await expect.poll(async () => servers.every(await isDown()), { timeout: 10_000 }).toBe(true);
  }

  async function restore(server: Server): Promise<void> {
    await lines[server].restore();
    cut.delete(server);
  }

  async function isDown(): Promise<(server: Server) => boolean> {
    const { checks } = await readyz();
    return (server) => checks[server] === 'down';
  }

  afterEach(async () => {
    for (const server of cut) await lines[server].restore();
    cut.clear();
    // Whoever comes next needs all of them; that they come back by themselves is part of the promise.
    await expect.poll(async () => (await readyz()).status, { timeout: 10_000 }).toBe('ready');
    const counted = () =>
      resources.queues.depths().then(
        () => true,
        () => false,
      );
    await expect.poll(counted, { timeout: 10_000 }).toBe(true);
  });

  it('nothing is missing', async () => {
    const checks = { postgres: 'up', queue: 'up', cache: 'up' };
    expect(await readyz()).toEqual({ code: 200, status: 'ready', checks });
  });

  it('without the cache the process is degraded and reads stay right', async () => {
    const api = createApi(resources);
    const paths = [
      ['/api/positions', shapes.positions],
      ['/api/trades', shapes.trades],
      ['/api/leaderboard', shapes.leaderboard],
      ['/api/analytics', shapes.allAnalytics],
      ['/api/crypto-prices', shapes.prices],
      ['/api/models', shapes.models],
    ] as const;
    const tags = () => Promise.all(paths.map(async ([path]) => (await api.request(path)).headers.get('etag') ?? path));
    const before = await tags();
    await lose('cache');
    const checks = { postgres: 'up', queue: 'up', cache: 'down' };
    expect(await readyz()).toEqual({ code: 200, status: 'degraded', checks });
    expect(await tags()).toEqual(before);
    for (const [path, shape] of paths) shape.parse(await (await api.request(path)).json());
  });

  it('answers say when the cache is away', async () => {
    const api = createApi(resources);
    const said = async () => (await api.request('/api/leaderboard')).headers.get('x-nof0-degraded');
    expect(await said()).toBeNull();
    await lose('cache');
    expect(await said()).toBe('cache');
  });

  it('whoever watches goes on watching when the cache comes back', async () => {
    await lose('cache');
    const watcher = await watch(createApi(resources), '?topics=prices');
    expect(await watcher.until('event: prices')).toContain('event: open');
    await restore('cache');
    // Nobody says when the feed listens again; it is told until it hears.
    let price = 120_000;
    const heard = async () => {
      price += 1;
      await resources.db.query(`UPDATE price_latest SET price = $1, ts_ms = ts_ms + 1 WHERE symbol = 'BTC'`, [price]);
      await resources.prices.refresh().catch(() => undefined);
      return watcher.text();
    };
    await expect.poll(heard, { timeout: 10_000 }).toContain('"price":1200');
    await watcher.end();
  });

  it('trades that are published after an outage of the queue reach those who watched before it', async () => {
    const watcher = await watch(createApi(resources), '?topics=trades');
    await watcher.until('event: open');
    await lose('queue');
    const refused = await createApi(resources).request('/api/stream');
    expect(refused.status).toBe(503);
    expect(shapes.failure.parse(await refused.json()).error.code).toBe('NOF0_QUEUE_UNAVAILABLE');
    await restore('queue');
    const payload = { event: 'trade', id: 'after-the-outage', revision: 0, model_id: 'm' };
    const row = { id: 0, kind: 'stream' as const, target: 'm', attempts: 0, createdAt: new Date(), payload };
    await expect
      .poll(() => resources.stream.publish([row]).then(() => 'published', String), { timeout: 10_000 })
      .toBe('published');
    expect(await watcher.until('after-the-outage')).toContain('event: trades');
    await watcher.end();
  });

  it('without the queue it is not ready, and still reads and counts', async () => {
    await lose('queue');
    const checks = { postgres: 'up', queue: 'down', cache: 'up' };
    expect(await readyz()).toEqual({ code: 503, status: 'unavailable', checks });
    const api = createApi(resources);
    expect((await api.request('/api/trades')).status).toBe(200);
    const metrics = await api.request('/metrics');
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).not.toMatch(/^nof0_queue_jobs\{/m);
  });

  it('without Postgres reads are 503 with a code and no address, and the process still lives', async () => {
    await lose('postgres');
    expect(await readyz()).toMatchObject({ code: 503, checks: { postgres: 'down' } });
    const api = createApi(resources);
    for (const path of ['/api/trades', '/api/account-totals', '/api/models', '/api/positions']) {
      const response = await api.request(path);
      expect(response.status, path).toBe(503);
      const { error } = shapes.failure.parse(await response.json());
      expect(error.code).toBe('NOF0_DATABASE_UNAVAILABLE');
      expect(error.message).not.toMatch(/127\.0\.0\.1|ECONN/);
    }
    expect((await api.request('/healthz')).status).toBe(200);
    const metrics = await api.request('/metrics');
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).not.toMatch(/^nof0_effects_pending\{/m);
  });

  it('without anything it still says so in time', async () => {
    await lose('postgres', 'queue', 'cache');
    const checks = { postgres: 'down', queue: 'down', cache: 'down' };
    expect(await readyz()).toEqual({ code: 503, status: 'unavailable', checks });
  });
});
