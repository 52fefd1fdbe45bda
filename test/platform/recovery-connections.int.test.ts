import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRedis } from '../../src/redis/connections.ts';
import { jobLock } from '../../src/redis/lock.ts';
import { createRun, type TestRun } from '../harness.ts';
import { startProxy } from '../tcp-proxy.ts';
import { deferred, eventually } from './support.ts';

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
  const LOCK_MS = 600;

  async function lockBehindProxy(key: string) {
    const url = new URL(run.servers.queueRedisUrl);
    const proxy = await startProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const redis = openRedis(url.toString(), 'test', () => {});
    await redis.connect();
    const lost = deferred();
    const lock = jobLock(redis, `${run.prefix}:lock:${key}`, LOCK_MS, lost.resolve);
    const end = async () => {
      await lock.release().catch(() => {});
      redis.disconnect();
      await proxy.close();
    };
    return { proxy, redis, lock, lost: lost.promise, end };
  }

  it('is lost when Redis stays away longer than it lasts, and the process lives', async () => {
    const { proxy, lock, lost, end } = await lockBehindProxy('a');
    expect(await lock.tryAcquire()).toBe(true);
    await proxy.cut();
    await lost;
    await end();
  });

  it('is kept when Redis is back before it has run out', async () => {
    const { proxy, redis, lock, lost, end } = await lockBehindProxy('b');
    let isLost = false;
    void lost.then(() => {
      isLost = true;
    });
    expect(await lock.tryAcquire()).toBe(true);
    await proxy.cut();
    await eventually(() => expect(redis.status).not.toBe('ready'));
    await proxy.restore();
    await eventually(() => expect(redis.status).toBe('ready'));
    await run.resources.db.query('SELECT pg_sleep($1)', [(2 * LOCK_MS) / 1000]);
    expect(isLost).toBe(false);
    expect(await redis.get(`${run.prefix}:lock:b`)).not.toBeNull();
    await end();
  });
});
