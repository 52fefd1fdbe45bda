import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { createRun, type TestRun } from '../harness.ts';
import { HOUR_MS, INCEPTION_MS, MODELS, seed, TRADES_OF_EACH } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST, SECOND] = MODELS;

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

const get = <T extends z.ZodType>(path: string, shape: T) => shapes.getAnswer(api, path, shape);

async function failure(path: string, status: number): Promise<z.infer<typeof shapes.failure>['error']> {
  const response = await api.request(path);
  expect(response.status, path).toBe(status);
  return shapes.failure.parse(await response.json()).error;
}

describe('answers', () => {
  it('prices carry milliseconds', async () => {
    const { prices } = await get('/api/crypto-prices', shapes.prices);
    expect(prices).toEqual({
      BTC: { symbol: 'BTC', price: 110_000, timestamp: INCEPTION_MS },
      ETH: { symbol: 'ETH', price: 3900, timestamp: INCEPTION_MS },
    });
  });

  it('account totals are the last snapshot of each hour, oldest hour first', async () => {
    const body = await get('/api/account-totals', shapes.accountTotals);
    expect(body.accountTotals.map((row) => [row.since_inception_hourly_marker, row.model_id])).toEqual([
      [0, FIRST],
      [0, SECOND],
      [1, FIRST],
      [1, SECOND],
      [2, FIRST],
    ]);
    expect(body.accountTotals[2]).toMatchObject({
      timestamp: (INCEPTION_MS + 1.5 * HOUR_MS) / 1000,
      dollar_equity: 10_003,
      cum_pnl_pct: 0,
      since_inception_minute_marker: 90,
      positions: { BTC: { symbol: 'BTC' } },
    });
    expect(body.lastHourlyMarkerRead).toBe(2);
  });

  it('with a marker account totals begin there', async () => {
    const some = await get('/api/account-totals?lastHourlyMarker=1', shapes.accountTotals);
    expect(some.accountTotals.map((row) => row.since_inception_hourly_marker)).toEqual([1, 1, 2]);
    const none = await get('/api/account-totals?lastHourlyMarker=9', shapes.accountTotals);
    expect(none).toMatchObject({ accountTotals: [], lastHourlyMarkerRead: 9 });
  });

  it('positions are marked, signed, and empty for a model that has none', async () => {
    const { accountTotals } = await get('/api/positions', shapes.positions);
    expect(accountTotals.map((row) => [row.model_id, Object.keys(row.positions)])).toEqual([
      [FIRST, ['BTC', 'ETH']],
      [SECOND, []],
    ]);
    expect(accountTotals[0]?.positions.ETH).toMatchObject({ quantity: -2, current_price: 3900, unrealized_pnl: 200 });
    expect((await get('/api/positions?limit=1', shapes.positions)).accountTotals).toHaveLength(1);
  });

  it('since inception tells what a model began with and when', async () => {
    const { sinceInceptionValues } = await get('/api/since-inception-values', shapes.sinceInceptionValues);
    expect(sinceInceptionValues[0]).toEqual({
      id: FIRST,
      nav_since_inception: 10_000,
      inception_date: INCEPTION_MS / 1000,
      num_invocations: 5,
      model_id: FIRST,
    });
  });

  it('the leaderboard is ranked and writes zeros', async () => {
    const { leaderboard } = await get('/api/leaderboard', shapes.leaderboard);
    expect(leaderboard.map((row) => row.id)).toEqual([FIRST, SECOND]);
    expect(leaderboard[0]).toMatchObject({
      num_trades: TRADES_OF_EACH,
      num_losses: 0,
      lose_dollars: 0,
      equity: 10_005,
    });
  });

  it('analytics of a model that nothing was computed for are zeros, alone and in the list', async () => {
    const one = await get(`/api/analytics/${FIRST}`, shapes.analytics);
    expect(one.analytics).toMatchObject({ model_id: FIRST, fee_pnl_moves_breakdown_table: { total_fees_paid: 0 } });
    const all = await get('/api/analytics', shapes.allAnalytics);
    expect(all.analytics.map((payload) => payload.model_id)).toEqual(MODELS);
  });

  it('conversations hold the last 20 messages of each model in the order of speech', async () => {
    const { conversations } = await get('/api/conversations', shapes.conversations);
    expect(conversations.map((row) => row.messages.length)).toEqual([20, 0]);
    const said = conversations[0]?.messages ?? [];
    expect(said.slice(-3).map((message) => message.role)).toEqual(['system', 'user', 'assistant']);
    expect(said.at(-1)).toEqual({ role: 'assistant', content: 'assistant 9', timestamp: INCEPTION_MS / 1000 + 9 });
    const { cacheRedis, keys, db } = arena.resources;
    expect(await cacheRedis.llen(keys.key('conversations', [FIRST]))).toBe(20);
    // A built-in strategy has no key that is kept up: what it would say is read where it stands.
    await db.query(`UPDATE models SET config = '{"strategy":"carry"}' WHERE id = $1`, [FIRST]);
    const fresh = await shapes.getAnswer(createApi(arena.resources), '/api/conversations', shapes.conversations);
    expect(fresh.conversations).toEqual(conversations);
    await db.query(`UPDATE models SET config = '{}' WHERE id = $1`, [FIRST]);
  });

  it('models come with the state of their traders', async () => {
    const { models } = await get('/api/models', shapes.models);
    expect(models[0]).toMatchObject({ id: FIRST, display_name: FIRST.toUpperCase(), trader: { state: 'running' } });
  });
});

