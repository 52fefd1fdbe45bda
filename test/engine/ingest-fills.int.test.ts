import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fill } from '../../src/domain/fill.ts';
import { clientOrderId, type Leg } from '../../src/domain/ids.ts';
import { memoryMoment } from '../../src/engine/decision-cycle/build-context.ts';
import { ingestFills, syncFills } from '../../src/engine/ingest-fills.ts';
import { beginCycles } from '../../src/store/cycle-start.ts';
import type { Queryable } from '../../src/store/database.ts';
import { saveStep } from '../../src/store/decisions.ts';
import { releaseLease } from '../../src/store/leases.ts';
import { ledgerHeads, ledgerTails } from '../../src/store/ledger.ts';
import { registerModels } from '../../src/store/models.ts';
import { fill } from '../domain/fills.ts';
import { type Arena, accountVersion, count, one, openTestArena, PROVIDER, streamed, T0 } from './arena.ts';

let arena: Arena;
let models = 0;

beforeAll(async () => {
  arena = await openTestArena();
});
afterAll(() => arena.run.close());

/** A registered model of its own, so that tests do not share a ledger. */
async function newModel(): Promise<string> {
  models += 1;
  const id = `model-${models}`;
  const terms = { exchangeProvider: 'paper', marketProvider: 'synthetic', config: {}, configDigest: 'd' };
  await registerModels(arena.db, [{ ...terms, id, displayName: id, initialEquityUsd: 10_000 }], T0, 'test');
  return id;
}

type Part = Partial<Fill> & Pick<Fill, 'side' | 'size'>;

/** Fills of a BTC position at one second each, with the start positions, numbers and profits an exchange would tell. */
function history(modelId: string, parts: readonly Part[], startsAt = 0): Fill[] {
  let held = startsAt;
  return parts.map((part, index) => {
    const startPosition = held;
    const moved = part.kind === undefined || part.kind === 'trade' ? part.size : 0;
    held = Math.round((held + (part.side === 'buy' ? moved : -moved)) * 1e5) / 1e5;
    return fill({
      ...{
        id: `paper:${modelId}:${index + 1}`,
        modelId,
        provider: 'paper',
        startPosition,
        seq: index + 1,
        oid: index + 1,
        tid: index + 1,
      },
      ...{ tsMs: T0 + index * 1000, feeUsd: 0.1 },
      ...part,
    });
  });
}

const report = (modelId: string, fills: readonly Fill[]) =>
  ingestFills(arena.stories, modelId, fills, T0, { snapshot: true });
const ingest = async (modelId: string, fills: readonly Fill[]) => (await report(modelId, fills)).count;

const positionsOf = (modelId: string) =>
  arena.db.query<Record<string, unknown>>(
    `SELECT to_jsonb(p) - 'updated_at' AS row FROM positions p WHERE model_id = $1 ORDER BY entry_ts_ms, id`,
    [modelId],
  );
const tradesOf = (modelId: string) =>
  arena.db.query<{ id: string; revision: number; voided: boolean; exit_reason: string; quantity: number; net: number }>(
    `SELECT id, revision, voided_at IS NOT NULL AS voided, exit_reason, quantity, realized_net_pnl AS net FROM trades WHERE model_id = $1 ORDER BY exit_ts_ms, id`,
    [modelId],
  );
/** The trades that stand, without how they came to stand. */
const standing = (modelId: string) =>
  arena.db.query(
    `SELECT to_jsonb(t) - 'revision' - 'voided_at' - 'created_at' AS row FROM trades t WHERE model_id = $1 AND voided_at IS NULL ORDER BY exit_ts_ms, id`,
    [modelId],
  );
const sums = (modelId: string) =>
  one<Record<'realized' | 'fees' | 'funding' | 'transfers' | 'turnover', number>>(
    arena.db,
    `SELECT realized_usd::float8 AS realized, fees_usd::float8 AS fees, funding_usd::float8 AS funding, transfers_usd::float8 AS transfers,
       turnover_usd::float8 AS turnover FROM accounts WHERE model_id = $1`,
    [modelId],
  );
