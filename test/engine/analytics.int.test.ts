import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recompute as recomputeCommand } from '../../src/cli/recompute.ts';
import { computeAllAnalytics, computeModelAnalytics } from '../../src/engine/compute-analytics.ts';
import { recomputeModel } from '../../src/engine/recompute-analytics.ts';
import { standings } from '../../src/store/equity.ts';
import { countedTrades } from '../../src/store/verify.ts';
import { hasShared, readShared } from '../domain/fills.ts';
import { type Arena, count, never, one, openTestArena, PROVIDER, T0 } from './arena.ts';

const MINUTE_MS = 60_000;

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena();
});
afterAll(() => arena.run.close());

let models = 0;
/** A model of its own for each case. */
async function newModel(): Promise<string> {
  models += 1;
  const id = `counted-${models}`;
  await arena.db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ($1, $1, 'paper', $2)`,
    [id, PROVIDER],
  );
  await arena.db.query('INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) VALUES ($1, 10000, $2)', [
    id,
    T0,
  ]);
  return id;
}

type Row = { side: string; quantity: number; price: number; holdMins: number; exitMins: number; net: number };
const row: fc.Arbitrary<Row> = fc.record({
  side: fc.constantFrom('long', 'short'),
  quantity: fc.integer({ min: 1, max: 1000 }).map((lots) => lots / 100),
  price: fc.constantFrom(100, 101.5, 99.25),
  holdMins: fc.nat({ max: 90 }),
  exitMins: fc.nat({ max: 300 }),
  net: fc.integer({ min: -500, max: 500 }).map((cents) => cents / 100),
});

/** Writes a trade, or revises the one of that name. */
const put = (modelId: string, name: number, trade: Row) =>
  arena.db.query(
    `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, entry_price, entry_ts_ms, exit_ts_ms, exit_plan, exit_reason, realized_gross_pnl, realized_net_pnl, total_commission_dollars)
     VALUES ($1, $2, 'BTC', $3, $4, $5, $6, $7, $8, '{"stop_loss": 95}', 'signal', $9, $10, 0.25)
     ON CONFLICT (id) DO UPDATE SET side = excluded.side, quantity = excluded.quantity, entry_price = excluded.entry_price, entry_ts_ms = excluded.entry_ts_ms,
       exit_ts_ms = excluded.exit_ts_ms, realized_gross_pnl = excluded.realized_gross_pnl, realized_net_pnl = excluded.realized_net_pnl, revision = trades.revision + 1, voided_at = NULL`,
    [
      `${modelId}-${name}`,
      modelId,
      trade.side,
      trade.quantity,
      1 + (name % 3),
      trade.price,
      T0 + (trade.exitMins - trade.holdMins) * MINUTE_MS,
      T0 + trade.exitMins * MINUTE_MS,
      trade.net + 0.25,
      trade.net,
    ],
  );
const voidTrade = (modelId: string, name: number) =>
  arena.db.query('UPDATE trades SET voided_at = now(), revision = revision + 1 WHERE id = $1', [`${modelId}-${name}`]);
const deleteTrade = (modelId: string, name: number) =>
  arena.db.query('DELETE FROM trades WHERE id = $1', [`${modelId}-${name}`]);

const cycles = new Map<string, number>();
async function decide(modelId: string, mins: number, confidences: readonly (number | null)[]): Promise<void> {
  const number = (cycles.get(modelId) ?? 0) + 1;
  cycles.set(modelId, number);
  const actions = ['open_long', 'open_short', 'hold', 'close_long'];
  const decisions = confidences.map((confidence, i) => ({
    symbol: 'BTC',
    action: actions[i % 4],
    confidence,
    leverage: i % 4 < 2 ? i + 1 : null,
  }));
  await arena.db.query(
    `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, decisions) VALUES ($1, $2, $3, $4)`,
    [modelId, number, number, JSON.stringify(decisions)],
  );
  await arena.db.query(
    `UPDATE decision_cycles SET step = 'done', executed_at = to_timestamp($3 / 1000.0) WHERE model_id = $1 AND slot_ms = $2`,
    [modelId, number, T0 + mins * MINUTE_MS],
  );
}

async function hold(
  modelId: string,
  name: number,
  side: string,
  entryMins: number,
  exitMins: number | null,
): Promise<void> {
  await arena.db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, entry_ts_ms, exit_ts_ms, status) VALUES ($1, $2, $3, $4, 100, 1, $5, $6, $7)
     ON CONFLICT (id) DO UPDATE SET side = excluded.side, entry_ts_ms = excluded.entry_ts_ms, exit_ts_ms = excluded.exit_ts_ms, status = excluded.status`,
    [
      `${modelId}-p${name}`,
      modelId,
      `S${name}`,
      side,
      T0 + entryMins * MINUTE_MS,
      exitMins === null ? null : T0 + exitMins * MINUTE_MS,
      exitMins === null ? 'open' : 'closed',
    ],
  );
}

