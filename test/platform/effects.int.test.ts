import { UnrecoverableError, Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refresh } from '../../src/domain/published-keys.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import { workerConnection } from '../../src/redis/connections.ts';
import type { Resources } from '../../src/resources.ts';
import {
  addEffects,
  type EffectRow,
  hasUnfinishedJobs,
  type NewEffect,
  pendingEffects,
  promisesOf,
  settleEffects,
} from '../../src/store/effects.ts';
import { type EffectHandler, Outbox } from '../../src/store/outbox.ts';
import { createRun, type TestRun } from '../harness.ts';
import { age, commit, emptyPlatform, eventually, outboxRows, outboxTargets } from './support.ts';

const NOW = Date.UTC(2026, 0, 1);

let run: TestRun;
let resources: Resources;

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
});

afterEach(() => emptyPlatform(resources));
afterAll(() => run.close());

const project = (target: string): NewEffect => ({ kind: 'project', target });
const snapshotOf = (modelId: string) => enqueueEffect('snapshot', { modelId, asOfMs: NOW });
const cycleOf = (modelId: string, slotMs = NOW) => enqueueEffect('decision-cycle', { modelId, slotMs });

/** An outbox of its own process, with a handler of the test's. */
function outboxWith(handler: EffectHandler, kind: EffectRow['kind'] = 'project'): Outbox {
  const outbox = new Outbox(resources.db, resources.logger, resources.metrics);
  outbox.register(kind, handler);
  return outbox;
}

/** Remembers the targets it was given. */
function recorder(): { seen: string[]; handler: EffectHandler } {
  const seen: string[] = [];
  return {
    seen,
    handler: async (rows) => {
      seen.push(...rows.map((row) => row.target));
    },
  };
}

function queueOf(name: string) {
  const queue = resources.queues.all().find((candidate) => candidate.name === name);
  if (queue === undefined) throw new Error(`no queue ${name}`);
  return queue;
}

describe('the inline drain', () => {
  it('applies effects of a commit at once, together, and deletes them', async () => {
    const { db } = resources;
    const { seen, handler } = recorder();
    const rows = await commit(db, [project('a'), project('b')]);
    expect(await outboxTargets(db)).toEqual(['a', 'b']);
    await outboxWith(handler).drain(rows);
    expect(seen).toEqual(['a', 'b']);
    expect(await outboxRows(db)).toEqual([]);
  });

  it('are written in the order they were given, leased by their writer, and come back whole', async () => {
    const given = ['c', 'a', 'b'].map((modelId) => cycleOf(modelId));
    const rows = await commit(resources.db, given);
    expect(rows.map(({ kind, target, payload }) => ({ kind, target, payload }))).toEqual(given);
    const stored = await resources.db.query(
      'SELECT id, kind, target, payload, lease_until > clock_timestamp() AS leased FROM effects ORDER BY id',
    );
    expect(stored).toEqual(rows.map(({ id }, index) => ({ id, ...given[index], leased: true })));
  });

  it('has nothing to do after a rollback', async () => {
    const { db } = resources;
    const failing = db.transaction(async (tx) => {
      await addEffects(tx, [project('a')]);
      throw new Error('the story failed');
    });
    await expect(failing).rejects.toThrow('the story failed');
    expect(await outboxRows(db)).toEqual([]);
  });

  it('deletes exactly the rows it was given, not those that came meanwhile for the same target', async () => {
    const { db } = resources;
    const rows = await commit(db, [project('a')]);
    await outboxWith(async () => {
      await commit(db, [project('a')]);
    }).drain(rows);
    expect(await outboxTargets(db)).toEqual(['a']);
  });

  it('lets one kind fail without holding up another', async () => {
    const { db } = resources;
    const { seen, handler } = recorder();
    const outbox = outboxWith(handler);
    outbox.register('stream', () => Promise.reject(new Error('no stream today')));
    await outbox.drain(
      await commit(db, [project('a'), { kind: 'stream', target: 's', version: 1, ordinal: 0, payload: {} }]),
    );
    expect(seen).toEqual(['a']);
    expect(await outboxRows(db)).toMatchObject([{ kind: 'stream', lastError: 'no stream today' }]);
  });

  it('refreshes the real keys of the run', async () => {
    const { db, outbox, cacheRedis, keys } = resources;
    await db.query(
      `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ('m', 'M', 'paper', 'synthetic') ON CONFLICT DO NOTHING`,
    );
    await db.query(`INSERT INTO trader_state (trader_id) VALUES ('m') ON CONFLICT DO NOTHING`);
    await outbox.drain(await commit(db, [refresh('traderState', 'm')]));
    expect(JSON.parse((await cacheRedis.get(keys.key('traderState', ['m']))) ?? '')).toMatchObject({
      state: 'running',
    });
    expect(await outboxRows(db)).toEqual([]);
  });
});