/** To the last of their thirty decimals. */
const exactSums = (modelId: string) =>
  one(
    arena.db,
    'SELECT realized_usd, fees_usd, funding_usd, transfers_usd, turnover_usd FROM accounts WHERE model_id = $1',
    [modelId],
  );
const events = async (modelId: string) =>
  (await streamed(arena.run))
    .filter((entry) => entry.model_id === modelId)
    .map(({ event, id, revision }) => ({ event, id, revision }));

describe('fills', () => {
  it('open, add to, reduce and close a position, and every close is a trade', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1, price: 100 },
      { side: 'buy', size: 1, price: 110 },
      { side: 'sell', size: 0.5, price: 120, closedPnl: 7.5 },
      { side: 'sell', size: 1.5, price: 100, closedPnl: -7.5 },
    ]);
    expect(await ingest(model, all.slice(0, 2))).toBe(2);
    expect(await positionsOf(model)).toMatchObject([
      {
        row: {
          symbol: 'BTC',
          side: 'long',
          status: 'open',
          quantity: 2,
          entry_price: 105,
          entry_ts_ms: T0,
          entry_oid: 1,
          exit_ts_ms: null,
        },
      },
    ]);
    expect(await tradesOf(model)).toEqual([]);
    await ingest(model, all.slice(2, 3));
    expect(await positionsOf(model)).toMatchObject([{ row: { status: 'open', quantity: 1.5, closed_pnl: 7.5 } }]);
    await ingest(model, all.slice(3));
    expect(await positionsOf(model)).toMatchObject([
      { row: { status: 'closed', quantity: 2, exit_price: 105, exit_ts_ms: T0 + 3000, closed_pnl: 0 } },
    ]);
    expect(await tradesOf(model)).toMatchObject([
      { id: `${model}:BTC:3:0`, revision: 0, voided: false, quantity: 0.5 },
      { id: `${model}:BTC:4:0`, revision: 0, voided: false, quantity: 1.5 },
    ]);
    expect(await sums(model)).toMatchObject({ realized: 0, fees: 0.4, turnover: 420 });
  });

  it('that flip a position close it and open another one', async () => {
    const model = await newModel();
    await ingest(
      model,
      history(model, [
        { side: 'buy', size: 1, price: 100 },
        { side: 'sell', size: 3, price: 110, closedPnl: 10 },
      ]),
    );
    expect(await positionsOf(model)).toMatchObject([
      { row: { side: 'long', status: 'closed', quantity: 1 } },
      { row: { side: 'short', status: 'open', quantity: -2, entry_price: 110 } },
    ]);
    expect(await tradesOf(model)).toHaveLength(1);
  });

  it('that come again change nothing, not even the version of the account', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'sell', size: 1, price: 101, closedPnl: 1 },
    ]);
    await ingest(model, all);
    const before = { positions: await positionsOf(model), trades: await tradesOf(model), sums: await sums(model) };
    const [version, effects] = [await accountVersion(arena.db, model), await count(arena.db, 'effects')];
    expect(await ingest(model, all)).toBe(0);
    expect(await ingest(model, all.slice(0, 1))).toBe(0);
    expect({ positions: await positionsOf(model), trades: await tradesOf(model), sums: await sums(model) }).toEqual(
      before,
    );
    expect([await accountVersion(arena.db, model), await count(arena.db, 'effects')]).toEqual([version, effects]);
    expect(await events(model)).toHaveLength(1);
  });

  it('that stand twice in one batch count once', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'sell', size: 1, price: 101, closedPnl: 1 },
    ]);
    expect(await ingest(model, [...all, ...all])).toBe(2);
    expect(await sums(model)).toMatchObject({ realized: 1, fees: 0.2, turnover: 201 });
  });

  it('count the version of the account up by one in every change', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
      { side: 'sell', size: 1 },
    ]);
    for (const [index, each] of all.entries()) {
      await ingest(model, [each]);
      expect(await accountVersion(arena.db, model)).toBe(index + 1);
    }
  });

  it('of funding and transfers move cash and no position', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1, price: 100 },
      { side: 'buy', size: 1, price: 100, kind: 'funding', closedPnl: -0.5, feeUsd: 0 },
      { side: 'buy', size: 1, price: 100, kind: 'transfer', closedPnl: 250, feeUsd: 0 },
    ]);
    await ingest(model, all);
    expect(await positionsOf(model)).toMatchObject([{ row: { quantity: 1, commission: 0.1 } }]);
    expect(await sums(model)).toEqual({ realized: 0, fees: 0.1, funding: -0.5, transfers: 250, turnover: 100 });
  });

  it('of funding alone ask for nothing: no position moved', async () => {
    const model = await newModel();
    const [, funding] = history(model, [
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1, kind: 'funding', closedPnl: -0.5, feeUsd: 0 },
    ]);
    const before = await count(arena.db, 'effects');
    expect(await ingest(model, funding ? [funding] : [])).toBe(1);
    expect(await count(arena.db, 'effects')).toBe(before);
    expect(await accountVersion(arena.db, model)).toBe(1);
  });

  it('on both sides of one match are two entries, one in each ledger', async () => {
    const [maker, taker] = [await newModel(), await newModel()];
    const side = (modelId: string, part: Part) => history(modelId, [{ tid: 7, id: `paper:${modelId}:7`, ...part }]);
    expect(await ingest(maker, side(maker, { side: 'sell', size: 1 }))).toBe(1);
    expect(await ingest(taker, side(taker, { side: 'buy', size: 1 }))).toBe(1);
    expect(await positionsOf(maker)).toMatchObject([{ row: { side: 'short', quantity: -1 } }]);
    expect(await positionsOf(taker)).toMatchObject([{ row: { side: 'long', quantity: 1 } }]);
  });

  it('that come again with another content are reported, and the first one stands', async () => {
    const model = await newModel();
    const all = history(model, [{ side: 'buy', size: 1, price: 100 }]);
    await ingest(model, all);
    const faults = async () =>
      (await arena.stories.metrics.ledgerFaults.get()).values.find(({ labels }) => labels.fault === 'contradicted')
        ?.value ?? 0;
    const before = await faults();
    expect(
      await ingest(
        model,
        all.map((each) => ({ ...each, price: 101 })),
      ),
    ).toBe(0);
    expect(await faults()).toBe(before + 1);
    expect(await positionsOf(model)).toMatchObject([{ row: { entry_price: 100 } }]);
  });

  it('of an exchange where the model does not trade are refused, and nothing of them is kept', async () => {
    const model = await newModel();
    const all = history(model, [{ side: 'buy', size: 1, provider: 'elsewhere' }]);
    await expect(ingest(model, all)).rejects.toMatchObject({ code: 'NOF0_INPUT_INVALID' });
    expect(await count(arena.db, 'fills WHERE model_id = $1', [model])).toBe(0);
  });

  it('load no more of the history than what lies behind the last flat point', async () => {
    const model = await newModel();
    const parts = Array.from({ length: 60 }, (_, i) => ({
      side: i % 2 ? ('sell' as const) : ('buy' as const),
      size: 1,
    }));
    const all = history(model, [
      ...parts,
      { side: 'buy', size: 1 },
      { side: 'buy', size: 2 },
      { side: 'sell', size: 3 },
    ]);
    await ingest(model, all.slice(0, -1));
    const tail = async (earliestMs: number) =>
      (await ledgerTails(arena.db, model, PROVIDER, [{ symbol: 'BTC', earliestMs }]))[0];
    expect(await tail(T0 + 62_000)).toMatchObject({ fromMs: T0 + 60_000, fromBeginning: false, sizeDecimals: 5 });
    expect((await tail(T0 + 62_000))?.fills).toHaveLength(2);
    // In the middle of a closed position, and where one begins.
    expect((await tail(T0 + 50_500))?.fills).toHaveLength(12);
    expect((await tail(T0 + 50_000))?.fills).toHaveLength(12);
    expect(await tail(T0 - 1)).toMatchObject({ fromMs: T0 - 1, fromBeginning: true });
  });

  it('take three statements, however long the history is', async () => {
    const model = await newModel();
    const all = history(
      model,
      Array.from({ length: 40 }, (_, i) => ({ side: i % 2 ? ('sell' as const) : ('buy' as const), size: 1 })),
    );
    await ingest(model, all.slice(0, -1));
    let statements = 0;
    const counted = (door: Queryable): Queryable => ({
      query: (...query) => {
        statements += 1;
        return door.query(...query);
      },
    });
    const db = Object.assign(Object.create(arena.db), {
      transaction: <T>(work: (tx: Queryable, last: Queryable) => Promise<T>) =>
        arena.db.transaction((tx, last) => work(counted(tx), counted(last))),
    });
    await ingestFills({ ...arena.stories, db, drain: async () => {} }, model, all.slice(-1), T0, { snapshot: true });
    expect(statements).toBe(3);
    expect(await tradesOf(model)).toHaveLength(20);
  });

  it('of a model without an account are refused', async () => {
    const stray = history('stranger', [{ side: 'buy', size: 1 }]);
    await expect(ingest('stranger', stray)).rejects.toMatchObject({ code: 'NOF0_MODEL_UNKNOWN' });
    expect(await count(arena.db, `fills WHERE model_id = 'stranger'`)).toBe(0);
  });
});