const update = (modelId: string) => computeModelAnalytics(arena.stories, modelId, T0);
const recompute = (modelId: string) => recomputeModel(arena.db, PROVIDER, modelId, T0);
const payloadOf = async (modelId: string) =>
  (
    await one<{ payload: Record<string, Record<string, number>> }>(
      arena.db,
      'SELECT payload FROM model_analytics WHERE model_id = $1',
      [modelId],
    )
  ).payload;
const standing = async (modelId: string) => (await standings(arena.db)).find((each) => each.modelId === modelId);

type Step = (modelId: string) => Promise<unknown>;
const named = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(named, row).map(
      ([name, trade]): Step =>
        (id) =>
          put(id, name, trade),
    ),
  },
  {
    weight: 2,
    arbitrary: named.map(
      (name): Step =>
        (id) =>
          voidTrade(id, name),
    ),
  },
  {
    weight: 1,
    arbitrary: named.map(
      (name): Step =>
        (id) =>
          deleteTrade(id, name),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat({ max: 200 }), fc.array(fc.option(fc.constantFrom(0.5, 0.7, 0.9)), { maxLength: 5 }))
      .map(
        ([mins, confidences]): Step =>
          (id) =>
            decide(id, mins, confidences),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat({ max: 4 }), fc.constantFrom('long', 'short'), fc.nat({ max: 150 }), fc.option(fc.nat({ max: 60 })))
      .map(
        ([name, side, from, length]): Step =>
          (id) =>
            hold(id, name, side, from, length === null ? null : from + length),
      ),
  },
  { weight: 3, arbitrary: fc.constant<Step>(update) },
  // Delivered twice, and to two workers at once.
  { weight: 1, arbitrary: fc.constant<Step>((id) => Promise.all([update(id), update(id)])) },
);

