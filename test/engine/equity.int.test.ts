import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharpeRatio } from '../../src/domain/statistics.ts';
import { computeAllAnalytics } from '../../src/engine/compute-analytics.ts';
import { recomputeMetrics, sharpeAt } from '../../src/engine/equity-metrics.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { KnownModels } from '../../src/http/known-models.ts';
import { readModels } from '../../src/http/read-models.ts';
import { readAccountTotals, readSinceInceptionValues } from '../../src/http/read-totals.ts';
import { CURVE_POINTS, equityCurves } from '../../src/store/equity.ts';
import { allMetrics } from '../../src/store/equity-metrics.ts';
import { type Arena, feed, never, one, openTestArena, T0, tick } from './arena.ts';

const HOUR_MS = 3_600_000;
const MODEL = 'holder';

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena();
});
afterAll(() => arena.run.close());

const sharpe = (modelId: string, nowMs: number) =>
  sharpeAt({ tx: arena.db, seed: 'test' }, { modelId, initialEquityUsd: 10_000, inceptionTsMs: T0 }, nowMs);

/** Snapshots as they are taken: the last of the hour counts. */
async function closeHour(hour: number, equityUsd: number, modelId = MODEL): Promise<void> {
  for (const [part, equity] of [
    [0.2, equityUsd - 5],
    [0.9, equityUsd],
  ] as const)
    await arena.db.query(
      `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, positions, since_inception_hourly_marker, since_inception_minute_marker)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        modelId,
        T0 + (hour + part) * HOUR_MS,
        equity,
        JSON.stringify({ BTC: { quantity: -0.1, current_price: 50_000 } }),
        hour,
        Math.floor((hour + part) * 60),
      ],
    );
}

describe('equity metrics', () => {
  const equities = Array.from({ length: 30 }, (_, hour) => 10_000 + 100 * Math.sin(hour) + 10 * hour);
  const returns = equities.map((equity, hour) => equity / (equities[hour - 1] ?? 10_000) - 1);

  it('are computed with the first snapshot of an hour, over the hours before it', async () => {
    for (const [hour, equity] of equities.entries()) await closeHour(hour, equity);
    const first = await sharpe(MODEL, T0 + 30.5 * HOUR_MS);
    expect(first).toBeCloseTo(sharpeRatio(returns, 8760), 9);
    await closeHour(30, 50_000);
    expect(await sharpe(MODEL, T0 + 30.95 * HOUR_MS)).toBe(first);
    expect(await sharpe(MODEL, T0 + 31.1 * HOUR_MS)).not.toBe(first);
    const metrics = (await allMetrics(arena.db)).get(MODEL);
    expect(metrics).toMatchObject({ hours: 31, intervals: { sharpe: [expect.any(Number), expect.any(Number)] } });
    expect(metrics?.return_pct).toBeCloseTo(400, 9);
  });

  it('are in the snapshot and beside the models', async () => {
    await takeSnapshot(arena.stories, MODEL, T0 + 31.2 * HOUR_MS);
    const row = await one<{ sharpe: number }>(
      arena.db,
      'SELECT sharpe_ratio AS sharpe FROM account_equity_snapshots WHERE model_id = $1 ORDER BY ts_ms DESC LIMIT 1',
      [MODEL],
    );
    const { models } = await readModels(arena.run.resources);
    expect(models.find((model) => model.id === MODEL)?.metrics?.sharpe).toBe(row.sharpe);
    expect(models.find((model) => model.id === 'twin')?.metrics).toBeNull();
  });

  it('are found again from the inception on', async () => {
    expect(await recomputeMetrics(arena.db, 'test', MODEL)).toEqual([]);
    await arena.db.query(
      `UPDATE equity_metrics SET metrics = jsonb_set(metrics, '{sharpe}', '17') WHERE model_id = $1`,
      [MODEL],
    );
    expect(await recomputeMetrics(arena.db, 'test', MODEL)).toEqual([
      expect.stringMatching(/sharpe: kept 17, computed/),
    ]);
    expect(await recomputeMetrics(arena.db, 'test', MODEL)).toEqual([]);
  });

  it('take model cost and transfers out of the return', async () => {
    await arena.db.query(`INSERT INTO llm_usage (model_id, day, cost_usd) VALUES ('twin', '2025-09-15', 50)`);
    await arena.db.query(
      `INSERT INTO fills (id, model_id, provider, symbol, side, price, size, closed_pnl, kind, ts_ms) VALUES ('d', 'twin', 'test', 'USD', 'buy', 1, 0, 2000, 'transfer', $1)`,
      [T0 + HOUR_MS / 2],
    );
    await closeHour(0, 12_100, 'twin');
    await sharpe('twin', T0 + HOUR_MS);
    const metrics = (await allMetrics(arena.db)).get('twin');
    expect(metrics?.return_pct).toBeCloseTo(1, 9);
    expect(metrics?.return_after_model_cost_pct).toBeCloseTo(0.5, 9);
    expect(metrics?.exposure_pct).toBeCloseTo((100 * 5000) / 12_100, 9);
    expect(metrics?.intervals).toBeNull();
  });
});

describe('an equity curve', () => {
  it('has at most so many points, the newest snapshot among them', async () => {
    await arena.db.query(
      `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, since_inception_minute_marker) SELECT 'long-lived', $1 + i * 60000::bigint, i, i FROM generate_series(0, 20000) AS i`,
      [T0],
    );
    const curve = await equityCurves(arena.db, ['long-lived', 'stranger', MODEL]);
    const own = curve.filter((point) => point.modelId === 'long-lived');
    expect(own.length).toBeLessThanOrEqual(CURVE_POINTS + 1);
    expect(own.length).toBeGreaterThan(CURVE_POINTS / 2);
    expect(own.at(-1)).toEqual({ modelId: 'long-lived', timestamp: T0 + 20_000 * 60_000, value: 20_000 });
    expect(own.map((point) => point.timestamp)).toEqual(own.map((point) => point.timestamp).sort((a, b) => a - b));
    expect(new Set(curve.map((point) => point.modelId))).toEqual(new Set(['long-lived', MODEL]));
    await arena.db.query(`DELETE FROM account_equity_snapshots WHERE model_id = 'long-lived'`);
  });
});

describe('the baseline', () => {
  const hours = () =>
    arena.db.query<{ hour: number; equity: number }>(
      'SELECT hour, equity_usd AS equity FROM baseline_hours ORDER BY hour',
    );

  it('is the start equity held in Bitcoin, hour by hour, however often it is extended', async () => {
    await computeAllAnalytics(arena.stories, T0 + 1, never);
    expect(await hours()).toEqual([]);
    await feed(arena.db, {
      ticks: [
        tick('BTC', T0 - 1000, 100_000),
        tick('BTC', T0 + 0.5 * HOUR_MS, 101_000),
        tick('BTC', T0 + 0.99 * HOUR_MS, 102_000),
        tick('BTC', T0 + 3.1 * HOUR_MS, 90_000),
      ],
    });
    await computeAllAnalytics(arena.stories, T0 + 0.6 * HOUR_MS, never);
    const first = await hours();
    expect(first.map(({ hour }) => hour)).toEqual([-1, 0]);
    expect(first.map(({ equity }) => Math.round(equity))).toEqual([10_000, 10_100]);
    for (let again = 0; again < 2; again++) await computeAllAnalytics(arena.stories, T0 + 3.2 * HOUR_MS, never);
    expect((await hours()).map(({ hour, equity }) => [hour, Math.round(equity)])).toEqual([
      [-1, 10_000],
      [0, 10_200],
      [1, 10_200],
      [2, 10_200],
      [3, 9000],
    ]);
  });

  it('stands among the account totals, the inceptions and the curves', async () => {
    const { resources } = arena.run;
    const reader = { ...resources, knownModels: new KnownModels(resources.db) };
    const totals = await readAccountTotals(reader, 2);
    const own = totals.accountTotals.filter((total) => total.model_id === 'buynhold_btc');
    expect(own.map((total) => [total.since_inception_hourly_marker, Math.round(total.dollar_equity)])).toEqual([
      [2, 10_200],
      [3, 9000],
    ]);
    expect(own[1]).toMatchObject({ positions: {}, realized_pnl: 0, cum_pnl_pct: expect.closeTo(-10, 9) });
    const { sinceInceptionValues } = await readSinceInceptionValues(reader);
    expect(sinceInceptionValues).toContainEqual({
      id: 'buynhold_btc',
      model_id: 'buynhold_btc',
      nav_since_inception: 10_000,
      inception_date: T0 / 1000,
      num_invocations: 0,
    });
    const curve = await resources.cacheRedis.lrange(resources.keys.key('sinceInception', ['buynhold_btc']), 0, -1);
    expect(curve).toHaveLength(4);
  });
});
