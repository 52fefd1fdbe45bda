import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repair, verify } from '../../src/cli/verify.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { TASKS } from '../../src/maintenance/tasks.ts';
import { addEffects } from '../../src/store/effects.ts';
import { type Arena, never, openTestArena, T0 } from '../engine/arena.ts';
import { withExchange } from '../engine/stand-ins.ts';
import { age } from './support.ts';

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena();
  await ingestPrices(arena.stories, T0, never);
  await runDecisionCycle(arena.stories, arena.frames, 'holder', T0, never);
});
afterAll(() => arena.run.close());

const check = (stories = arena.stories) => TASKS['check-consistency'](arena.run.resources, never, stories, T0);

async function counted(family: string, result: string): Promise<number> {
  const { values } = await arena.run.resources.metrics.inconsistencies.get();
  return values.find(({ labels }) => labels.family === family && labels.result === result)?.value ?? 0;
}

describe('the periodic check', () => {
  it('finds nothing where nothing is wrong', async () => {
    expect(await check()).toMatchObject({ kind: 'done', note: { models: 2, repaired: 0, left: 0 } });
  });

  it('puts a key right that says something else than Postgres, or holds something else than it should', async () => {
    const { cacheRedis, keys, publisher } = arena.run.resources;
    const state = keys.key('traderState', ['holder']);
    await publisher.refresh(await publisher.allTargets());
    await cacheRedis.set(state, '{"state":"paused"}', 'PX', 60_000);
    await cacheRedis.del(keys.key('leaderboard', []));
    await cacheRedis.set(keys.key('leaderboard', []), 'no ranking at all');
    expect(await check()).toMatchObject({ note: { repaired: 1, left: 0 } });
    expect(await counted('traderState', 'repaired')).toBe(1);
    expect(JSON.parse((await cacheRedis.get(state)) ?? '')).toMatchObject({ state: 'running' });
    expect(await publisher.read({ family: 'leaderboard', ids: [] })).toHaveLength(4);
    expect(await cacheRedis.type(keys.key('leaderboard', []))).toBe('zset');
  });

  it('fetches fills that the ledger lacks', async () => {
    const { db } = arena.run.resources;
    const rows = await db.query<{ n: number }>(
      `SELECT count(*) AS n FROM positions WHERE model_id = 'holder' AND status = 'open'`,
    );
    expect(rows[0]?.n).toBeGreaterThan(0);
    // As if the ledger had never heard of them.
    for (const table of ['fills', 'positions', 'trades'])
      await db.query(`DELETE FROM ${table} WHERE model_id = 'holder'`);
    const outcome = await check();
    expect(outcome).toMatchObject({ note: { repaired: rows[0]?.n, left: 0 } });
    expect(await counted('exchange', 'repaired')).toBe(rows[0]?.n);
    expect(await check()).toMatchObject({ note: { repaired: 0, left: 0 } });
  }, 20_000);

  it('reports what it cannot put right', async () => {
    const { exchange } = arena.stories;
    const other = withExchange(arena.stories, {
      async accountState(account) {
        const state = await exchange.accountState(account);
        return account === 'twin' ? { ...state, positions: [...state.positions, PHANTOM] } : state;
      },
    });
    expect(await check(other)).toMatchObject({ note: { repaired: 0, left: 1 } });
    expect(await counted('exchange', 'left')).toBe(1);
  }, 20_000);
});

const PHANTOM = {
  ...{ symbol: 'BTC', quantity: 1, entryPrice: 1, leverage: 1, markPrice: 1 },
  ...{ marginMode: 'cross' as const, marginUsedUsd: 1, liquidationPrice: null },
};

describe('nof0 verify --repair', () => {
  it('puts keys right, says which, and leaves nothing for the comparison that follows', async () => {
    const { cacheRedis, keys, publisher, db } = arena.run.resources;
    await publisher.refresh(await publisher.allTargets());
    await cacheRedis.set(keys.key('traderState', ['twin']), '{}', 'PX', 60_000);
    await age(db);
    expect(await repair(arena.run.resources)).toEqual([
      { family: 'traderState', difference: expect.stringContaining('twin'), repaired: true },
    ]);
    const keyLines = (await verify(arena.run.resources)).filter(
      ({ kind, family }) => kind === 'keys' && family !== 'trades:stream',
    );
    expect(keyLines.flatMap(({ differences }) => differences)).toEqual([]);
  }, 30_000);
});

describe('verify', () => {
  it('does not miss trades in the stream that are on their way to it', async () => {
    const { db } = arena.run.resources;
    const missing = async () =>
      (await verify(arena.run.resources)).find(({ family }) => family === 'trades:stream')?.differences ?? [];
    await db.query(
      `INSERT INTO trades (id, model_id, symbol, side, exit_reason, revision) VALUES ('on-its-way', 'holder', 'BTC', 'long', 'signal', 0)`,
    );
    const payload = { event: 'trade', id: 'on-its-way', revision: 0, model_id: 'holder' };
    const effect = { kind: 'stream' as const, target: 'holder', version: 99, ordinal: 0, payload };
    const [row] = await db.transaction((tx) => addEffects(tx, [effect]));
    expect(await missing()).toEqual([]);
    await db.query('DELETE FROM effects WHERE id = $1', [row?.id]);
    expect(await missing()).toEqual([expect.stringContaining('on-its-way')]);
    await db.query(`DELETE FROM trades WHERE id = 'on-its-way'`);
  }, 20_000);
});