describe('analytics that are counted', () => {
  it('equal the full computation after any history, however often and by whomever they were updated', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const modelId = await newModel();
        for (const each of steps) await each(modelId);
        const before = await standing(modelId);
        expect(await recompute(modelId)).toMatchObject({ differences: [] });
        expect(await standing(modelId)).toEqual(before);
        await arena.db.query('DELETE FROM models WHERE id = $1', [modelId]);
      }),
      { numRuns: 25 },
    );
  });

  it('count a trade once, whoever is told of it at the same time', async () => {
    const modelId = await newModel();
    const trade: Row = { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 };
    await Promise.all(Array.from({ length: 20 }, (_, name) => put(modelId, name, { ...trade, net: name })));
    await Promise.all([...Array.from({ length: 6 }, () => update(modelId)), put(modelId, 20, trade)]);
    await update(modelId);
    expect(await standing(modelId)).toMatchObject({ numTrades: 21, numWins: 20, numLosses: 1, winDollars: 193 });
    expect((await payloadOf(modelId)).overall_trades_overview_table).toMatchObject({ total_trades: 21 });
    expect(await count(arena.db, 'analytics_pending WHERE model_id = $1', [modelId])).toBe(0);
  });

  it('move together with their notes or not at all', async () => {
    const modelId = await newModel();
    await put(modelId, 1, { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 });
    await arena.db.query(
      `ALTER TABLE model_analytics ADD CONSTRAINT no_space_left CHECK (model_id <> '${modelId}') NOT VALID`,
    );
    await expect(update(modelId)).rejects.toThrow(/no_space_left/);
    await arena.db.query('ALTER TABLE model_analytics DROP CONSTRAINT no_space_left');
    expect(await count(arena.db, 'analytics_pending WHERE model_id = $1', [modelId])).toBe(1);
    await update(modelId);
    expect(await recompute(modelId)).toMatchObject({ trades: 1, differences: [] });
  });

  it('retract a trade with the figures it was counted with', async () => {
    const modelId = await newModel();
    const trade: Row = { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 };
    await put(modelId, 1, trade);
    await update(modelId);
    await put(modelId, 1, { ...trade, side: 'short', net: -4 });
    expect(await standing(modelId)).toMatchObject({ numWins: 0, numLosses: 1, loseDollars: -4 });
    await update(modelId);
    const payload = await payloadOf(modelId);
    expect(payload.longs_shorts_breakdown_table).toMatchObject({ num_long_trades: 0, avg_shorts_net_pnl: -4 });
    const [counted] = await arena.db.query('SELECT revision FROM analytics_trades WHERE model_id = $1', [modelId]);
    expect(counted).toEqual({ revision: 1 });
    await voidTrade(modelId, 1);
    await update(modelId);
    expect((await payloadOf(modelId)).fee_pnl_moves_breakdown_table).toMatchObject({
      overall_pnl_with_fees: 0,
      biggest_net_loss: 0,
    });
  });

  it('are published for the model and for all', async () => {
    const modelId = await newModel();
    await put(modelId, 1, { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 });
    expect(await computeAllAnalytics(arena.stories, T0, never)).toMatchObject({ kind: 'done' });
    const { cacheRedis, keys } = arena.run.resources;
    const own = JSON.parse((await cacheRedis.get(keys.key('analytics', [modelId]))) ?? 'null');
    expect(own).toEqual(await payloadOf(modelId));
    const all = JSON.parse((await cacheRedis.get(keys.key('analyticsAll', []))) ?? 'null');
    expect(all.analytics).toContainEqual(own);
  });
});

describe('the check of the rows', () => {
  it('knows a trade that is counted, one that waits, and one that was forgotten', async () => {
    const modelId = await newModel();
    const trade: Row = { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 };
    await put(modelId, 1, trade);
    await update(modelId);
    await put(modelId, 1, { ...trade, net: 4 });
    await put(modelId, 2, trade);
    expect((await countedTrades(arena.db)).differences).toEqual([]);
    await arena.db.query('DELETE FROM analytics_pending WHERE model_id = $1', [modelId]);
    expect((await countedTrades(arena.db)).differences).toEqual([expect.stringMatching(/^2 trades are not counted/)]);
    const results = await recomputeCommand(arena.run.resources, 'all');
    expect(results.find((result) => result.modelId === modelId)?.differences).not.toEqual([]);
    expect((await countedTrades(arena.db)).differences).toEqual([]);
    expect((await recomputeCommand(arena.run.resources, 'all')).flatMap((result) => result.differences)).toEqual([]);
  });

  it('recomputes no model that it does not know', async () => {
    await expect(recomputeCommand(arena.run.resources, 'stranger')).rejects.toMatchObject({
      code: 'NOF0_MODEL_UNKNOWN',
    });
  });
});

describe('a recomputation', () => {
  it('reports what was counted wrongly, and puts it right', async () => {
    const modelId = await newModel();
    for (let name = 0; name < 5; name++)
      await put(modelId, name, {
        side: 'long',
        quantity: name + 1,
        price: 100,
        holdMins: 5,
        exitMins: 10 + name,
        net: name - 2,
      });
    await update(modelId);
    await arena.db.query('DROP TRIGGER trades_updated ON trades');
    await arena.db.query('UPDATE trades SET realized_net_pnl = 100 WHERE id = $1', [`${modelId}-0`]);
    await arena.db.query(
      'CREATE TRIGGER trades_updated AFTER UPDATE ON trades REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_trades()',
    );
    const found = await recompute(modelId);
    expect(found?.differences.join('\n')).toMatch(/overall_pnl_with_fees: counted .*, computed in full 102/);
    expect(await recompute(modelId)).toMatchObject({ trades: 5, differences: [] });
    expect((await payloadOf(modelId)).fee_pnl_moves_breakdown_table).toMatchObject({ biggest_net_gain: 100 });
  });

  it('starts over from a state that cannot go on', async () => {
    const modelId = await newModel();
    const trade: Row = { side: 'long', quantity: 1, price: 100, holdMins: 5, exitMins: 10, net: 3 };
    await put(modelId, 1, trade);
    await update(modelId);
    await arena.db.query('DELETE FROM analytics_values WHERE model_id = $1', [modelId]);
    await put(modelId, 1, { ...trade, net: 5 });
    await expect(update(modelId)).rejects.toMatchObject({ code: 'NOF0_INTERNAL' });
    const found = await recompute(modelId);
    expect(found?.differences).toEqual([expect.stringMatching(/cannot go on: .*nof0 recompute/)]);
    expect(await recompute(modelId)).toMatchObject({ differences: [] });
  });

  it('of a model without an account is none', async () => {
    expect(await recompute('stranger')).toBeNull();
  });
});

