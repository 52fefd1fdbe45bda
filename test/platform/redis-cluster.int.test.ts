import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refresh } from '../../src/domain/published-keys.ts';
import { done, snoozed } from '../../src/engine/context.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import { mastersOf } from '../../src/redis/connections.ts';
import { hearControl, sayToWorkers } from '../../src/redis/control-channel.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { hasUnfinishedJobs } from '../../src/store/effects.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import { startCluster, type TestServer } from './redis-nodes.ts';
import { commit, eventually, outboxRows } from './support.ts';

const NOW = Date.UTC(2026, 0, 1);
const MODELS = Array.from({ length: 20 }, (_, index) => `model ${index}`);

let cluster: TestServer;
let run: TestRun;
let resources: Resources;
let prefix: string;

beforeAll(async () => {
  cluster = await startCluster(3);
  // The run's database, with both roles on the cluster: strict, as a worker opens it.
  run = await createRun();
  prefix = `test.${randomBytes(4).toString('hex')}`;
  resources = await openResources({
    config: run.config,
    servers: { ...run.servers, queueRedisUrl: cluster.url, cacheRedisUrl: cluster.url },
    prefix,
    role: 'worker',
    logger: createLogger(run.config.log),
  });
  await resources.db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) SELECT id, id, 'paper', 'synthetic' FROM unnest($1::text[]) AS id`,
    [MODELS],
  );
  await resources.db.query('INSERT INTO trader_state (trader_id) SELECT id FROM unnest($1::text[]) AS id', [MODELS]);
});

afterAll(async () => {
  await resources?.close();
  await run?.close();
  await cluster?.close();
});

/** Keys of each master. */
async function keysByNode(pattern: string): Promise<string[][]> {
  return Promise.all(mastersOf(resources.cacheRedis).map((node) => node.keys(pattern)));
}

describe('the cache role on a cluster', () => {
  it('refreshes keys on all of its nodes with one drain, and reads them back together', async () => {
    const { db, outbox, publisher } = resources;
    await outbox.drain(
      await commit(
        db,
        MODELS.flatMap((id) => [refresh('traderState', id), refresh('positions', id)]),
      ),
    );
    expect(await outboxRows(db)).toEqual([]);
    const targets = MODELS.map((id) => ({ family: 'traderState' as const, ids: [id] }));
    const found = await publisher.peek(targets);
    expect(found.map((members) => JSON.parse(members?.[0] ?? '').state)).toEqual(MODELS.map(() => 'running'));
    const nodes = await keysByNode(`${prefix}:trader:*`);
    expect(nodes.map((keys) => keys.length > 0)).toEqual([true, true, true]);
    // Empty is remembered beside a key that does not exist.
    expect(await publisher.peek([{ family: 'positions', ids: ['model 1'] }])).toEqual([[]]);
  });

  it('fills a miss from Postgres', async () => {
    const { publisher, cacheRedis, keys } = resources;
    const target = { family: 'traderState' as const, ids: ['model 3'] };
    const key = keys.key(target.family, target.ids);
    await cacheRedis.del(key);
    expect(await publisher.peek([target])).toEqual([undefined]);
    expect(await publisher.readMany([target, { family: 'leaderboard', ids: [] }])).toMatchObject([
      [expect.any(String)],
      expect.any(Array),
    ]);
    expect(await publisher.peek([target])).toMatchObject([[expect.any(String)]]);
  });

  it('refuses an older token', async () => {
    const { cacheRedis, keys } = resources;
    const key = keys.key('traderState', ['fenced']);
    const write = (token: number, value: string) =>
      cacheRedis.fencedReplace(key, keys.sidecar(key), token, Date.now(), 10_000, 60_000, 60_000, 'string', value);
    expect(await write(7, 'newer')).toBe(1);
    expect(await write(6, 'older')).toBe(0);
    expect(await cacheRedis.get(key)).toBe('newer');
  });
});

describe('the queue role on a cluster', () => {
  it('publishes trades once, stream and guards in one slot', async () => {
    const { db, outbox, queueRedis, keys } = resources;
    const event = (id: string) => ({
      kind: 'stream' as const,
      target: 'm',
      version: 1,
      ordinal: 0,
      payload: { type: 'trade', id, revision: 0, pnl: 1.5 },
    });
    await outbox.drain(await commit(db, [event('t1'), event('t2')]));
    await outbox.drain(await commit(db, [event('t1')]));
    expect(await queueRedis.xlen(keys.tradeStream())).toBe(2);
    expect(keys.tradeStream()).toBe(`{${prefix}:trades}:stream`);
  });

  it('runs jobs, acknowledges and remembers them', async () => {
    const { db, outbox, history } = resources;
    const ran: string[] = [];
    const cycles = startWorker(
      resources,
      'decision-cycle',
      async ({ modelId }) => {
        ran.push(modelId);
        return done();
      },
      4,
    );
    const snapshots = startWorker(
      resources,
      'snapshot',
      async ({ modelId }) => {
        ran.push(`snapshot of ${modelId}`);
        return done();
      },
      4,
    );
    try {
      const cycle = enqueueEffect('decision-cycle', { modelId: 'model 1', slotMs: NOW });
      await outbox.drain(await commit(db, [cycle, enqueueEffect('snapshot', { modelId: 'model 1', asOfMs: NOW })]));
      await eventually(async () => expect(await hasUnfinishedJobs(db)).toBe(false));
      expect(ran.sort()).toEqual(['model 1', 'snapshot of model 1']);
      await history.flush();
      expect(await db.query('SELECT outcome FROM job_runs')).toEqual([{ outcome: 'done' }, { outcome: 'done' }]);
    } finally {
      await Promise.all([cycles.close(0), snapshots.close(0)]);
    }
  });

  it('does not run a job again that somebody marked meanwhile', async () => {
    const { db, outbox, queueRedis, keys } = resources;
    const cycle = enqueueEffect('decision-cycle', { modelId: 'model 2', slotMs: NOW });
    const mark = async () => {
      await queueRedis.set(keys.cancelMark(cycle.target), '1', 'PX', 60_000);
      return snoozed(10, 'for a moment');
    };
    const worker = startWorker(resources, 'decision-cycle', mark, 4);
    try {
      await outbox.drain(await commit(db, [cycle]));
      await eventually(async () =>
        expect(await db.query('SELECT error_code AS code FROM dead_letters')).toEqual([{ code: 'NOF0_JOB_CANCELLED' }]),
      );
    } finally {
      await worker.close(0);
    }
  });

  it('carries words to workers', async () => {
    const { queueRedis, keys } = resources;
    const heard: unknown[] = [];
    const control = await hearControl(
      cluster.url,
      keys,
      (message) => heard.push(message),
      () => {},
    );
    try {
      await sayToWorkers(queueRedis, keys, { cancel: 'job' });
      await eventually(() => expect(heard).toEqual([{ cancel: 'job' }]));
    } finally {
      control.close();
    }
  });
});