describe('a late fill', () => {
  it('between two others revises the trade it belongs to, and the stream says so', async () => {
    const model = await newModel();
    const [entry, added, exit] = history(model, [
      { side: 'buy', size: 1, price: 100 },
      { side: 'buy', size: 1, price: 104 },
      { side: 'sell', size: 2, price: 110, closedPnl: 16 },
    ]);
    if (!entry || !added || !exit) throw new Error('no history');
    await ingest(model, [entry, exit]);
    const id = `${model}:BTC:3:0`;
    expect(await tradesOf(model)).toMatchObject([{ id, revision: 0, quantity: 1 }]);
    await ingest(model, [added]);
    expect(await tradesOf(model)).toMatchObject([{ id, revision: 1, voided: false, quantity: 2 }]);
    expect(await events(model)).toEqual([
      { event: 'trade', id, revision: '0' },
      { event: 'trade.revised', id, revision: '1' },
    ]);
  });

  it('that changes what a position was voids its trade without deleting it, and the stream says so', async () => {
    const model = await newModel();
    const untold = { startPosition: null };
    const [first, second, third] = history(model, [
      { side: 'sell', size: 1, price: 105, ...untold },
      { side: 'buy', size: 1, price: 100, ...untold },
      { side: 'sell', size: 1, price: 110, ...untold },
    ]);
    if (!first || !second || !third) throw new Error('no history');
    // Without the first, the second opens and the third closes; with it, the second closes and the third opens.
    await ingest(model, [second, third]);
    expect(await tradesOf(model)).toMatchObject([{ id: `${model}:BTC:3:0`, revision: 0, voided: false }]);
    await ingest(model, [first]);
    expect(await tradesOf(model)).toMatchObject([
      { id: `${model}:BTC:2:0`, revision: 0, voided: false },
      { id: `${model}:BTC:3:0`, revision: 1, voided: true },
    ]);
    expect(await positionsOf(model)).toMatchObject([
      { row: { side: 'short', status: 'closed' } },
      { row: { side: 'short', status: 'open', entry_ts_ms: T0 + 2000 } },
    ]);
    expect(await events(model)).toEqual([
      { event: 'trade', id: `${model}:BTC:3:0`, revision: '0' },
      { event: 'trade', id: `${model}:BTC:2:0`, revision: '0' },
      { event: 'trade.voided', id: `${model}:BTC:3:0`, revision: '1' },
    ]);
  });

  it('leaves trades from before the flat point alone', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'sell', size: 1, price: 101 },
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
      { side: 'sell', size: 2, price: 102 },
    ]);
    await ingest(
      model,
      all.filter(({ seq }) => seq !== 4),
    );
    await ingest(
      model,
      all.filter(({ seq }) => seq === 4),
    );
    expect(await tradesOf(model)).toMatchObject([
      { id: `${model}:BTC:2:0`, revision: 0 },
      { id: `${model}:BTC:5:0`, revision: 1, quantity: 2 },
    ]);
  });

  it('may be the close between two positions that both looked open', async () => {
    const model = await newModel();
    const [opened, closed, reopened] = history(model, [
      { side: 'buy', size: 1, price: 100 },
      { side: 'sell', size: 1, price: 101 },
      { side: 'buy', size: 2, price: 102 },
    ]);
    if (!opened || !closed || !reopened) throw new Error('no history');
    await ingest(model, [opened]);
    await ingest(model, [reopened]);
    await ingest(model, [closed]);
    expect(await positionsOf(model)).toMatchObject([
      { row: { status: 'closed', quantity: 1 } },
      { row: { status: 'open', quantity: 2, entry_price: 102 } },
    ]);
  });
});

