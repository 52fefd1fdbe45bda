import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi } from '../../src/http/api.ts';
import { HOURS_KEPT } from '../../src/projections/equity-families.ts';
import type { Target } from '../../src/projections/projection.ts';
import { createRun, type TestRun } from '../harness.ts';
import { HOUR_MS, INCEPTION_MS, MODELS, seed } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST, SECOND] = MODELS;
/** The first model has a snapshot in each hour up to this one, the second one ended after two hours. */
const LAST_HOUR = 12;
const BASELINE = 'buynhold_btc';

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  const { db } = arena.resources;
  await db.query(
    `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, since_inception_hourly_marker, since_inception_minute_marker, positions)
     SELECT $1, $2::bigint + hour * ${HOUR_MS}, 10000 + hour, hour, hour * 60, '{}' FROM generate_series(3, $3::int) AS hour`,
    [FIRST, INCEPTION_MS, LAST_HOUR],
  );
  await db.query(
    `INSERT INTO baseline_hours (baseline, hour, ts_ms, price, equity_usd)
     SELECT $1, hour, $2::bigint + greatest(0, (hour + 1) * ${HOUR_MS} - 1), 100, 10000 + hour FROM generate_series(-1, $3::int) AS hour`,
    [BASELINE, INCEPTION_MS, LAST_HOUR],
  );
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

const refresh = (...targets: Target[]) => arena.resources.publisher.refresh(targets);

describe('account totals', () => {
  const hoursShown = async (query: string) => {
    const { accountTotals, lastHourlyMarkerRead } = await shapes.getAnswer(
      api,
      `/api/account-totals${query}`,
      shapes.accountTotals,
    );
    const of = (id: string) =>
      accountTotals.filter((row) => row.model_id === id).map((row) => row.since_inception_hourly_marker);
    return { first: of(FIRST), second: of(SECOND), baseline: of(BASELINE), lastHourlyMarkerRead };
  };
  const hours = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);

  it.each([undefined, ...hours(0, LAST_HOUR + 1)])(
    'from hour %s on miss none, whether keys hold them or not',
    async (marker) => {
      const from = marker ?? 0;
      expect(await hoursShown(marker === undefined ? '' : `?lastHourlyMarker=${marker}`)).toEqual({
        first: hours(from, LAST_HOUR),
        second: hours(from, 1),
        baseline: hours(from, LAST_HOUR),
        lastHourlyMarkerRead: Math.max(from, LAST_HOUR),
      });
    },
  );

  it('of the newest hours come from their keys, and are as old as they are', async () => {
    const { db, cacheRedis, keys } = arena.resources;
    const target: Target = { family: 'accountTotals', ids: [FIRST] };
    await refresh(target);
    expect(await cacheRedis.llen(keys.key('accountTotals', [FIRST]))).toBe(HOURS_KEPT);
    const newest = async () => {
      const path = `/api/account-totals?lastHourlyMarker=${LAST_HOUR}`;
      const { accountTotals } = await shapes.getAnswer(api, path, shapes.accountTotals);
      return accountTotals.find((row) => row.model_id === FIRST)?.dollar_equity;
    };
    const before = await newest();
    await db.query(
      'UPDATE account_equity_snapshots SET equity_usd = 9000 WHERE model_id = $1 AND since_inception_hourly_marker = $2',
      [FIRST, LAST_HOUR],
    );
    expect(await newest()).toBe(before);
    await refresh(target);
    expect(await newest()).toBe(9000);
  });
});

describe('since inception', () => {
  const values = async () =>
    (await shapes.getAnswer(api, '/api/since-inception-values', shapes.sinceInceptionValues)).sinceInceptionValues;

  it('counts the invocations of the last finished cycle, and has the baseline', async () => {
    const rows = await values();
    expect(rows.map((row) => [row.model_id, row.num_invocations, row.nav_since_inception])).toEqual([
      [FIRST, 5, 10_000],
      [SECOND, 5, 10_000],
      [BASELINE, 0, 9999],
    ]);
  });

  it('comes from its keys', async () => {
    const { db } = arena.resources;
    await values();
    await db.query('UPDATE accounts SET initial_equity_usd = 5000 WHERE model_id = $1', [SECOND]);
    expect((await values())[1]?.nav_since_inception).toBe(10_000);
    await refresh({ family: 'inception', ids: [SECOND] });
    expect((await values())[1]?.nav_since_inception).toBe(5000);
  });
});

describe('the newest decisions', () => {
  const newest = async (query = '') =>
    (await shapes.getAnswer(api, `/api/decisions${query}`, shapes.decisions)).decisions[0]?.cycle_number;

  it('are read again when a model has finished a cycle, and not before', async () => {
    const { db } = arena.resources;
    for (const query of ['', `?model_id=${FIRST}`]) expect(await newest(query)).toBe(5);
    await db.query(
      `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, success, decisions, executed_at)
       VALUES ($1, $2, 6, 'done', true, '[]', now())`,
      [FIRST, INCEPTION_MS + HOUR_MS],
    );
    for (const query of ['', `?model_id=${FIRST}`]) expect(await newest(query)).toBe(5);
    await refresh({ family: 'decisionLast', ids: [FIRST] });
    for (const query of ['', `?model_id=${FIRST}`, '?limit=1']) expect(await newest(query)).toBe(6);
    expect(await newest(`?model_id=${SECOND}`)).toBe(5);
  });

  it('that were lost with the cache come from Postgres and stand again', async () => {
    await arena.resources.cacheRedis.flushall();
    for (let round = 0; round < 2; round += 1) expect(await newest()).toBe(6);
  });
});