const recorded = ['arena-data/trades.json', 'arena-data/analytics.json'] as const;
const present = recorded.every(hasShared);
const analyticsFile = z.object({ analytics: z.array(z.looseObject({ model_id: z.string() })) });
const tables = [
  'fee_pnl_moves_breakdown_table',
  'winners_losers_breakdown_table',
  'longs_shorts_breakdown_table',
  'overall_trades_overview_table',
  'signals_breakdown_table',
] as const;
/** What trades alone do not tell, and the figure that the original has wrong. */
const NOT_FROM_TRADES = new Set(['std_taker_fee', 'avg_convo_leverage', 'median_convo_leverage']);
/** Of the signals only the leverage, which is what the trades ran with. */
const fromTrades = (table: string, field: string) =>
  !NOT_FROM_TRADES.has(field) && (table !== 'signals_breakdown_table' || field.includes('leverage'));

describe.skipIf(!present)('the trades of the original arena', () => {
  const originals = present ? analyticsFile.parse(readShared(recorded[1])).analytics : [{ model_id: 'not recorded' }];

  beforeAll(async () => {
    await arena.db.query(
      `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, entry_price, entry_ts_ms, exit_ts_ms, exit_reason, realized_gross_pnl, realized_net_pnl, total_commission_dollars)
       SELECT id, model_id, symbol, side, quantity, leverage, entry_price, (entry_time * 1000)::bigint, (exit_time * 1000)::bigint, 'import', realized_gross_pnl, realized_net_pnl, total_commission_dollars
       FROM jsonb_to_recordset(($1::jsonb)->'trades') AS t(id text, model_id text, symbol text, side text, quantity float8, leverage float8, entry_price float8, entry_time float8, exit_time float8,
         realized_gross_pnl float8, realized_net_pnl float8, total_commission_dollars float8)`,
      [JSON.stringify(readShared(recorded[0]))],
    );
    await arena.db.query(
      `WITH known AS (INSERT INTO models (id, display_name, exchange_provider, market_provider) SELECT DISTINCT model_id, model_id, 'import', $1::text FROM trades WHERE exit_reason = 'import' RETURNING id)
       INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) SELECT id, 10000, 0 FROM known`,
      [PROVIDER],
    );
  });

  it.each(originals.map((original) => [original.model_id, original] as const))(
    'lead to the figures of %s',
    async (modelId, original) => {
      await update(modelId);
      const payload = await payloadOf(modelId);
      let compared = 0;
      for (const table of tables) {
        const theirs = z.record(z.string(), z.number()).parse(original[table]);
        for (const [field, value] of Object.entries(theirs)) {
          if (!fromTrades(table, field) || (value === 0 && /portfolio_pct|distance_pct/.test(field))) continue;
          const own = payload[table]?.[field] ?? Number.NaN;
          expect(Math.abs(own - value) / Math.max(1, Math.abs(value)), `${table}.${field}`).toBeLessThanOrEqual(1e-9);
          compared += 1;
        }
      }
      expect(compared).toBe(53);
      expect(payload.last_trade_doc_id).toBe(original.last_trade_doc_id);
      expect(payload.last_trade_exit_time).toBe(original.last_trade_exit_time);
      expect(await recompute(modelId)).toMatchObject({ differences: [] });
    },
  );
});
