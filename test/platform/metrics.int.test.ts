import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeAllAnalytics } from '../../src/engine/compute-analytics.ts';
import { done } from '../../src/engine/context.ts';
import { CodedError } from '../../src/errors.ts';
import { createApi } from '../../src/http/api.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import { TASKS } from '../../src/maintenance/tasks.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import { MODELS, seed } from '../http/arena.ts';
import { type CuttableProxy, startProxy } from '../tcp-proxy.ts';
import { age, commit, emptyPlatform, eventually } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);
const NOBODY = new AbortController().signal;

let run: TestRun;
let resources: Resources;
let cacheLine: CuttableProxy;

beforeAll(async () => {
  run = await createRun();
  await seed(run.resources);
  const cache = new URL(run.servers.cacheRedisUrl);
  cacheLine = await startProxy({ host: cache.hostname, port: Number(cache.port) });
  cache.hostname = '127.0.0.1';
  cache.port = String(cacheLine.port);
  resources = await openResources({
    config: run.config,
    servers: { ...run.servers, cacheRedisUrl: cache.toString() },
    prefix: run.prefix,
    role: 'test',
    logger: run.resources.logger,
  });
});

afterAll(async () => {
  await resources?.close();
  await cacheLine?.close();
  await run?.close();
});

/** Samples by `name{label="value",…}`, with labels in their own order. */
type Samples = ReadonlyMap<string, number>;