describe('caching', () => {
  it.each(['/api/crypto-prices', '/api/trades', '/api/leaderboard', '/api/analytics', '/api/positions'])(
    '%s carries a tag that is answered with 304 while nothing changes',
    async (path) => {
      const first = await api.request(path);
      const tag = first.headers.get('etag') ?? '';
      expect(tag).toMatch(/^W\/"[0-9a-f]{32}"$/);
      expect(first.headers.get('cache-control')).toBe('no-cache');
      for (const header of [tag, tag.slice(2), `"other", ${tag}`, '*']) {
        const again = await api.request(path, { headers: { 'If-None-Match': header } });
        expect(again.status).toBe(304);
        expect(again.headers.get('etag')).toBe(tag);
        expect(await again.text()).toBe('');
      }
      const other = await api.request(path, { headers: { 'If-None-Match': '"other"' } });
      expect(other.status).toBe(200);
    },
  );

  it('a change gives another tag', async () => {
    const { db, prices } = arena.resources;
    const before = (await api.request('/api/crypto-prices')).headers.get('etag');
    await db.query(`UPDATE price_latest SET price = 110001, ts_ms = ts_ms + 1 WHERE symbol = 'BTC'`);
    await prices.refresh();
    expect((await api.request('/api/crypto-prices')).headers.get('etag')).not.toBe(before);
  });
});

describe('an answer that was given before', () => {
  const equityShown = async () => {
    const { leaderboard } = await get('/api/leaderboard', shapes.leaderboard);
    return leaderboard.find(({ id }) => id === FIRST)?.equity;
  };
  const setEquity = (equity: number) =>
    arena.resources.db.query('UPDATE account_equity_snapshots SET equity_usd = $2 WHERE model_id = $1', [
      FIRST,
      equity,
    ]);
  const key = () => arena.resources.keys.key('leaderboardCache', []);
  const sidecar = () => arena.resources.keys.sidecar(key());

  it.each([
    ['is written again', 11_001, () => arena.resources.publisher.refresh([{ family: 'leaderboardCache', ids: [] }])],
    ['has run out', 11_002, () => arena.resources.cacheRedis.del(key())],
    ['was lost with everything else', 11_003, () => arena.resources.cacheRedis.del(key(), sidecar())],
    [
      'has lost its token and was written',
      11_004,
      async () => {
        await arena.resources.cacheRedis.del(sidecar());
        await arena.resources.publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
      },
    ],
  ])('is not given again when its key %s', async (_name, equity, happen) => {
    await equityShown();
    expect(await equityShown()).not.toBe(equity);
    await setEquity(equity);
    await happen();
    expect(await equityShown()).toBe(equity);
  });

  it('stays apart from answers to other queries and of other models', async () => {
    for (let round = 0; round < 2; round += 1) {
      for (const id of MODELS) {
        expect((await get(`/api/analytics/${id}`, shapes.analytics)).analytics.model_id).toBe(id);
        const { trades } = await get(`/api/trades?model_id=${id}&limit=7`, shapes.trades);
        expect(trades.map((trade) => trade.model_id)).toEqual(Array(7).fill(id));
      }
      expect((await get('/api/trades?limit=5', shapes.trades)).trades).toHaveLength(5);
      expect((await get('/api/positions?limit=1', shapes.positions)).accountTotals).toHaveLength(1);
      expect((await get('/api/positions', shapes.positions)).accountTotals).toHaveLength(2);
    }
  });

  it('is made once for all who ask while it is being made', async () => {
    const { publisher } = arena.resources;
    let reads = 0;
    const counting = createApi({
      ...arena.resources,
      publisher: new Proxy(publisher, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          if (name === 'read') reads += 1;
          return value.bind(target);
        },
      }),
    });
    await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => counting.request('/api/leaderboard')));
    const texts = await Promise.all(answers.map((each) => each.text()));
    expect(new Set(texts).size).toBe(1);
    expect(reads).toBe(1);
  });

  it('is never older than what was written before it was asked for, however many ask', async () => {
    for (let round = 0; round < 10; round += 1) {
      const equity = 12_000 + round;
      await setEquity(equity);
      const early = Array.from({ length: 10 }, equityShown);
      await arena.resources.publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
      expect(await Promise.all(Array.from({ length: 10 }, equityShown))).toEqual(Array(10).fill(equity));
      await Promise.all(early);
      expect(await equityShown()).toBe(equity);
    }
  });
});

