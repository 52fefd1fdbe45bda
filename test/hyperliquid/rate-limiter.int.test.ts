import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { openRedis, type ScriptedRedis } from '../../src/redis/connections.ts';
import { RateLimiter } from '../../src/redis/rate-limiter.ts';

/** Two processes: what they share is the key. */
let one: ScriptedRedis;
let other: ScriptedRedis;
let key: string;
const LIMIT = { perMinute: 100, reserved: 20 };

beforeAll(async () => {
  one = openRedis(inject('queueRedisUrl'), 'limit-one', () => {});
  other = openRedis(inject('queueRedisUrl'), 'limit-other', () => {});
  await Promise.all([one.connect(), other.connect()]);
});
afterAll(() => {
  one.disconnect();
  other.disconnect();
});
beforeEach(() => {
  key = `test.limit:${randomBytes(6).toString('hex')}`;
});

/** What the script says: ms to wait, 0 when it was taken. */
const ask = (redis: ScriptedRedis, weight: number, reserve = 0) => redis.takeWeight(key, weight, 100, reserve, 0, 0);
/** Moves everything that was taken back in time: the minute need not be waited for. */
async function age(seconds: number): Promise<void> {
  const rows = await one.hgetall(key);
  await one.del(key);
  for (const [second, weight] of Object.entries(rows)) {
    if (second !== 'until') await one.hset(key, String(Number(second) - seconds), weight);
  }
}

describe('a shared budget', () => {
  it('is never exceeded by processes that take at the same time', async () => {
    const waits = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(i % 2 ? one : other, 5)));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(20);
    expect(Math.min(...waits.filter((wait) => wait > 0))).toBeGreaterThan(55_000);
  });

  it('keeps its reserve for orders', async () => {
    expect(await ask(one, 80, LIMIT.reserved)).toBe(0);
    expect(await ask(other, 1, LIMIT.reserved)).toBeGreaterThan(0);
    expect(await ask(other, 20)).toBe(0);
    expect(await ask(other, 1)).toBeGreaterThan(0);
  });

  it('is there again a minute later, neither earlier nor all at once', async () => {
    expect(await ask(one, 60)).toBe(0);
    await age(40);
    expect(await ask(one, 40)).toBe(0);
    expect(await ask(one, 50)).toBeGreaterThan(0);
    await age(22);
    expect(await ask(one, 60)).toBe(0);
    expect(await ask(one, 1)).toBeGreaterThan(0);
  });

  it('counts what answers cost beyond what was taken, and a block for everybody', async () => {
    const limiter = new RateLimiter(one, key, LIMIT);
    await limiter.take(10, { urgent: false });
    await limiter.charge(90);
    expect(await ask(other, 1)).toBeGreaterThan(50_000);
    await one.del(key);
    await limiter.block(1500);
    const wait = await ask(other, 1);
    expect(wait).toBeGreaterThan(1000);
    expect(wait).toBeLessThanOrEqual(1500);
  });

  it('serves a request that is larger than itself, alone', async () => {
    expect(await ask(one, 500)).toBe(0);
    expect(await ask(one, 1)).toBeGreaterThan(0);
  });

  it('lets a waiter go that is not wanted any more, and serves one when its time has come', async () => {
    const limiter = new RateLimiter(one, key, LIMIT);
    await limiter.block(60_000);
    const stop = new AbortController();
    const waiting = limiter.take(1, { urgent: true, signal: stop.signal });
    stop.abort();
    await expect(waiting).rejects.toThrow();
    await one.del(key);
    await limiter.block(50);
    await limiter.take(1, { urgent: true });
    expect(await one.hvals(key)).toContain('1');
  });
});