/** What a server that has just been started says. */
async function scrape(api = createApi(resources)): Promise<Samples> {
  const response = await api.request('/metrics');
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const namesOf = (samples: Samples) => new Set([...samples.keys()].map((key) => key.replace(/\{.*/, '')));

function queueOf(name: string) {
  const queue = resources.queues.all().find((candidate) => candidate.name === name);
  if (queue === undefined) throw new Error(`no queue ${name}`);
  return queue;
}

async function request(modelId: string): Promise<void> {
  const rows = await commit(resources.db, [enqueueEffect('decision-cycle', { modelId, slotMs: SLOT })]);
  await resources.outbox.drain(rows);
}

/** One job that ends well although a process died over it, and one that fails for good. */
async function runJobs(): Promise<void> {
  const queue = queueOf('decision-cycle');
  await request('survivor');
  await request('doomed');
  const [survivor] = await queue.getWaiting(0, 10).then((jobs) => jobs.filter(({ id }) => id?.includes('survivor')));
  await resources.queueRedis.hset(queue.toKey(survivor?.id ?? ''), 'stc', '1');
  const worker = startWorker(
    resources,
    'decision-cycle',
    async ({ modelId }) => {
      if (modelId === 'doomed') throw new CodedError('NOF0_INPUT_INVALID', 'this model cannot decide');
      return done();
    },
    2,
  );
  await eventually(async () => {
    const counts = await queue.getJobCounts('completed', 'failed');
    expect(counts).toMatchObject({ completed: 1, failed: 1 });
  });
  await worker.close(0);
}

describe('after a little traffic', () => {
  let samples: Samples;

  beforeAll(async () => {
    const { db, publisher, prices, outbox } = resources;
    await db.query('SELECT ensure_tick_partitions($1, $1)', [SLOT]);
    await publisher.readMany(MODELS.map((id) => ({ family: 'positions', ids: [id] })));
    await publisher.refresh([{ family: 'leaderboard', ids: [] }]);
    await publisher.read({ family: 'leaderboard', ids: [] });
    await prices.read();
    await prices.refresh();
    await runJobs();
    const { stories } = await run.stories();
    await computeAllAnalytics({ ...stories, metrics: resources.metrics }, SLOT, NOBODY);
    await TASKS['refresh-views'](resources, NOBODY, stories, SLOT);
    // What a dead process leaves behind: one row for the relay, one that nobody has taken over yet.
    await commit(db, [{ kind: 'project', target: 'leaderboard|' }]);
    await age(db);
    await outbox.relay();
    await commit(db, [{ kind: 'project', target: 'analyticsAll|' }]);
    await age(db);
    samples = await scrape();
  });

  afterAll(() => emptyPlatform(resources));

  it.each([
    'db_writes_total',
    'persistence_latency_seconds_count',
    'nof0_read_seconds_count',
    'nof0_cache_reads_total',
    'nof0_cache_fill_seconds_count',
    'nof0_projection_writes_total',
    'nof0_keys',
    'nof0_table_bytes',
    'nof0_table_rows',
    'nof0_view_refresh_seconds_count',
    'nof0_job_duration_seconds_count',
    'nof0_slot_lag_seconds_count',
    'nof0_queue_jobs',
    'nof0_queue_latency_seconds',
    'nof0_effects_pending',
    'nof0_effects_oldest_seconds',
    'nof0_effect_latency_seconds_count',
    'nof0_relay_takeovers_total',
    'nof0_jobs_recovered_total',
    'nof0_dead_letters',
  ])('%s has a sample', (name) => {
    expect([...namesOf(samples)]).toContain(name);
  });

  it('tells reads of the cache from reads of the database, a family', () => {
    const reads = (source: string, family: string) =>
      samples.get(`nof0_read_seconds_count{source="${source}",family="${family}"}`);
    expect(reads('cache', 'positions')).toBe(1);
    expect(reads('database', 'positions')).toBe(1);
    expect(reads('cache', 'leaderboard')).toBe(1);
    expect(reads('database', 'cryptoPrices')).toBe(1);
  });

  it('counts the keys that stand in the cache, and 0 where none does', () => {
    expect(samples.get('nof0_keys{family="positions"}')).toBe(1);
    expect(samples.get('nof0_keys{family="priceLatestByProvider"}')).toBe(2);
    expect(samples.get('nof0_keys{family="cryptoPrices"}')).toBe(1);
    expect(samples.get('nof0_keys{family="decisionLast"}')).toBe(0);
  });

  it('measures tables, partitions as one', () => {
    for (const table of ['price_ticks', 'trades', 'v_leaderboard'])
      expect(samples.get(`nof0_table_bytes{table="${table}"}`), table).toBeGreaterThan(0);
    expect([...samples.keys()].filter((key) => /price_ticks_\d/.test(key))).toEqual([]);
    expect(samples.has('nof0_table_rows{table="trades"}')).toBe(true);
  });

  it('asks the servers of both roles for lookups, commands and memory', () => {
    for (const server of ['queue', 'cache']) {
      const lookups = (result: string) =>
        samples.get(`nof0_redis_keyspace_lookups{server="${server}",result="${result}"}`) ?? -1;
      expect(lookups('hit'), server).toBeGreaterThan(0);
      expect(lookups('miss'), server).toBeGreaterThan(0);
      expect(samples.get(`nof0_redis_memory_bytes{server="${server}",kind="used"}`), server).toBeGreaterThan(100_000);
      const commands = samples.get(`nof0_redis_commands{server="${server}"}`) ?? 0;
      const seconds = samples.get(`nof0_redis_command_seconds{server="${server}"}`) ?? 0;
      expect(commands, server).toBeGreaterThan(10);
      expect(seconds / commands, server).toBeLessThan(0.01);
      expect(seconds, server).toBeGreaterThan(0);
    }
  });

  it('counts what was recovered, taken over and given up', () => {
    expect(samples.get('nof0_jobs_recovered_total{job="decision-cycle"}')).toBe(1);
    expect(samples.get('nof0_relay_takeovers_total{kind="project"}')).toBe(1);
    expect(samples.get('nof0_dead_letters{job="decision-cycle"}')).toBe(1);
    expect(samples.get('nof0_dead_letters{job="snapshot"}')).toBe(0);
    expect(samples.get('nof0_view_refresh_seconds_count')).toBe(1);
  });

  it('says how old the oldest effect is', () => {
    expect(samples.get('nof0_effects_pending{kind="project"}')).toBe(1);
    expect(samples.get('nof0_effects_oldest_seconds{kind="project"}')).toBeGreaterThanOrEqual(60);
    expect(samples.get('nof0_effects_oldest_seconds{kind="stream"}')).toBe(0);
  });
});

describe('the latency of a queue', () => {
  afterAll(() => emptyPlatform(resources));

  it('is the age of its oldest waiting job, counted from when that was due', async () => {
    const minute = 60_000;
    const add = (name: string, options: object) => queueOf(name).add(name, { v: 1 }, options);
    const latency = async (queue: string) => (await scrape()).get(`nof0_queue_latency_seconds{queue="${queue}"}`) ?? -1;
    expect(await latency('snapshot')).toBe(0);
    await add('snapshot', { timestamp: Date.now() - 2 * minute });
    await add('snapshot', { timestamp: Date.now() - minute });
    await add('analytics', { timestamp: Date.now() - 3 * minute, priority: 5 });
    await add('analytics', { timestamp: Date.now() - minute, priority: 5 });
    await add('maintenance', { timestamp: Date.now(), delay: minute });
    expect(Math.floor((await latency('snapshot')) / 60)).toBe(2);
    expect(Math.floor((await latency('analytics')) / 60)).toBe(3);
    expect(await latency('maintenance')).toBe(0);
  });
});

describe('a scrape', () => {
  it('counts keys once in half a minute, however often it is asked for', async () => {
    const api = createApi(resources);
    const counted = 'nof0_keys{family="leaderboard"}';
    await resources.publisher.refresh([{ family: 'leaderboard', ids: [] }]);
    expect((await scrape(api)).get(counted)).toBe(1);
    await resources.cacheRedis.del(resources.keys.key('leaderboard', []));
    expect((await scrape(api)).get(counted)).toBe(1);
    expect((await scrape()).get(counted)).toBe(0);
  });

  it('answers without the cache: its figures are missing, the others are there, and the failure is counted', async () => {
    await cacheLine.cut();
    await eventually(() => expect(resources.publisher.available).toBe(false));
    const samples = await scrape();
    const names = namesOf(samples);
    expect(names).not.toContain('nof0_keys');
    for (const name of ['nof0_table_bytes', 'nof0_queue_jobs', 'nof0_effects_pending', 'nof0_dead_letters'])
      expect(names).toContain(name);
    expect(samples.get('nof0_scrape_failures_total{source="keys"}')).toBe(1);
    await cacheLine.restore();
    await eventually(() => expect(resources.publisher.available).toBe(true));
    expect(namesOf(await scrape())).toContain('nof0_keys');
  });
});