describe('a history that begins in the middle of a position', () => {
  it('is adopted and reported by its symbol, once', async () => {
    const model = await newModel();
    const [first, second] = history(model, [
      { side: 'buy', size: 1, price: 100, startPosition: 2 },
      { side: 'sell', size: 3, price: 110, startPosition: 3, closedPnl: 60 },
    ]);
    if (!first || !second) throw new Error('no history');
    expect(await report(model, [first])).toEqual({ count: 1, adopted: ['BTC'], gaps: [] });
    expect(await positionsOf(model)).toMatchObject([{ row: { id: `${model}:BTC:${first.id}:opening`, quantity: 3 } }]);
    expect(await report(model, [second])).toEqual({ count: 1, adopted: [], gaps: [] });
    expect(await sums(model)).toMatchObject({ realized: 60, turnover: 430 });
    expect(await positionsOf(model)).toMatchObject([{ row: { status: 'closed', entry_price: 90 } }]);
  });

  it('is no longer adopted when its beginning arrives', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1, price: 100 },
      { side: 'buy', size: 1, price: 104 },
      { side: 'sell', size: 2, price: 110, closedPnl: 16 },
    ]);
    expect(await report(model, all.slice(1))).toMatchObject({ adopted: ['BTC'] });
    expect(await report(model, all.slice(0, 1))).toEqual({ count: 1, adopted: [], gaps: [] });
    expect(await positionsOf(model)).toMatchObject([{ row: { id: `${model}:BTC:${all[0]?.id}`, entry_price: 102 } }]);
    expect(await sums(model)).toMatchObject({ realized: 16 });
  });

  it('says where an entry in its middle is missing', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
    ]);
    expect(
      await report(
        model,
        all.filter(({ seq }) => seq !== 2),
      ),
    ).toEqual({ count: 2, adopted: [], gaps: ['BTC'] });
    expect(await report(model, all)).toEqual({ count: 1, adopted: [], gaps: [] });
  });
});

