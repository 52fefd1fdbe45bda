import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { refresh, type Target } from '../../src/domain/published-keys.ts';
import { PROJECTIONS } from '../../src/projections/families.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { Publisher } from '../../src/projections/publisher.ts';
import { redisNowMs } from '../../src/redis/connections.ts';
import { KeyRegistry, type KeyType } from '../../src/redis/keys.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import type { NewEffect } from '../../src/store/effects.ts';
import { createRun, type TestRun } from '../harness.ts';
import { age, commit, deferred, eventually, outboxRows } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);
const MODEL = 'model:1';
const ANALYTICS: Target = { family: 'analytics', ids: [MODEL] };
const MAX_AGE_MS = 10_000;

let run: TestRun;
let resources: Resources;

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
  await resources.db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ($1, 'One', 'paper', 'synthetic'), ('quiet', 'Two', 'paper', 'synthetic')`,
    [MODEL],
  );
});

beforeEach(async () => {
  await forgetCache();
  await resources.db.query('TRUNCATE effects, model_analytics, trader_state, price_latest');
});

afterAll(() => run.close());

/** What `FLUSHALL` would do to this run alone. */
async function forgetCache(): Promise<void> {
  const { cacheRedis } = resources;
  const found = [...(await cacheRedis.keys(`${run.prefix}:*`)), ...(await cacheRedis.keys(`v:{${run.prefix}:*`))];
  if (found.length > 0) await cacheRedis.del(...found);
}

/** Another process of the same run. */
function secondProcess(): Promise<Resources> {
  return openResources({
    config: run.config,
    servers: run.servers,
    prefix: run.prefix,
    role: 'second',
    logger: resources.logger,
  });
}

async function saveAnalytics(number: number, { db } = resources): Promise<void> {
  await db.query(
    `INSERT INTO model_analytics (model_id, payload, server_time_ms) VALUES ($1, $2::jsonb, $3)
     ON CONFLICT (model_id) DO UPDATE SET payload = excluded.payload`,
    [MODEL, JSON.stringify({ number }), SLOT],
  );
}

const keyOf = (target: Target, keys = resources.keys) => keys.key(target.family, target.ids);
const cached = (target: Target) => resources.cacheRedis.get(keyOf(target));
const payload = (number: number) => JSON.stringify({ number });

describe('the fence', () => {
  /** Writes a string through the script, as a publisher with this token would. */
  async function write(token: number, value: string[], drawnMsAgo = 0, type: KeyType = 'string', key = 'fence') {
    const { cacheRedis } = resources;
    const full = `${run.prefix}:${key}`;
    const drawnMs = (await redisNowMs(cacheRedis)) - drawnMsAgo;
    return cacheRedis.fencedReplace(full, `v:{${full}}`, token, drawnMs, MAX_AGE_MS, 30_000, 60_000, type, ...value);
  }
  const value = () => resources.cacheRedis.get(`${run.prefix}:fence`);

  it('refuses a writer with an older token, or with the same', async () => {
    expect(await write(7, ['seven'])).toBe(1);
    expect(await write(6, ['six'])).toBe(0);
    expect(await write(7, ['seven again'])).toBe(0);
    expect(await value()).toBe('seven');
    expect(await write(8, ['eight'])).toBe(1);
    expect(await value()).toBe('eight');
  });

  it('compares tokens as numbers', async () => {
    expect(await write(9, ['nine'])).toBe(1);
    expect(await write(10, ['ten'])).toBe(1);
    expect(await write(9, ['nine'])).toBe(0);
    expect(await write(9_007_199_254_740, ['big'])).toBe(1);
    expect(await value()).toBe('big');
  });

  it('refuses a writer that took more than ten seconds of Redis time, whatever its token', async () => {
    expect(await write(1, ['late'], MAX_AGE_MS + 500)).toBe(-1);
    expect(await value()).toBeNull();
    expect(await write(2, ['in time'], MAX_AGE_MS - 2000)).toBe(1);
    expect(await write(3, ['late'], MAX_AGE_MS + 500)).toBe(-1);
    expect(await value()).toBe('in time');
  });

  it('keeps the token longer than any write may take, though the value may live shorter', async () => {
    await write(1, ['x']);
    const key = `${run.prefix}:fence`;
    expect(await resources.cacheRedis.pttl(key)).toBeLessThanOrEqual(30_000);
    expect(await resources.cacheRedis.pttl(`v:{${key}}`)).toBeGreaterThan(2 * MAX_AGE_MS);
  });

  it('refuses the older writer also when the value is gone', async () => {
    await write(5, ['five']);
    await resources.cacheRedis.del(`${run.prefix}:fence`);
    expect(await write(4, ['four'])).toBe(0);
    expect(await value()).toBeNull();
  });

  it('replaces the whole value: no field of the old one stays', async () => {
    const { cacheRedis } = resources;
    await write(1, ['BTC', '1', 'ETH', '2'], 0, 'hash');
    await write(2, ['ETH', '3'], 0, 'hash');
    expect(await cacheRedis.hgetall(`${run.prefix}:fence`)).toEqual({ ETH: '3' });
    // Also when the type changes.
    await write(3, ['a', 'b'], 0, 'list');
    expect(await cacheRedis.lrange(`${run.prefix}:fence`, 0, -1)).toEqual(['a', 'b']);
  });

  it.each(['hash', 'list', 'zset'] as const)(
    'writes a %s of many thousand members in pieces, whole and in order',
    async (type) => {
      const { cacheRedis } = resources;
      const key = `${run.prefix}:big`;
      const members = Array.from({ length: 5001 }, (_, index) => `member ${index}`);
      const given = {
        list: members,
        hash: members.flatMap((member, index) => [member, String(index)]),
        zset: members.flatMap((member, index) => [String(index), member]),
      }[type];
      expect(await write(1, given, 0, type, 'big')).toBe(1);
      const found = {
        list: () => cacheRedis.lrange(key, 0, -1),
        hash: async () => Object.keys(await cacheRedis.hgetall(key)),
        zset: () => cacheRedis.zrange(key, '0', '-1'),
      }[type];
      const all = await found();
      expect(type === 'hash' ? [...all].sort() : all).toEqual(type === 'hash' ? [...members].sort() : members);
      expect(await cacheRedis.pttl(key)).toBeGreaterThan(0);
    },
  );
});

describe('two publishers of one key', () => {
  /** A publisher whose load, once it has read Postgres, waits until it is let go: a process that stands still at the worst moment. */
  function paused(process: Resources) {
    const loaded = deferred();
    const gate = deferred();
    const projections = PROJECTIONS.map(
      (projection): Projection => ({
        ...projection,
        async load(context, ids) {
          const values = await projection.load(context, ids);
          loaded.resolve();
          await gate.promise;
          return values;
        },
      }),
    );
    const { cacheRedis, keys, metrics, logger } = process;
    const publisher = new Publisher(process.publisher.context, cacheRedis, keys, metrics, logger, projections);
    return { publisher, loaded: loaded.promise, go: gate.resolve };
  }

  let second: Resources;

  beforeAll(async () => {
    second = await secondProcess();
  });
  afterAll(() => second.close());

  it('keep the newer value when the one with the older comes back late', async () => {
    await saveAnalytics(1);
    const slow = paused(second);
    const late = slow.publisher.refresh([ANALYTICS]);
    await slow.loaded;
    await saveAnalytics(2);
    expect(await resources.publisher.refresh([ANALYTICS])).toEqual({ written: 1, refused: 0 });
    slow.go();
    expect(await late).toEqual({ written: 0, refused: 1 });
    expect(await cached(ANALYTICS)).toBe(payload(2));
  });

  it('would end with the older value without the token: the same order of events with a plain DEL and SET', async () => {
    const { cacheRedis, publisher } = resources;
    await saveAnalytics(1);
    const [old] = await publisher.load([ANALYTICS]);
    await saveAnalytics(2);
    await publisher.refresh([ANALYTICS]);
    await cacheRedis
      .multi()
      .del(keyOf(ANALYTICS))
      .set(keyOf(ANALYTICS), old?.[0] ?? '', 'PX', 30_000)
      .exec();
    expect(await cached(ANALYTICS)).toBe(payload(1));
  });

  it('do not let a reader that fills a miss bring the older value back', async () => {
    await saveAnalytics(1);
    const slow = paused(second);
    const read = slow.publisher.read(ANALYTICS);
    await slow.loaded;
    await saveAnalytics(2);
    await resources.publisher.refresh([ANALYTICS]);
    slow.go();
    // The reader gets what it loaded; the key keeps what is newer.
    expect(await read).toEqual([payload(1)]);
    expect(await cached(ANALYTICS)).toBe(payload(2));
  });

  it('both end with the newest value however they contend for the lock', async () => {
    const processes = [resources, second];
    let number = 100;
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const process = processes[index % 2] ?? resources;
          number += 1;
          await saveAnalytics(number, process);
          await process.publisher.refresh([ANALYTICS]);
        }),
      );
      const [wanted] = await resources.publisher.load([ANALYTICS]);
      expect([await cached(ANALYTICS)]).toEqual(wanted);
    }
    expect(await resources.cacheRedis.exists(resources.keys.lock('analytics', MODEL))).toBe(0);
  });

  it('do not wait for a lock whose holder died: the refresh goes on without it', async () => {
    const { cacheRedis, keys, publisher } = resources;
    await cacheRedis.set(keys.lock('analytics', MODEL), 'a dead process', 'PX', 60_000);
    await saveAnalytics(1);
    expect(await publisher.refresh([ANALYTICS])).toEqual({ written: 1, refused: 0 });
    expect(await cached(ANALYTICS)).toBe(payload(1));
    // A lock that is not ours is left alone.
    expect(await cacheRedis.get(keys.lock('analytics', MODEL))).toBe('a dead process');
  });

  it('count one key asked for twice as one', async () => {
    await saveAnalytics(1);
    expect(await resources.publisher.refresh([ANALYTICS, { ...ANALYTICS }])).toEqual({ written: 1, refused: 0 });
  });
});

describe('a write that came too late', () => {
  it('is no success: nobody else may have written the value, so the effect stays and is tried again', async () => {
    const { db, outbox, cacheRedis, keys, metrics, logger, publisher } = resources;
    await saveAnalytics(1);
    const late = new Publisher(publisher.context, cacheRedis, keys, metrics, logger, PROJECTIONS, -1);
    await expect(late.refresh([ANALYTICS])).rejects.toMatchObject({ code: 'NOF0_CACHE_UNAVAILABLE' });
    // The reader is not held up by it.
    expect(await late.read(ANALYTICS)).toEqual([payload(1)]);
    expect(await cached(ANALYTICS)).toBeNull();
    await outbox.drain(await commit(db, [refresh('analytics', MODEL)]));
    expect(await cached(ANALYTICS)).toBe(payload(1));
  });
});

describe('reading', () => {
  it('fills a miss and then answers from Redis', async () => {
    await saveAnalytics(1);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([payload(1)]);
    expect(await cached(ANALYTICS)).toBe(payload(1));
    await saveAnalytics(2);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([payload(1)]);
    await resources.publisher.refresh([ANALYTICS]);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([payload(2)]);
  });

  it('fills the misses of many keys together and keeps their order', async () => {
    await saveAnalytics(1);
    await resources.db.query(`INSERT INTO trader_state (trader_id, state) VALUES ($1, 'paused')`, [MODEL]);
    const state: Target = { family: 'traderState', ids: [MODEL] };
    await resources.publisher.read(ANALYTICS);
    const [first, second, third] = await resources.publisher.readMany([
      state,
      ANALYTICS,
      { family: 'analytics', ids: ['quiet'] },
    ]);
    expect(JSON.parse(first?.[0] ?? '')).toMatchObject({ state: 'paused' });
    expect(second).toEqual([payload(1)]);
    expect(third).toEqual([]);
  });

  it('remembers that there is nothing', async () => {
    expect(await resources.publisher.peek([ANALYTICS])).toEqual([undefined]);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([]);
    expect(await resources.publisher.peek([ANALYTICS])).toEqual([[]]);
    expect(await resources.cacheRedis.exists(keyOf(ANALYTICS))).toBe(0);
    // A row that nobody announced is not seen; the effect of its commit makes it so.
    await saveAnalytics(1);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([]);
    await resources.publisher.refresh([ANALYTICS]);
    expect(await resources.publisher.read(ANALYTICS)).toEqual([payload(1)]);
  });

  it('forgets that there was nothing when a value would have expired', async () => {
    const { cacheRedis, metrics, logger, publisher } = resources;
    const keys = new KeyRegistry(run.prefix, { ...run.config.ttl, analytics: 50 });
    const short = new Publisher(publisher.context, cacheRedis, keys, metrics, logger, PROJECTIONS);
    expect(await short.read(ANALYTICS)).toEqual([]);
    await saveAnalytics(1);
    await eventually(async () => expect(await short.peek([ANALYTICS])).toEqual([undefined]));
    expect(await short.read(ANALYTICS)).toEqual([payload(1)]);
    await eventually(async () => expect(await short.peek([ANALYTICS])).toEqual([undefined]));
  });

  it('replaces a value by nothing when its rows are gone', async () => {
    await saveAnalytics(1);
    await resources.publisher.refresh([ANALYTICS]);
    await resources.db.query('DELETE FROM model_analytics');
    await resources.publisher.refresh([ANALYTICS]);
    expect(await resources.publisher.peek([ANALYTICS])).toEqual([[]]);
  });

  it('comes from Postgres while the cache is gone, and the effects of that time are applied when it is back', async () => {
    const second = await secondProcess();
    try {
      const { db, publisher, outbox, cacheRedis, prices } = second;
      await saveAnalytics(1);
      await publisher.refresh([ANALYTICS]);
      await db.query(`INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ('synthetic', 'BTC', 5, $1)`, [
        SLOT,
      ]);
      cacheRedis.disconnect();
      await eventually(() => expect(publisher.available).toBe(false));
      await saveAnalytics(2);
      expect(await publisher.read(ANALYTICS)).toEqual([payload(2)]);
      expect(await prices.read()).toEqual([{ symbol: 'BTC', price: 5, timestamp: SLOT }]);
      await expect(publisher.refresh([ANALYTICS])).rejects.toMatchObject({ code: 'NOF0_CACHE_UNAVAILABLE' });
      await expect(prices.refresh()).rejects.toMatchObject({ code: 'NOF0_CACHE_UNAVAILABLE' });
      await outbox.drain(await commit(db, [refresh('analytics', MODEL), refresh('cryptoPrices')]));
      expect(await outboxRows(db)).toHaveLength(2);
      expect(await cached(ANALYTICS)).toBe(payload(1));
      await cacheRedis.connect();
      await age(db);
      expect(await outbox.relay()).toBe(2);
      expect(await outboxRows(db)).toEqual([]);
      expect(await cached(ANALYTICS)).toBe(payload(2));
      expect(await publisher.read(ANALYTICS)).toEqual([payload(2)]);
    } finally {
      await second.close();
    }
  });
});

describe('price keys', () => {
  const price = (symbol: string, value: number, tsMs: number, provider = 'synthetic') =>
    resources.db.query(
      `INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ($1, $2, $3, $4)
       ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, ts_ms = excluded.ts_ms`,
      [provider, symbol, value, tsMs],
    );
  const stored = async (symbol: string, provider = 'synthetic') => {
    const { cacheRedis, keys } = resources;
    const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
    return {
      own: parse(await cacheRedis.get(keys.key('priceLatestByProvider', [provider, symbol]))),
      primary: parse(await cacheRedis.get(keys.key('priceLatest', [symbol]))),
      hash: parse(await cacheRedis.hget(keys.key('cryptoPrices', []), `${provider}:${symbol}`)),
    };
  };

  it('hold the newest price in all three shapes', async () => {
    await price('BTC', 100, SLOT);
    expect(await resources.prices.refresh()).toBe(1);
    expect(await stored('BTC')).toEqual({
      own: { price: 100, ts_ms: SLOT },
      primary: { symbol: 'BTC', price: 100, timestamp: SLOT },
      hash: { symbol: 'BTC', price: 100, timestamp: SLOT },
    });
    expect(await resources.prices.check()).toEqual({ compared: 3, differences: [] });
  });

  it('never replace a newer price by an older one', async () => {
    await price('BTC', 100, SLOT + 1000);
    await resources.prices.refresh();
    await price('BTC', 90, SLOT);
    await resources.prices.refresh();
    expect(await stored('BTC')).toMatchObject({
      own: { price: 100, ts_ms: SLOT + 1000 },
      primary: { price: 100 },
      hash: { price: 100 },
    });
    await price('BTC', 110, SLOT + 2000);
    await resources.prices.refresh();
    expect(await stored('BTC')).toMatchObject({ own: { price: 110 }, primary: { price: 110 }, hash: { price: 110 } });
  });

  it('take a corrected price of the same moment', async () => {
    await price('BTC', 100, SLOT);
    await resources.prices.refresh();
    await price('BTC', 101, SLOT);
    await resources.prices.refresh();
    expect(await stored('BTC')).toMatchObject({ own: { price: 101 }, hash: { price: 101 } });
  });

  it('judge each symbol by its own time', async () => {
    await price('BTC', 100, SLOT + 5000);
    await price('ETH', 10, SLOT);
    await resources.prices.refresh();
    await price('BTC', 90, SLOT + 1000);
    await price('ETH', 11, SLOT + 1000);
    await resources.prices.refresh();
    expect(await stored('BTC')).toMatchObject({ hash: { price: 100 } });
    expect(await stored('ETH')).toMatchObject({ hash: { price: 11 } });
  });

  it('give the plain key to the primary provider alone', async () => {
    await price('BTC', 100, SLOT);
    await price('BTC', 200, SLOT + 1, 'other');
    await resources.prices.refresh();
    expect(await stored('BTC', 'other')).toMatchObject({
      own: { price: 200 },
      primary: { price: 100 },
      hash: { price: 200 },
    });
    expect(await resources.prices.read()).toEqual([{ symbol: 'BTC', price: 100, timestamp: SLOT }]);
  });

  it('leave out a symbol that the others have left behind', async () => {
    const { config } = run;
    await price('OLD', 1, SLOT);
    await price('BTC', 100, SLOT + config.ttl.short + 1);
    await price('ETH', 10, SLOT + 1);
    await resources.prices.refresh();
    expect((await resources.prices.read()).map(({ symbol }) => symbol)).toEqual(['BTC', 'ETH']);
  });

  it('come from Postgres when the hash is gone', async () => {
    await price('ETH', 10, SLOT);
    await price('BTC', 100, SLOT);
    expect((await resources.prices.read()).map(({ symbol }) => symbol)).toEqual(['BTC', 'ETH']);
  });
});

describe('the trade stream', () => {
  const event = (id: string, revision: number, type = 'trade'): NewEffect => ({
    kind: 'stream',
    target: id,
    version: revision,
    ordinal: 0,
    payload: { id, revision, type, pnl: 1.5 },
  });
  const publish = async (...events: NewEffect[]) => resources.stream.publish(await commit(resources.db, events));
  const entries = async () => {
    const rows = await resources.queueRedis.xrange(resources.keys.tradeStream(), '-', '+');
    return rows.map(([, fields]) => `${fields[fields.indexOf('id') + 1]}#${fields[fields.indexOf('revision') + 1]}`);
  };

  beforeEach(async () => {
    const { queueRedis, keys } = resources;
    const guards = await queueRedis.keys(`${run.prefix}:ingest:trade:*`);
    await queueRedis.del(keys.tradeStream(), ...guards);
  });

  it('holds a trade and revision once, and a higher revision again', async () => {
    await publish(event('t1', 0));
    await publish(event('t1', 0));
    expect(await entries()).toEqual(['t1#0']);
    await publish(event('t1', 1, 'trade.revised'));
    await publish(event('t1', 0));
    await publish(event('t1', 1, 'trade.revised'));
    expect(await entries()).toEqual(['t1#0', 't1#1']);
  });

  it('keeps the order of a target’s versions, whatever order its rows are drained in', async () => {
    const rows = await commit(resources.db, [event('a', 0), event('b', 0), event('a', 1), event('a', 2)]);
    await resources.outbox.drain([...rows].reverse());
    const own = (await entries()).filter((entry) => entry.startsWith('a#'));
    expect(own).toEqual(['a#0', 'a#1', 'a#2']);
  });

  it('is promised until Redis has it on disk: what it forgets before comes back, once and in order', async () => {
    const { db, outbox, queueRedis, keys } = resources;
    const rows = await commit(db, [event('a', 0), event('a', 1)]);
    await outbox.drain(rows);
    expect(await outboxRows(db)).toHaveLength(2);
    await queueRedis.del(keys.tradeStream(), keys.tradeGuard('a'));
    await age(db);
    await outbox.relay();
    expect(await entries()).toEqual(['a#0', 'a#1']);
    expect(await outboxRows(db)).toHaveLength(2);
    // A few seconds later.
    await queueRedis.pexpire(keys.tradeGuard('a'), keys.guardTtlMs - 3000);
    await age(db);
    await outbox.relay();
    expect(await entries()).toEqual(['a#0', 'a#1']);
    expect(await outboxRows(db)).toEqual([]);
  });

  it('takes a revision from two processes once', async () => {
    const rows = await commit(resources.db, [event('t1', 0)]);
    await Promise.all(Array.from({ length: 10 }, () => resources.stream.publish(rows)));
    expect(await entries()).toEqual(['t1#0']);
  });

  it('guards ids that would reach into another key', async () => {
    await publish(event('a:b', 0), event('a%3Ab', 0), event('{x}', 0));
    expect(await entries()).toEqual(['a:b#0', 'a%3Ab#0', '{x}#0']);
    const guards = await resources.queueRedis.keys(`${run.prefix}:ingest:trade:*`);
    expect(guards).toHaveLength(3);
    expect(await resources.queueRedis.get(resources.keys.tradeGuard('a:b'))).toBe('seen:0');
  });

  it('tells every field of the event', async () => {
    await publish(event('t1', 3, 'trade.revised'));
    const [entry] = await resources.queueRedis.xrange(resources.keys.tradeStream(), '-', '+');
    const fields = entry?.[1] ?? [];
    const pairs = fields.flatMap((field, index) => (index % 2 === 0 ? [[field, fields[index + 1]]] : []));
    expect(Object.fromEntries(pairs)).toEqual({ id: 't1', revision: '3', type: 'trade.revised', pnl: '1.5' });
  });

  it('says in its check what is missing and what stands twice', async () => {
    await publish(event('t1', 0), event('t2', 1));
    expect(await resources.stream.check([{ id: 't1', revision: 0 }])).toEqual({ compared: 2, differences: [] });
    await resources.queueRedis.xadd(resources.keys.tradeStream(), '*', 'id', 't1', 'revision', '0');
    const { differences } = await resources.stream.check([{ id: 't3', revision: 0 }]);
    expect(differences).toEqual([
      'trade t1 revision 0 stands twice in the stream',
      'trade t3 revision 0 is missing in the stream',
    ]);
  });
});