describe('the relay', () => {
  it('applies later what failed, and keeps the error until then', async () => {
    const { db } = resources;
    const { seen, handler } = recorder();
    const failing = outboxWith(() => Promise.reject(new Error('Redis is away')));
    await failing.drain(await commit(db, [project('a')]));
    expect(await outboxRows(db)).toMatchObject([{ target: 'a', lastError: 'Redis is away' }]);
    await age(db);
    expect(await failing.relay()).toBe(1);
    expect(await outboxRows(db)).toMatchObject([{ target: 'a', lastError: 'Redis is away', attempts: 1 }]);
    await age(db);
    expect(await outboxWith(handler).relay()).toBe(1);
    expect(seen).toEqual(['a']);
    expect(await outboxRows(db)).toEqual([]);
  });

  it('waits a moment between two tries', async () => {
    const { db } = resources;
    const failing = outboxWith(() => Promise.reject(new Error('still away')));
    await commit(db, [project('a')]);
    await age(db);
    expect(await failing.relay()).toBe(1);
    expect(await failing.relay()).toBe(0);
  });

  it('leaves rows alone whose process may still be draining them', async () => {
    const { db } = resources;
    const { seen, handler } = recorder();
    await commit(db, [project('a')]);
    expect(await outboxWith(handler).relay()).toBe(0);
    expect(seen).toEqual([]);
  });

  it('takes over the rows of a dead process, each in exactly one of two relays', async () => {
    const { db } = resources;
    const first = recorder();
    const second = recorder();
    const targets = Array.from({ length: 200 }, (_, index) => `k${index}`);
    await commit(db, targets.map(project));
    await age(db);
    const found = await Promise.all([outboxWith(first.handler).relay(), outboxWith(second.handler).relay()]);
    expect(found[0] + found[1]).toBe(targets.length);
    expect([...first.seen, ...second.seen].sort()).toEqual([...targets].sort());
    expect(await outboxRows(db)).toEqual([]);
  });

  it('takes a single row in exactly one of two relays, every time', async () => {
    const { db } = resources;
    for (let round = 0; round < 20; round++) {
      const both = recorder();
      await commit(db, [project(`r${round}`)]);
      await age(db);
      const [a, b] = await Promise.all([outboxWith(both.handler).relay(), outboxWith(both.handler).relay()]);
      expect([a, b].sort()).toEqual([0, 1]);
      expect(both.seen).toEqual([`r${round}`]);
    }
  });

  it('takes rows back that a relay claimed and died with', async () => {
    const { db } = resources;
    const { seen, handler } = recorder();
    const never = new Promise<void>(() => {});
    await commit(db, [project('a')]);
    await age(db);
    void outboxWith(() => never).relay();
    await eventually(async () => expect(await outboxRows(db)).toMatchObject([{ attempts: 1 }]));
    expect(await outboxWith(handler).relay()).toBe(0);
    await age(db);
    expect(await outboxWith(handler).relay()).toBe(1);
    expect(seen).toEqual(['a']);
  });
});