describe('the point up to which a ledger is complete', () => {
  const head = async (model: string) => (await ledgerHeads(arena.db, [model])).get(model);

  it('is moved by a sync, not by fills that were pushed: what lies between is still fetched', async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
      { side: 'buy', size: 1 },
    ]);
    await ingest(model, all.slice(2));
    expect(await head(model)).toBe(0);
    const fillsSince = async (_account: string, seq: number) => all.filter((each) => each.seq > seq);
    const exchange = Object.assign(Object.create(arena.stories.exchange), { fillsSince });
    expect(await syncFills({ ...arena.stories, exchange }, model, T0, { snapshot: false })).toBe(2);
    expect(await head(model)).toBe(3);
    expect(await positionsOf(model)).toMatchObject([{ row: { quantity: 3 } }]);
  });

  it('moves also when a sync finds nothing new', async () => {
    const model = await newModel();
    const all = history(model, [{ side: 'buy', size: 1 }]);
    await ingest(model, all);
    await ingestFills(arena.stories, model, all, T0, { snapshot: false }, 1);
    expect(await head(model)).toBe(1);
    expect(await accountVersion(arena.db, model)).toBe(1);
  });
});

describe('the same fills', () => {
  const step = fc.record({
    side: fc.constantFrom('buy' as const, 'sell' as const),
    // Few sizes, so that flat and through-zero are common.
    size: fc.integer({ min: 1, max: 3 }).map((lots) => lots / 10),
    price: fc.integer({ min: 90, max: 110 }),
    order: fc.integer({ min: 0, max: 3 }),
    pauseMs: fc.constantFrom(0, 1, 1000),
    cashUsd: fc.option(
      fc.integer({ min: -900, max: 900 }).map((cents) => cents / 100),
      { nil: null },
    ),
    feeUsd: fc.integer({ min: -5, max: 500 }).map((units) => units / 10_000),
  });
  const runs = fc.record({
    startsAt: fc.constantFrom(0, 0, 0.2),
    again: fc.infiniteStream(fc.boolean()),
    steps: fc.array(step, { minLength: 2, maxLength: 14 }),
    order: fc.infiniteStream(fc.nat()),
    sizes: fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
    numbered: fc.boolean(),
  });

  it('end in the same positions and trades in any order of arrival, any batching and however often they come', async () => {
    // What would be drained is not what is asked here.
    const stories = { ...arena.stories, drain: async () => {} };
    await fc.assert(
      fc.asyncProperty(runs, async ({ steps, order, sizes, numbered, startsAt, again }) => {
        const [whole, pieces] = [await newModel(), await newModel()];
        const told = (modelId: string) => {
          let tsMs = T0;
          const parts = steps.map(({ pauseMs, order: nth, cashUsd, ...rest }) => {
            tsMs += pauseMs;
            if (cashUsd !== null) return { ...rest, tsMs, kind: 'funding' as const, closedPnl: cashUsd };
            // An order has one side.
            return { ...rest, tsMs, oid: 2 * nth + (rest.side === 'buy' ? 1 : 2) };
          });
          const fills = history(modelId, parts, startsAt);
          return numbered ? fills : fills.map((each) => ({ ...each, seq: 0 }));
        };
        await ingestFills(stories, whole, told(whole), T0, { snapshot: false });
        const shuffled = told(pieces)
          .map((each) => ({ each, key: order.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each);
        while (shuffled.length > 0) {
          const batch = shuffled.splice(0, sizes.next().value ?? 1);
          await ingestFills(stories, pieces, batch, T0, { snapshot: false });
          const known = told(pieces).filter(({ id }) => !shuffled.some((each) => each.id === id) && again.next().value);
          expect((await ingestFills(stories, pieces, known, T0, { snapshot: false })).count).toBe(0);
        }
        const named = (rows: unknown) =>
          JSON.parse(
            JSON.stringify(rows).replaceAll(`${pieces}:`, `${whole}:`).replaceAll(`"${pieces}"`, `"${whole}"`),
          );
        expect(named(await positionsOf(pieces))).toEqual(named(await positionsOf(whole)));
        expect(named(await standing(pieces))).toEqual(named(await standing(whole)));
        expect(await exactSums(pieces)).toEqual(await exactSums(whole));
      }),
      { numRuns: 80 },
    );
  }, 120_000);

  it('ingested by several processes at once are stored once', async () => {
    const model = await newModel();
    const all = history(
      model,
      Array.from({ length: 20 }, (_, i) => ({
        side: i % 2 ? ('sell' as const) : ('buy' as const),
        size: 1,
        price: 100 + (i % 2),
        closedPnl: i % 2,
      })),
    );
    const counts = await Promise.all(
      Array.from({ length: 8 }, (_, i) => ingest(model, i % 2 ? all : [...all].reverse().slice(0, 4 + i * 2))),
    );
    expect(counts.reduce((total, n) => total + n, 0)).toBe(20);
    expect(await tradesOf(model)).toHaveLength(10);
    expect(await sums(model)).toMatchObject({ realized: 10, turnover: 2010 });
    const ids = (await events(model)).map(({ id, revision }) => `${id} ${revision}`);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the reason of an exit', () => {
  it.each([
    ['stop', 'stop_loss'],
    ['target', 'take_profit'],
    ['close', 'signal'],
    ['entry', 'signal'],
  ] as const)('comes from the leg in the client order id: %s → %s', async (leg: Leg, reason) => {
    const model = await newModel();
    const cloid = clientOrderId(model, T0, leg, 'BTC');
    await ingest(
      model,
      history(model, [
        { side: 'buy', size: 1 },
        { side: 'sell', size: 1, cloid },
      ]),
    );
    expect((await tradesOf(model)).map(({ exit_reason }) => exit_reason)).toEqual([reason]);
  });

  it("comes from the position's stop and target where the exchange tells no client order id", async () => {
    const model = await newModel();
    const all = history(model, [
      { side: 'buy', size: 2 },
      { side: 'sell', size: 1, oid: 51 },
      { side: 'sell', size: 1, oid: 52 },
    ]);
    await ingest(model, all.slice(0, 1));
    await arena.db.query('UPDATE positions SET sl_oid = 51, tp_oid = 52 WHERE model_id = $1', [model]);
    await ingest(model, all.slice(1));
    expect((await tradesOf(model)).map(({ exit_reason }) => exit_reason)).toEqual(['stop_loss', 'take_profit']);
  });

  it('is manual for an order that is not ours, and liquidation whatever the order was', async () => {
    const model = await newModel();
    const cloid = clientOrderId(model, T0, 'stop', 'BTC');
    await ingest(
      model,
      history(model, [
        { side: 'buy', size: 1 },
        { side: 'sell', size: 1, cloid: 'by-hand' },
        { side: 'buy', size: 1 },
        { side: 'sell', size: 1, cloid, liquidation: true },
      ]),
    );
    expect((await tradesOf(model)).map(({ exit_reason }) => exit_reason)).toEqual(['manual', 'liquidation']);
  });
});

it("the plan of the decision goes onto the position and its trades, found by the entry's client order id", async () => {
  const model = await newModel();
  const plan = {
    leverage: 3,
    confidence: 0.8,
    stopLoss: 95,
    takeProfit: 120,
    riskUsd: 5,
    invalidationCondition: 'never',
  };
  const entry = clientOrderId(model, T0, 'entry', 'BTC');
  const [start] = await beginCycles(arena.db, [{ modelId: model, ...memoryMoment(arena.stories, T0) }]);
  if (start === undefined || start === null) throw new Error('the cycle did not start');
  const order = {
    leg: 'entry',
    symbol: 'BTC',
    side: 'buy',
    size: 1,
    kind: 'market',
    triggerPrice: null,
    reduceOnly: false,
  } as const;
  const state = { leverage: 3, status: 'planned', oid: null, filledSize: 0, avgPrice: null, error: null } as const;
  await saveStep(arena.db, start.lease, T0, {
    step: 'sending',
    orders: { request: null, legs: [{ ...order, ...state, cloid: entry, plan }] },
  });
  await ingest(
    model,
    history(model, [
      { side: 'buy', size: 1, cloid: entry },
      { side: 'sell', size: 0.5, price: 110 },
    ]),
  );
  expect(await positionsOf(model)).toMatchObject([
    {
      row: {
        leverage: 3,
        confidence: 0.8,
        stop_loss: 95,
        take_profit: 120,
        risk_usd: 5,
        invalidation_condition: 'never',
      },
    },
  ]);
  const trade = await one<{ leverage: number; plan: object }>(
    arena.db,
    'SELECT leverage, exit_plan AS plan FROM trades WHERE model_id = $1',
    [model],
  );
  expect(trade).toEqual({ leverage: 3, plan: { profit_target: 120, stop_loss: 95, invalidation_condition: 'never' } });
});

it('a late fill that changes how a position began loses nothing of what was attached to it', async () => {
  const model = await newModel();
  const all = history(model, [
    { side: 'buy', size: 1, price: 100, oid: 1 },
    { side: 'buy', size: 1, price: 102, oid: 1 },
  ]);
  await ingest(model, all.slice(1));
  const attached = {
    ...{ sl_oid: 51, tp_oid: 52, stop_loss: 90, take_profit: 120, risk_usd: 5, leverage: 4, confidence: 0.7 },
    ...{ invalidation_condition: 'never', slippage: 0.1, index_col: 'i' },
  };
  await arena.db.query(
    `UPDATE positions p SET sl_oid = a.sl_oid, tp_oid = a.tp_oid, stop_loss = a.stop_loss, take_profit = a.take_profit, risk_usd = a.risk_usd, leverage = a.leverage,
       confidence = a.confidence, invalidation_condition = a.invalidation_condition, slippage = a.slippage, index_col = a.index_col
     FROM jsonb_populate_record(NULL::positions, $2) a WHERE p.model_id = $1`,
    [model, JSON.stringify(attached)],
  );
  await ingest(model, all.slice(0, 1));
  expect(await positionsOf(model)).toMatchObject([
    { row: { id: `${model}:BTC:${all[0]?.id}`, quantity: 2, entry_price: 101, ...attached } },
  ]);
});

it('a position that a late fill splits off has the stop and target of its own decision', async () => {
  const model = await newModel();
  const [first, second] = [T0, T0 + 1000];
  for (const [slotMs, oids] of [
    [first, [11, 12]],
    [second, [21, 22]],
  ] as const) {
    const [start] = await beginCycles(arena.db, [{ modelId: model, ...memoryMoment(arena.stories, slotMs) }]);
    if (start === undefined || start === null) throw new Error('the cycle did not start');
    const common = {
      symbol: 'BTC',
      size: 1,
      leverage: 2,
      filledSize: 0,
      avgPrice: null,
      error: null,
      triggerPrice: null,
    } as const;
    const plan = {
      ...{ leverage: 2, confidence: 0.5, stopLoss: oids[0], takeProfit: oids[1] },
      riskUsd: null,
      invalidationCondition: null,
    };
    const leg = (name: Leg, oid: number | null) => ({
      ...common,
      ...{ leg: name, cloid: clientOrderId(model, slotMs, name, 'BTC'), oid, reduceOnly: name !== 'entry' },
      ...{
        side: 'buy' as const,
        kind: 'market' as const,
        status: 'filled' as const,
        plan: name === 'entry' ? plan : null,
      },
    });
    const legs = [leg('entry', null), leg('stop', oids[0]), leg('target', oids[1])];
    await saveStep(arena.db, start.lease, slotMs, { step: 'sending', orders: { request: null, legs } });
    await releaseLease(arena.db, start.lease);
  }
  const all = history(model, [
    { side: 'buy', size: 1, cloid: clientOrderId(model, first, 'entry', 'BTC') },
    { side: 'sell', size: 1, oid: 11, cloid: null },
    { side: 'buy', size: 1, cloid: clientOrderId(model, second, 'entry', 'BTC') },
  ]);
  await ingest(
    model,
    all.filter(({ seq }) => seq !== 2),
  );
  await ingest(model, all);
  expect(await positionsOf(model)).toMatchObject([
    { row: { status: 'closed', sl_oid: 11, tp_oid: 12, stop_loss: 11 } },
    { row: { status: 'open', sl_oid: 21, tp_oid: 22, stop_loss: 21 } },
  ]);
  expect(await tradesOf(model)).toMatchObject([{ exit_reason: 'stop_loss' }]);
});

it('new fills refresh the keys of the model and ask for its snapshot and analytics', async () => {
  const model = await newModel();
  const before = await count(arena.db, `effects WHERE kind = 'enqueue'`);
  await ingest(
    model,
    history(model, [
      { side: 'buy', size: 1 },
      { side: 'sell', size: 1 },
    ]),
  );
  const asked = await arena.db.query<{ target: string }>(
    `SELECT target FROM effects WHERE kind = 'enqueue' ORDER BY id OFFSET $1`,
    [before],
  );
  expect(asked.map(({ target }) => target)).toEqual([`snapshot_${model}`, `analytics_${model}`]);
  const { keys, cacheRedis } = arena.run.resources;
  expect(await cacheRedis.llen(keys.key('tradesRecent', [model]))).toBe(1);
  expect(await count(arena.db, `effects WHERE kind = 'project' AND target LIKE '%' || $1`, [model])).toBe(0);
});
