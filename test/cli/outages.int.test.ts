import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import { type CuttableProxy, startProxy } from '../tcp-proxy.ts';
import { tempDir } from '../temp-dir.ts';

/** The run's servers behind proxies that can be cut. */
let proxies: { postgres: CuttableProxy; queue: CuttableProxy; cache: CuttableProxy };
let env: Record<string, string> = {};
let dir = '';
let up: Nof0;
let url = '';

async function behindProxy(text: string): Promise<{ proxy: CuttableProxy; url: string }> {
  const target = new URL(text);
  const proxy = await startProxy({ host: target.hostname, port: Number(target.port) });
  target.port = String(proxy.port);
  return { proxy, url: target.toString() };
}

beforeAll(async () => {
  dir = await tempDir('nof0-outage-');
  const database = new URL(inject('databaseUrl'));
  database.pathname = '/outages';
  const [postgres, queue, cache] = await Promise.all([
    behindProxy(database.toString()),
    behindProxy(inject('queueRedisUrl')),
    behindProxy(inject('cacheRedisUrl')),
  ]);
  proxies = { postgres: postgres.proxy, queue: queue.proxy, cache: cache.proxy };
  env = {
    NOF0_DATA_DIR: dir,
    NOF0_REDIS_PREFIX: 'outages',
    DATABASE_URL: postgres.url,
    REDIS_QUEUE_URL: queue.url,
    REDIS_CACHE_URL: cache.url,
  };
  up = nof0(['up', '--port', '0'], env);
  url = (await up.printed(/arena\s+(http:\/\/[^/\s]+)/))[1] ?? '';
  await nextDecision(0);
});

afterAll(async () => {
  up.process.kill('SIGINT');
  await up.ended;
  await Promise.all([proxies.postgres.close(), proxies.queue.close(), proxies.cache.close()]);
  await rm(dir, { recursive: true, force: true });
});

const ready = async () => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: (await response.json()) as { status: string } };
};

/** Waits for a decision of a slot after the given one; returns its slot. */
async function nextDecision(afterMs: number): Promise<number> {
  return eventually(
    'a new decision',
    async () => {
      const { decisions } = (await (await fetch(`${url}/api/decisions?limit=1`)).json()) as {
        decisions: { timestamp: number }[];
      };
      const slot = decisions[0]?.timestamp ?? 0;
      return slot > afterMs && slot;
    },
    60_000,
  );
}

const latest = () => nextDecision(0);

describe('an outage during the run', () => {
  it('of the cache is degraded, not down: reads come from Postgres and decisions go on', async () => {
    const before = await latest();
    await proxies.cache.cut();
    await eventually('degraded', async () => {
      const answer = await ready();
      return answer.status === 200 && answer.body.status === 'degraded';
    });
    expect((await fetch(`${url}/api/leaderboard`)).status).toBe(200);
    expect((await fetch(`${url}/api/positions`)).status).toBe(200);
    await nextDecision(before);
    await proxies.cache.restore();
    await eventually('ready again', async () => (await ready()).body.status === 'ready');
  });

  it.each(['postgres', 'queue'] as const)('of %s is down until it is back, and ends by itself', async (server) => {
    const before = await latest();
    await proxies[server].cut();
    await eventually('not ready', async () => (await ready()).status === 503);
    await proxies[server].restore();
    await eventually('ready again', async () => (await ready()).status === 200);
    await nextDecision(before);
    expect(up.process.exitCode).toBeNull();
  });

  it('has lost and doubled nothing in the end', async () => {
    const verify = await runNof0(['verify'], env);
    expect(verify.output).toContain('everything agrees');
    expect(verify.code).toBe(0);
  });
}, 180_000);
