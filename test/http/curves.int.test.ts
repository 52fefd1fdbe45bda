/** The curves of the arena, the ledger's entries and what is run here. */

import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { createRun, type TestRun } from '../harness.ts';
import { HOUR_MS, INCEPTION_MS, MODELS, seed } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST, SECOND] = MODELS;
const HALF_MS = HOUR_MS / 2;

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

const values = z.array(z.number().nullable());
const curvesShape = z.strictObject({
  times: z.array(z.number()),
  curves: z.array(
    z.strictObject({
      id: z.string(),
      baseline: z.boolean(),
      equity: values,
      lower: values.nullable(),
      upper: values.nullable(),
    }),
  ),
  held: z.strictObject({ symbol: z.string(), units: z.number() }).nullable(),
  serverTime: z.number(),
});

const curves = (query = '') => shapes.getAnswer(api, `/api/equity-curves${query}`, curvesShape);

describe('equity curves', () => {
  it('have one axis for all models, from the beginning to the newest snapshot', async () => {
    const { times, curves: all, held } = await curves();
    expect([times[0], times.at(-1)]).toEqual([INCEPTION_MS, INCEPTION_MS + 5 * HALF_MS]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(all.map(({ id }) => id)).toEqual(MODELS);
    for (const { equity } of all) expect(equity).toHaveLength(times.length);
    expect(all[0]?.equity.filter((value) => value !== null)).toEqual([10_000, 10_001, 10_002, 10_003, 10_004, 10_005]);
    expect(all[1]?.equity.filter((value) => value !== null)).toEqual([10_000, 10_001, 10_002, 10_003]);
    expect(held).toBeNull();
  });

  it('are thinned to what is asked for, and keep the newest values', async () => {
    const { times, curves: all } = await curves('?points=2');
    expect(times.length).toBeLessThanOrEqual(3);
    expect(all[0]?.equity.at(-1)).toBe(10_005);
  });

  it('begin where they are asked to, also after everything', async () => {
    const from = INCEPTION_MS + 3 * HALF_MS;
    const late = await curves(`?since=${from}`);
    expect(Math.min(...late.times)).toBeGreaterThanOrEqual(from);
    expect(late.curves.find(({ id }) => id === FIRST)?.equity.at(-1)).toBe(10_005);
    expect(await curves(`?since=${from * 2}`)).toMatchObject({ times: [], curves: [] });
  });

  it('stand beside the same money held in Bitcoin, at the prices of the moments', async () => {
    const { db } = arena.resources;
    await db.query(
      `INSERT INTO baseline_hours (baseline, hour, ts_ms, price, equity_usd) VALUES ('buynhold_btc', -1, $1, 100000, 10000)`,
      [INCEPTION_MS],
    );
    await db.query(
      `INSERT INTO price_candles (provider, symbol, interval, open_ts_ms, o, h, l, c, volume)
       SELECT 'synthetic', 'BTC', '1m', $1::bigint + n * 60000, 1, 1, 1, 100000 + n, 1 FROM generate_series(0, 200) n`,
      [INCEPTION_MS],
    );
    const { times, curves: all, held } = await curves();
    const baseline = all.at(-1);
    expect(baseline).toMatchObject({ id: 'buynhold_btc', baseline: true, lower: null });
    expect(held).toEqual({ symbol: 'BTC', units: 0.1 });
    // A candle is known once it has ended: half an hour later the 29th is.
    const at = (ms: number) => baseline?.equity[times.indexOf(INCEPTION_MS + ms)];
    expect(at(0)).toBeCloseTo(10_000, 9);
    expect(at(5 * HALF_MS)).toBeCloseTo((100_000 + 149) * 0.1, 9);
  });

  it('have intervals once there are enough steps', async () => {
    const { db } = arena.resources;
    await db.query(
      `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd) SELECT $1, $2::bigint + n * 60000, 10000 + 30 * sin(n) FROM generate_series(200, 260) n`,
      [SECOND, INCEPTION_MS],
    );
    const { curves: all } = await curves('?points=1000');
    const [first, second] = all;
    expect(first?.lower).toBeNull();
    const [equity, lower, upper] = [second?.equity.at(-1) ?? 0, second?.lower?.at(-1) ?? 0, second?.upper?.at(-1) ?? 0];
    expect(lower).toBeGreaterThan(9000);
    expect(lower).toBeLessThan(equity);
    expect(upper).toBeGreaterThan(equity);
  });

  it('refuse what is no number of points', async () => {
    for (const query of ['?points=1', '?points=1001', '?points=x', '?since=-1'])
      expect((await api.request(`/api/equity-curves${query}`)).status, query).toBe(400);
  });
});

describe('the entries of a ledger', () => {
  const fillsShape = z.strictObject({
    fills: z.array(z.looseObject({ id: z.string(), timestamp: z.number(), kind: z.string() })),
    nextCursor: z.string().optional(),
    serverTime: z.number(),
  });
  const fills = (query: string) => shapes.getAnswer(api, `/api/fills/${FIRST}${query}`, fillsShape);

  it('come newest first, page by page, also among entries of one moment', async () => {
    const { db } = arena.resources;
    await db.query(`INSERT INTO symbols (symbol) VALUES ('BTC'), ('ETH') ON CONFLICT DO NOTHING`);
    await db.query(
      `INSERT INTO fills (id, model_id, provider, symbol, side, price, size, ts_ms, kind)
       SELECT 'f' || lpad(n::text, 3, '0'), $1, 'paper', CASE n % 2 WHEN 0 THEN 'BTC' ELSE 'ETH' END, 'buy', 1, 1, $2::bigint + n / 4, CASE n % 5 WHEN 0 THEN 'funding' ELSE 'trade' END
       FROM generate_series(1, 23) n`,
      [FIRST, INCEPTION_MS],
    );
    const whole = (await fills('')).fills.map(({ id }) => id);
    expect(whole).toEqual(Array.from({ length: 23 }, (_, index) => `f${String(23 - index).padStart(3, '0')}`));
    const seen: string[] = [];
    let cursor: string | undefined = '';
    while (cursor !== undefined) {
      const page: z.infer<typeof fillsShape> = await fills(`?limit=5&cursor=${cursor}`);
      seen.push(...page.fills.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(whole);
    expect((await api.request('/api/fills/nobody')).status).toBe(404);
  });
});

describe('what is run', () => {
  it.each([
    [{ kind: 'synthetic', settings: {} }, 'paper'],
    [{ kind: 'replay', settings: { dir: 'x' } }, 'replay'],
    [{ kind: 'hyperliquid', settings: { network: 'mainnet', trading: 'paper' } }, 'paper'],
    [{ kind: 'hyperliquid', settings: { network: 'testnet', trading: 'live' } }, 'testnet'],
    [{ kind: 'hyperliquid', settings: { network: 'mainnet', trading: 'live' } }, 'live'],
  ] as const)('says whether money is real: %j', async (run, mode) => {
    const { resources } = arena;
    const app = createApi({ ...resources, run: { ...resources.run, ...run } });
    const answer = (await (await app.request('/api/run')).json()) as { run: Record<string, unknown> };
    expect(answer.run).toMatchObject({ mode, kind: run.kind, name: resources.run.name, market_now: null });
  });
});