describe('an effect that enqueues', () => {
  it('lives until the consumer acknowledges it', async () => {
    const { db, outbox } = resources;
    const effect = cycleOf('m');
    await outbox.drain(await commit(db, [effect]));
    const job = await queueOf('decision-cycle').getJob(effect.target);
    expect(job?.data).toEqual({ v: 1, modelId: 'm', slotMs: NOW });
    expect(await hasUnfinishedJobs(db)).toBe(true);
    expect(await outboxTargets(db)).toEqual([effect.target]);
    await settleEffects(db, [{ target: effect.target, ids: null }]);
    expect(await outboxRows(db)).toEqual([]);
    expect(await hasUnfinishedJobs(db)).toBe(false);
  });

  it('is acknowledged up to the newest request that the run has covered, and no further', async () => {
    const { db } = resources;
    const effect = snapshotOf('m');
    await commit(db, [effect, snapshotOf('n'), effect]);
    const covers = await promisesOf(db, effect.target);
    const [late] = await commit(db, [effect]);
    expect(covers).toContain((await outboxRows(db))[0]?.id);
    await settleEffects(db, [{ target: effect.target, ids: covers }]);
    const rows = await outboxRows(db);
    expect(rows.map((row) => row.target)).toEqual([snapshotOf('n').target, effect.target]);
    expect(rows.at(-1)?.id).toBe(late?.id);
  });

  it('is not taken back by an id that was another row before a crash of the database', async () => {
    const { db } = resources;
    const [row] = await commit(db, [snapshotOf('m')]);
    const ids = [row?.id ?? 0];
    await settleEffects(db, [{ target: 'leaderboard', ids }]);
    expect(await outboxTargets(db)).toEqual([snapshotOf('m').target]);
    await settleEffects(db, [
      { target: 'leaderboard', ids: [12_345] },
      { target: snapshotOf('m').target, ids },
    ]);
    expect(await outboxTargets(db)).toEqual([]);
  });

  it('covers nothing when nothing was asked for', async () => {
    const { db } = resources;
    expect(await promisesOf(db, 'snapshot_nobody')).toEqual([]);
    await commit(db, [{ kind: 'project', target: 'snapshot_nobody' }]);
    expect(await promisesOf(db, 'snapshot_nobody')).toEqual([]);
    await settleEffects(db, [{ target: 'snapshot_nobody', ids: null }]);
    expect(await outboxTargets(db)).toEqual(['snapshot_nobody']);
  });

  it('brings a job back that the queue has lost, whether it is of a slot or coalesces', async () => {
    const { db, outbox } = resources;
    const effects = [cycleOf('m'), snapshotOf('m')];
    await outbox.drain(await commit(db, effects));
    for (const name of ['decision-cycle', 'snapshot']) {
      expect(await queueOf(name).getWaitingCount()).toBe(1);
      await queueOf(name).obliterate({ force: true });
      await queueOf(name).resume();
      expect(await queueOf(name).getWaitingCount()).toBe(0);
    }
    await age(db);
    expect(await outbox.relay()).toBe(2);
    for (const name of ['decision-cycle', 'snapshot']) expect(await queueOf(name).getWaitingCount()).toBe(1);
    expect(await outboxRows(db)).toHaveLength(2);
  });

  it('brings a coalescing job back when Redis forgot the job but not that it was there', async () => {
    const { db, outbox, queueRedis, keys } = resources;
    const effect = snapshotOf('m');
    await outbox.drain(await commit(db, [effect]));
    const [job] = await queueOf('snapshot').getWaiting();
    await queueRedis.del(`${keys.queuePrefix}:snapshot:${job?.id}`, `${keys.queuePrefix}:snapshot:wait`);
    await age(db);
    await outbox.relay();
    const [again] = await queueOf('snapshot').getWaiting();
    expect(again?.data).toMatchObject({ modelId: 'm' });
    expect(again?.id).not.toBe(job?.id);
  });

  it('changes nothing while the job waits: offering it again adds no second one', async () => {
    const { db, outbox } = resources;
    await outbox.drain(await commit(db, [cycleOf('m'), snapshotOf('m')]));
    for (let round = 0; round < 3; round++) {
      await age(db);
      expect(await outbox.relay()).toBe(2);
    }
    expect(await queueOf('decision-cycle').getWaitingCount()).toBe(1);
    expect(await queueOf('snapshot').getWaitingCount()).toBe(1);
  });

  it('delivers again though a failed job of the same id is retained', async () => {
    const { db, outbox } = resources;
    const effect = cycleOf('m');
    const fails = new Worker(
      'decision-cycle',
      () => Promise.reject(new UnrecoverableError('the queue gave up on it')),
      { connection: workerConnection(resources.queueRedisUrl), prefix: resources.keys.queuePrefix },
    );
    fails.on('error', () => {});
    try {
      await outbox.drain(await commit(db, [effect]));
      await eventually(async () => expect(await queueOf('decision-cycle').getFailedCount()).toBe(1));
    } finally {
      await fails.close();
    }
    // The queue ignores a second job of this id; the relay knows that it offers this one again.
    await outbox.drain(await commit(db, [effect]));
    expect(await queueOf('decision-cycle').getWaitingCount()).toBe(0);
    await age(db);
    await outbox.relay();
    expect(await queueOf('decision-cycle').getWaitingCount()).toBe(1);
    expect(await queueOf('decision-cycle').getFailedCount()).toBe(0);
    expect((await queueOf('decision-cycle').getJob(effect.target))?.attemptsMade).toBe(0);
  });

  it('waits in the outbox, counted by kind, while the queue cannot be reached', async () => {
    const { db } = resources;
    const outbox = outboxWith(() => Promise.reject(new Error('queue is away')), 'enqueue');
    await outbox.drain(await commit(db, [cycleOf('m'), cycleOf('n')]));
    const [pending] = await pendingEffects(db);
    expect(pending).toMatchObject({ kind: 'enqueue', count: 2 });
    expect(pending?.oldestMs).toBeGreaterThanOrEqual(0);
  });
});
