/** The cache loses everything while people read and trades go on. */

import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refresh } from '../../src/domain/published-keys.ts';
import { createApi } from '../../src/http/api.ts';
import { countKeys } from '../../src/projections/count-keys.ts';
import { rebuildKeys } from '../../src/projections/rebuild.ts';
import { fillWhenEmpty, startCacheWatch } from '../../workers/cache-watch.ts';
import { createRun, type TestRun } from '../harness.ts';
import { MODELS, seed } from '../http/arena.ts';
import { startServer, type TestServer } from './redis-nodes.ts';
import { commit, eventually } from './support.ts';

const BACK_WITHIN_MS = 5000;
const FLUSHES = 3;
const READERS = 20;
const [COUNTED, OTHER] = MODELS;
/** Their rows do not change in the test: every answer is the first one, or a wrong one. */
const STILL = [
  '/api/leaderboard',
  '/api/positions',
  `/api/analytics/${OTHER}`,
  '/api/trades?limit=20',
  '/api/since-inception-values',
];

let cache: TestServer;
let run: TestRun;
beforeAll(async () => {
  // FLUSHALL asks nobody whose keys they are: this cache is ours alone.
  cache = await startServer({ 'maxmemory-policy': 'volatile-lru' });
  run = await createRun({ servers: { cacheRedisUrl: cache.url } });
  await seed(run.resources);
  for (const model of MODELS) await count(model, 0);
});
afterAll(async () => {
  await run?.close();
  await cache?.close();
});

async function count(model: string, number: number): Promise<void> {
  const { db, outbox } = run.resources;
  await db.query(
    `INSERT INTO model_analytics (model_id, payload, server_time_ms) VALUES ($1, $2::jsonb, 1) ON CONFLICT (model_id) DO UPDATE SET payload = excluded.payload`,
    [model, JSON.stringify({ model_id: model, number })],
  );
  await outbox.drain(await commit(db, [refresh('analytics', model), refresh('analyticsAll')]));
}

async function keysThere(): Promise<{ there: number; wanted: number }> {
  const { cacheRedis, keys, publisher, prices } = run.resources;
  const targets = (await Promise.all([publisher.allTargets(), prices.allTargets()])).flat();
  const found = await publisher.peek(targets.filter(({ family }) => publisher.families.includes(family)));
  const priced = await countKeys(cacheRedis, keys, await prices.allTargets());
  const there = found.filter((value) => value !== undefined).length + [...priced.values()].reduce((a, b) => a + b, 0);
  return { there, wanted: targets.length };
}

describe('FLUSHALL on the cache', () => {
  it('under load: no wrong answer, no failing one, and all keys back within five seconds', async () => {
    const { cacheRedis } = run.resources;
    const api = createApi(run.resources, { host: '127.0.0.1' });
    const body = async (path: string) => {
      const response = await api.request(path);
      // When it was answered is no part of what was answered.
      return { status: response.status, text: (await response.text()).replace(/"serverTime":\d+/, '') };
    };
    await rebuildKeys(run.resources.publisher, run.resources.prices);
    const wanted = new Map(await Promise.all(STILL.map(async (path) => [path, (await body(path)).text] as const)));
    let [written, answers, stopped] = [0, 0, false];
    const wrong: string[] = [];
    const writer = async () => {
      for (let number = 1; !stopped; number++) {
        await count(COUNTED, number);
        written = number;
        await turn();
      }
    };
    const reader = async (index: number) => {
      for (let n = index; !stopped; n++) {
        const path = n % 3 === 0 ? `/api/analytics/${COUNTED}` : (STILL[n % STILL.length] as string);
        // What was announced before the question has to be in the answer.
        const atLeast = written;
        const { status, text } = await body(path);
        answers += 1;
        const right = n % 3 === 0 ? Number(/"number":(\d+)/.exec(text)?.[1]) >= atLeast : text === wanted.get(path);
        if (status !== 200 || !right) wrong.push(`${path}: ${status} ${text.slice(0, 200)}`);
        await turn();
      }
    };
    const watch = startCacheWatch(run.resources);
    const load = [writer(), ...Array.from({ length: READERS }, (_, index) => reader(index))];
    try {
      for (let flush = 1; flush <= FLUSHES; flush++) {
        await eventually(async () => expect(await cacheRedis.exists(run.resources.keys.cacheMark())).toBe(1));
        const before = await keysThere();
        const startedAt = performance.now();
        await cacheRedis.flushall();
        await eventually(async () => {
          const { there, wanted: all } = await keysThere();
          expect(there).toBe(all);
        }, BACK_WITHIN_MS);
        const ms = Math.round(performance.now() - startedAt);
        process.stdout.write(
          `flush ${flush}: ${before.there} keys gone, ${before.wanted} back after ${ms} ms; ${answers} answers\n`,
        );
        expect(ms).toBeLessThan(BACK_WITHIN_MS);
      }
    } finally {
      stopped = true;
      await Promise.all(load);
      await watch.stop();
    }
    expect(wrong).toEqual([]);
    expect(answers).toBeGreaterThan(100);
  }, 60_000);
});

describe('a cache that is empty', () => {
  it('is filled by one process, however many notice, and by nobody while the mark is there', async () => {
    const { cacheRedis } = run.resources;
    await cacheRedis.flushall();
    const filled = await Promise.all(Array.from({ length: 5 }, () => fillWhenEmpty(run.resources)));
    expect(filled.filter(Boolean)).toHaveLength(1);
    const { there, wanted } = await keysThere();
    expect(there).toBe(wanted);
    expect(await fillWhenEmpty(run.resources)).toBe(false);
  });

  it('gets only what is missing when it is warmed, and everything anew when it is rebuilt', async () => {
    const { cacheRedis, keys, publisher, prices } = run.resources;
    await cacheRedis.del(keys.key('analytics', [COUNTED]), keys.sidecar(keys.key('analytics', [COUNTED])));
    const of = (families: Awaited<ReturnType<typeof rebuildKeys>>, name: string) =>
      families.find(({ family }) => family === name);
    const warmed = await rebuildKeys(publisher, prices, { missingOnly: true });
    expect(of(warmed, 'analytics')).toEqual({ family: 'analytics', keys: 2, written: 1 });
    expect(of(warmed, 'positions')).toEqual({ family: 'positions', keys: 2, written: 0 });
    const rebuilt = await rebuildKeys(publisher, prices);
    expect(rebuilt.every(({ keys: all, written }) => all === written)).toBe(true);
  });
});
