import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { computeAllAnalytics, computeModelAnalytics } from '../../src/engine/compute-analytics.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { lockAccount } from '../../src/store/equity.ts';
import { withinWork } from '../../src/telemetry/work.ts';
import {
  type Arena,
  accountVersion,
  arenaConfig,
  cached,
  count,
  feed,
  never,
  one,
  openTestArena,
  T0,
  tick,
  until,
} from './arena.ts';
import { withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MODEL = 'holder';

let arena: Arena;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

type Snapshot = {
  equity: number;
  realized: number;
  unrealized: number;
  margin: number;
  hour: number;
  minute: number;
  positions: Record<string, unknown>;
};
const snapshotAt = (tsMs: number, modelId = MODEL) =>
  one<Snapshot>(
    arena.db,
    `SELECT equity_usd AS equity, realized_pnl AS realized, unrealized_pnl AS unrealized, margin_used AS margin, positions,
            since_inception_hourly_marker AS hour, since_inception_minute_marker AS minute
     FROM account_equity_snapshots WHERE model_id = $1 AND ts_ms = $2`,
    [modelId, tsMs],
  );
const snapshots = () => count(arena.db, 'account_equity_snapshots');

async function buy(symbol: string, size: number, side: 'buy' | 'sell' = 'buy', nowMs = T0): Promise<void> {
  const { exchange } = arena.stories;
  const order = {
    symbol,
    size,
    side,
    kind: 'market',
    triggerPrice: null,
    reduceOnly: side === 'sell',
    leverage: 2,
  } as const;
  await exchange.send(
    exchange.prepare(MODEL, [{ ...order, cloid: `${side}-${symbol}-${nowMs}` }], nowMs, nowMs + 1),
    nowMs,
    never,
  );
}

/** Moves every price of the paper exchange and of the platform. */
async function move(factor: number, tsMs: number): Promise<void> {
  const latest = await arena.db.query<{ symbol: string; price: number }>('SELECT symbol, price FROM price_latest');
  await feed(arena.db, { ticks: latest.map(({ symbol, price }) => tick(symbol, tsMs, price * factor)) });
  await arena.stories.exchange.match?.(never);
}

describe('a snapshot', () => {
  it('of a model that never traded is its initial equity', async () => {
    expect(await takeSnapshot(arena.stories, MODEL, T0)).toEqual({
      kind: 'done',
      note: { equityUsd: 10_000, newFills: 0 },
    });
    expect(await snapshotAt(T0)).toMatchObject({
      equity: 10_000,
      realized: 0,
      unrealized: 0,
      margin: 0,
      positions: {},
      hour: 0,
      minute: 0,
    });
  });

  it('syncs the fills of the exchange and comes to the equity that the exchange knows', async () => {
    await buy('SOL', 10);
    await move(1.05, T0 + 1000);
    await buy('SOL', 4, 'sell', T0 + 2000);
    await feed(arena.db, {
      ticks: [],
      fundings: [{ symbol: 'SOL', tsMs: T0 + HOUR_MS, rate: 0.0001 }],
      watermarkMs: T0 + HOUR_MS,
    });
    await arena.stories.exchange.match?.(never);
    await move(0.97, T0 + HOUR_MS + 1000);
    const outcome = await takeSnapshot(arena.stories, MODEL, T0 + HOUR_MS + 1000);
    expect(outcome).toMatchObject({ kind: 'done', note: { newFills: 3 } });

    const row = await snapshotAt(T0 + HOUR_MS + 1000);
    const state = await arena.stories.exchange.accountState(MODEL);
    expect(row.equity).toBeCloseTo(state.equityUsd, 6);
    expect(row.equity).toBeCloseTo(10_000 + row.realized + row.unrealized, 9);
    expect(row).toMatchObject({ hour: 1, minute: 60 });
    const sums = await one<{ gross: number; fees: number; funding: number }>(
      arena.db,
      `SELECT sum(closed_pnl) FILTER (WHERE kind = 'trade') AS gross, sum(fee_usd) AS fees, sum(closed_pnl) FILTER (WHERE kind = 'funding') AS funding FROM fills`,
    );
    expect(sums.funding).toBeLessThan(0);
    expect(row.realized).toBeCloseTo(sums.gross - sums.fees + sums.funding, 9);
  });

  it('is one row a model and moment: taken again it replaces the figures', async () => {
    await takeSnapshot(arena.stories, MODEL, T0);
    await buy('SOL', 10);
    await takeSnapshot(arena.stories, MODEL, T0);
    await takeSnapshot(arena.stories, MODEL, T0);
    await takeSnapshot(arena.stories, 'twin', T0);
    expect(await snapshots()).toBe(2);
    expect(Object.keys((await snapshotAt(T0)).positions)).toEqual(['SOL']);
    expect((await snapshotAt(T0)).equity).toBeLessThan(10_000);
  });

  it('taken by several workers at once syncs the fills once', async () => {
    await buy('SOL', 10);
    await Promise.all(Array.from({ length: 6 }, () => takeSnapshot(arena.stories, MODEL, T0)));
    expect([await snapshots(), await count(arena.db, 'fills'), await accountVersion(arena.db, MODEL)]).toEqual([
      1, 1, 1,
    ]);
  });

  it('asks for no snapshot of its own, though its fills do elsewhere', async () => {
    await buy('SOL', 10);
    await takeSnapshot(arena.stories, MODEL, T0);
    expect(await count(arena.db, `effects WHERE kind = 'enqueue' AND payload->>'job' = 'snapshot'`)).toBe(0);
  });

  it('publishes the positions as they are stored, and an empty key when the last one is closed', async () => {
    const { cacheRedis, keys } = arena.run.resources;
    await buy('SOL', 10);
    await takeSnapshot(arena.stories, MODEL, T0);
    const published = await cacheRedis.hgetall(keys.key('positions', [MODEL]));
    expect(Object.fromEntries(Object.entries(published).map(([symbol, text]) => [symbol, JSON.parse(text)]))).toEqual(
      (await snapshotAt(T0)).positions,
    );
    await buy('SOL', 10, 'sell', T0 + 1000);
    await takeSnapshot(arena.stories, MODEL, T0 + 1000);
    expect(await cacheRedis.exists(keys.key('positions', [MODEL]))).toBe(0);
    const row = await cached(arena.run, 'leaderboardCache');
    expect(row).toMatchObject({ leaderboard: expect.arrayContaining([expect.objectContaining({ id: MODEL })]) });
  });

  it('shows the whole of a ledger change that is under way, never a part of it', async () => {
    await buy('SOL', 10);
    await takeSnapshot(arena.stories, MODEL, T0);
    const before = await snapshotAt(T0);
    expect(before.unrealized).not.toBe(0);
    const snapshot = await arena.db.transaction(async (tx) => {
      await lockAccount(tx, MODEL);
      await tx.query(
        'UPDATE accounts SET realized_usd = realized_usd + 500, version = version + 1 WHERE model_id = $1',
        [MODEL],
      );
      const taken = takeSnapshot(arena.stories, MODEL, T0 + 1000);
      await until('the snapshot to wait for the ledger', async () => {
        const waiting = await count(
          arena.db,
          `pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting > 0;
      });
      await tx.query(`UPDATE positions SET status = 'closed' WHERE model_id = $1`, [MODEL]);
      // Wrapped, so that the transaction commits before it is awaited.
      return { taken };
    });
    await snapshot.taken;
    expect(await snapshotAt(T0 + 1000)).toMatchObject({
      unrealized: 0,
      realized: before.realized + 500,
      positions: {},
    });
  });

  it('is written no more when its job is told to stop after it was begun', async () => {
    await takeSnapshot(arena.stories, MODEL, T0);
    const stop: { reason: string | null } = { reason: null };
    const { exchange } = arena.stories;
    const stopping = withExchange(arena.stories, {
      async fillHeads() {
        const heads = await exchange.fillHeads();
        stop.reason = 'lock lost';
        return heads;
      },
    });
    const taken = withinWork({ job: 'snapshot', stop }, () => takeSnapshot(stopping, MODEL, T0 + 1000));
    await expect(taken).rejects.toBe('lock lost');
    expect(await snapshots()).toBe(1);
  });

  it('of a model without an account is refused', async () => {
    await expect(takeSnapshot(arena.stories, 'stranger', T0)).rejects.toMatchObject({ code: 'NOF0_MODEL_UNKNOWN' });
    expect(await snapshots()).toBe(0);
  });
});

describe('analytics', () => {
  const payloadOf = (modelId: string) =>
    one<{ payload: Record<string, unknown>; version: number; at: number }>(
      arena.db,
      'SELECT payload, version, server_time_ms AS at FROM model_analytics WHERE model_id = $1',
      [modelId],
    );

  it('of a model are one row that follows its ledger, and its key', async () => {
    await runDecisionCycle(arena.stories, arena.frames, MODEL, T0, never);
    expect(await computeModelAnalytics(arena.stories, MODEL, T0 + 1000)).toEqual({ kind: 'done' });
    const first = await payloadOf(MODEL);
    expect(first).toMatchObject({ version: await accountVersion(arena.db, MODEL), at: T0 + 1000 });
    expect(await cached(arena.run, 'analytics', MODEL)).toEqual(first.payload);
    await buy('BTC', 0.001, 'sell', T0 + 2000);
    await takeSnapshot(arena.stories, MODEL, T0 + 2000);
    await computeModelAnalytics(arena.stories, MODEL, T0 + 3000);
    const second = await payloadOf(MODEL);
    expect(second.version).toBe(first.version + 1);
    expect(second.payload).not.toEqual(first.payload);
    expect(await cached(arena.run, 'analytics', MODEL)).toEqual(second.payload);
    expect(await count(arena.db, 'model_analytics')).toBe(1);
  });

  it('come to the same payload when they are computed again', async () => {
    await runDecisionCycle(arena.stories, arena.frames, MODEL, T0, never);
    await computeModelAnalytics(arena.stories, MODEL, T0 + 1000);
    const first = await payloadOf(MODEL);
    await computeModelAnalytics(arena.stories, MODEL, T0 + 1000);
    expect(await payloadOf(MODEL)).toEqual(first);
  });

  it('of all models refresh the keys over all models', async () => {
    await takeSnapshot(arena.stories, MODEL, T0 + 5 * MINUTE_MS);
    expect(await computeAllAnalytics(arena.stories, T0 + 5 * MINUTE_MS, never)).toEqual({
      kind: 'done',
      note: { models: 2 },
    });
    const all = await cached(arena.run, 'analyticsAll');
    expect(all).toEqual({ analytics: [(await payloadOf(MODEL)).payload, (await payloadOf('twin')).payload] });
    const { cacheRedis, keys } = arena.run.resources;
    expect(await cacheRedis.lrange(keys.key('sinceInception', [MODEL]), 0, -1)).toEqual([
      JSON.stringify({ timestamp: T0 + 5 * MINUTE_MS, value: 10_000 }),
    ]);
    expect(await count(arena.db, 'effects')).toBe(0);
  });

  it('of a model that has no account are skipped', async () => {
    expect(await computeModelAnalytics(arena.stories, 'stranger', T0)).toMatchObject({ kind: 'skipped' });
  });
});
