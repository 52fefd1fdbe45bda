import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { CodedError } from '../../src/errors.ts';
import { contractOf, enqueueEffect } from '../../src/jobs/registry.ts';
import { openRedis } from '../../src/redis/connections.ts';
import { jobLock } from '../../src/redis/lock.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import { startProxy } from '../tcp-proxy.ts';
import { commit, deferred, eventually, outboxRows } from './support.ts';

let run: TestRun;

beforeAll(async () => {
  run = await createRun();
});

afterAll(() => run.close());

// What nobody catches would end the process; the test runner reports it as a failure of the whole file.

describe('a transaction whose connection dies', () => {
  it('between two of its statements fails, and the process lives', async () => {
    const { db } = run.resources;
    const died = db.transaction(async (tx) => {
      const [me] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await db.query('SELECT pg_terminate_backend($1)', [me?.pid]);
      await db.query('SELECT pg_sleep(0.2)');
      await tx.query(`INSERT INTO symbols (symbol) VALUES ('GHOST')`);
    });
    await expect(died).rejects.toThrow();
    expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await db.query(`SELECT 1 FROM symbols WHERE symbol = 'GHOST'`)).toEqual([]);
  });
});

describe('the lock of a job', () => {
  async function lockBehindProxy(key: string, lockMs: number) {
    const url = new URL(run.servers.queueRedisUrl);
    const proxy = await startProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const redis = openRedis(url.toString(), 'test', () => {});
    await redis.connect();
    const lost = deferred();
    const lock = jobLock(redis, `${run.prefix}:lock:${key}`, lockMs, lost.resolve);
    const end = async () => {
      await lock.release().catch(() => {});
      redis.disconnect();
      await proxy.close();
    };
    return { proxy, redis, lock, lost: lost.promise, end };
  }

  it('is lost when Redis stays away longer than it lasts, and the process lives', async () => {
    const { proxy, lock, lost, end } = await lockBehindProxy('a', 600);
    expect(await lock.tryAcquire()).toBe(true);
    await proxy.cut();
    await lost;
    await end();
  });

  it('is kept when Redis is back before it has run out', async () => {
    const lockMs = 3000;
    const { proxy, redis, lock, lost, end } = await lockBehindProxy('b', lockMs);
    let isLost = false;
    void lost.then(() => {
      isLost = true;
    });
    expect(await lock.tryAcquire()).toBe(true);
    await proxy.cut();
    await eventually(() => expect(redis.status).not.toBe('ready'));
    await proxy.restore();
    await eventually(() => expect(redis.status).toBe('ready'));
    await run.resources.db.query('SELECT pg_sleep($1)', [(lockMs + 500) / 1000]);
    expect(isLost).toBe(false);
    expect(await redis.get(`${run.prefix}:lock:b`)).not.toBeNull();
    await end();
  });
});

describe('a job that meets an outage of Postgres', () => {
  it('waits for its end, however long, and spends no attempt', async () => {
    const { db, outbox, history } = run.resources;
    const tries: number[] = [];
    const worker = startWorker(
      run.resources,
      'decision-cycle',
      async (_, { attempt }) => {
        tries.push(attempt);
        if (tries.length < 5) throw new CodedError('NOF0_DATABASE_UNAVAILABLE', 'Postgres does not answer');
        return done();
      },
      1,
      { ...contractOf('decision-cycle'), attempts: 2 },
    );
    const effect = enqueueEffect('decision-cycle', { modelId: 'm', slotMs: Date.UTC(2026, 0, 1) });
    await outbox.drain(await commit(db, [effect]));
    await eventually(async () => expect(await outboxRows(db)).toEqual([]), 20_000);
    await worker.close(0);
    await history.flush();
    expect(tries).toEqual([1, 1, 1, 1, 1]);
    const outcomes = await db.query<{ outcome: string }>('SELECT outcome FROM job_runs ORDER BY id');
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['snoozed', 'snoozed', 'snoozed', 'snoozed', 'done']);
  });
});