describe('errors', () => {
  it('an unknown model is 404 with the name that was probably meant', async () => {
    for (const path of ['/api/analytics/qwen3-maxx', '/api/trades?model_id=qwen3-maxx']) {
      const error = await failure(path, 404);
      expect(error.code).toBe('NOF0_MODEL_UNKNOWN');
      expect(error.message).toContain('did you mean qwen3-max?');
    }
    await failure('/api/decisions?model_id=nobody', 404);
    await failure('/api/analytics/%00', 404);
  });

  it('bad values are told all at once', async () => {
    const error = await failure('/api/trades?limit=0&since=yesterday&cursor=x&symbol=%00', 400);
    expect(error.code).toBe('NOF0_INPUT_INVALID');
    expect(error.faults?.map((fault) => fault.path).sort()).toEqual(['cursor', 'limit', 'since', 'symbol']);
    expect(error.faults?.every((fault) => fault.expected.length > 5)).toBe(true);
  });

  it.each([
    '/api/trades?limit=1001',
    '/api/trades?limit=1.5',
    '/api/trades?limit=-1',
    '/api/trades?limit=1e2',
    `/api/trades?since=${INCEPTION_MS}`,
    `/api/trades?model_id=${'x'.repeat(129)}`,
    '/api/positions?limit=all',
    '/api/account-totals?lastHourlyMarker=99999999999',
    '/api/account-totals?lastHourlyMarker=-1',
    '/api/decisions?before=soon',
    '/api/decisions?limit=999999999999999999999',
  ])('%s is refused', async (path) => {
    expect((await failure(path, 400)).code).toBe('NOF0_INPUT_INVALID');
  });

  it('unknown and empty parameters are ignored', async () => {
    const { trades } = await get('/api/trades?colour=blue&limit=&model_id=', shapes.trades);
    expect(trades).toHaveLength(100);
  });

  it('an unknown address is 404 and a wrong method 405, each with a code', async () => {
    expect((await failure('/api/nothing', 404)).code).toMatch(/^NOF0_/);
    expect((await failure('/api/trades/', 404)).code).toMatch(/^NOF0_/);
    const posted = await api.request('/api/trades', { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(shapes.failure.parse(await posted.json()).error.code).toBe('NOF0_METHOD_UNKNOWN');
  });

  it('what nobody expected is 500 without its reason', async () => {
    const broken = createApi({
      ...arena.resources,
      prices: new Proxy(arena.resources.prices, {
        get: () => () => Promise.reject(new Error('secret reason')),
      }),
    });
    const response = await broken.request('/api/crypto-prices', { headers: { 'X-Request-Id': 'abc-1' } });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'NOF0_INTERNAL' } });
    expect(text).toContain('abc-1');
    expect(text).not.toMatch(/secret|\.ts:/);
  });

  it('every answer has a request id: the caller’s when it is one, else a new one', async () => {
    const echoed = await api.request('/api/nothing', { headers: { 'X-Request-Id': 'abc-123' } });
    expect(echoed.headers.get('x-request-id')).toBe('abc-123');
    const made = await api.request('/api/models', { headers: { 'X-Request-Id': '<script>' } });
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the index page', () => {
  it('lists the addresses and escapes what it shows', async () => {
    const { resources } = arena;
    const named = createApi({ ...resources, run: { ...resources.run, name: '<test>' } });
    const text = await (await named.request('/api')).text();
    expect(text).toContain('href="/api/leaderboard"');
    expect(text).toContain('&lt;test&gt;');
    expect(text).not.toContain('<test>');
  });
});
