import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Stories } from '../../src/engine/context.ts';
import { closePosition, type Desk, flattenModels } from '../../src/engine/control-positions.ts';
import { resumeModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import type { OrderIntent, OrderResult } from '../../src/exchange/exchange.ts';
import type { CycleOrders } from '../../src/store/decisions.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { auditRows, controlOf, WHO } from '../platform/control-support.ts';
import { deferred } from '../platform/support.ts';
import { type Arena, arenaConfig, count, feed, never, one, openTestArena, T0 } from './arena.ts';
import { whileDeciding, withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const MODEL = 'holder';
const WAIT_MS = 5000;

let arena: Arena;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m', guardrails: { cooldown: '0s' } }));
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

const deskOf = (stories: Stories = arena.stories): Desk => ({
  control: controlOf(arena.run.resources),
  stories,
  signal: never,
});
const cycle = (slotMs = T0, stories = arena.stories, modelId = MODEL) =>
  runDecisionCycle(stories, arena.frames, modelId, slotMs, never);
const flatten = async (stories: Stories = arena.stories, waitMs = WAIT_MS) => {
  const [flattened] = await flattenModels(deskOf(stories), [MODEL], waitMs);
  if (flattened === undefined) throw new Error('nothing was flattened');
  return flattened;
};
const held = async (model = MODEL) => (await arena.stories.exchange.accountState(model)).positions.length;
const standing = async (model = MODEL) => (await arena.stories.exchange.accountState(model)).openOrders.length;
const openRows = (model = MODEL) => count(arena.db, `positions WHERE model_id = $1 AND status = 'open'`, [model]);
const fillsOf = (model = MODEL) => count(arena.db, `fills WHERE model_id = $1 AND kind = 'trade'`, [model]);
const errorOf = (slotMs: number) =>
  one<{ step: string; error_message: string | null }>(
    arena.db,
    'SELECT step, error_message FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2',
    [MODEL, slotMs],
  );

describe('flatten', () => {
  it('pauses the trader, closes its positions, cancels its orders and looks', async () => {
    await cycle();
    expect([await held(), await standing()]).toEqual([4, 8]);
    const { paused, closing, error } = await flatten();
    expect(error).toBeNull();
    expect(paused).toEqual({ target: `model:${MODEL}`, changed: true, state: 'paused' });
    expect(closing).toMatchObject({ model: MODEL, flat: true, left: { positions: [], orders: [] } });
    expect(closing?.closed).toHaveLength(4);
    for (const order of closing?.closed ?? [])
      expect(order).toMatchObject({ status: 'filled', filledSize: order.size });
    expect([await held(), await standing(), await openRows(), await fillsOf()]).toEqual([0, 0, 0, 8]);
    const reasons = await arena.db.query('SELECT DISTINCT exit_reason AS reason FROM trades WHERE model_id = $1', [
      MODEL,
    ]);
    expect(reasons).toEqual([{ reason: 'manual' }]);
    const rows = await auditRows(arena.run.resources);
    expect(rows.map(({ who, what, target }) => [who, what, target])).toEqual([
      [WHO, 'pause', `model:${MODEL}`],
      [WHO, 'flatten', `model:${MODEL}`],
      [WHO, 'flatten done', `model:${MODEL}`],
    ]);
    expect(rows[1]?.before).toMatchObject({ positions: [{}, {}, {}, {}] });
    expect(rows[2]?.after).toMatchObject({ positions: [], orders: [], closed: [{}, {}, {}, {}] });
    expect((await cycle(T0 + MINUTE_MS)).kind).toBe('done');
    expect((await errorOf(T0 + MINUTE_MS)).error_message).toBe(`the trader is paused (by ${WHO})`);
  });

  it('takes an order away that could open something, where nothing else stands', async () => {
    const { exchange } = arena.stories;
    const limit: OrderIntent = {
      ...{ cloid: `0x${'a'.repeat(32)}`, symbol: 'BTC', side: 'buy', size: 0.01, kind: 'limit', limitPrice: 1000 },
      ...{ tif: 'Gtc', triggerPrice: null, reduceOnly: false, leverage: 1 },
    };
    const [placed] = await exchange.send(exchange.prepare(MODEL, [limit], T0, T0 + 10_000), T0, never);
    expect(placed?.status).toBe('resting');
    expect((await flatten()).closing).toMatchObject({ flat: true, closed: [], canceled: 1 });
    expect(await standing()).toBe(0);
  });

  it('twice is once, also at the same time', async () => {
    await cycle();
    const both = await Promise.all([flatten(), flatten()]);
    expect(both.map(({ closing }) => closing?.flat)).toEqual([true, true]);
    expect(both.flatMap(({ closing }) => closing?.closed ?? [])).toHaveLength(4);
    expect(await fillsOf()).toBe(8);
    await auditRows(arena.run.resources);
    expect((await flatten()).closing).toMatchObject({ flat: true, closed: [], canceled: 0 });
    expect(await auditRows(arena.run.resources)).toEqual([]);
  });

  it('closes a later position of the same symbols as well', async () => {
    await cycle();
    await flatten();
    await resumeModels(deskOf().control, [MODEL]);
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    await cycle(T0 + MINUTE_MS);
    expect(await held()).toBe(4);
    expect((await flatten()).closing).toMatchObject({ flat: true, closed: [{}, {}, {}, {}] });
    expect(await fillsOf()).toBe(16);
  });

  it.each(['before', 'after'] as const)(
    'is gone on with by running it again when it died %s its orders left',
    async (side) => {
      await cycle();
      const { exchange } = arena.stories;
      const dying = withExchange(arena.stories, {
        async send(...request) {
          if (side === 'after') await exchange.send(...request);
          throw new Error('the process dies');
        },
      });
      expect(await flatten(dying)).toMatchObject({ closing: null, error: { message: 'the process dies' } });
      expect((await traderStates(arena.db, [MODEL]))[0]?.state).toBe('paused');
      expect((await flatten()).closing).toMatchObject({ flat: true });
      expect([await held(), await fillsOf()]).toEqual([0, 8]);
    },
  );

  it('says what is left when the exchange refuses, and tries anew when it is run again', async () => {
    await cycle();
    const { exchange } = arena.stories;
    const refusing = withExchange(arena.stories, {
      async send(request, nowMs, signal) {
        const { orders, ...rest } = JSON.parse(request.bytes);
        const [, ...taken] = orders;
        const bytes = JSON.stringify({ ...rest, orders: taken });
        const results = await exchange.send({ ...request, bytes }, nowMs, signal);
        const refused: OrderResult = {
          ...{ cloid: orders[0].cloid, status: 'rejected', oid: null, filledSize: 0, avgPrice: null },
          error: 'Too many cumulative requests sent.',
        };
        return [refused, ...results];
      },
    });
    const { closing } = await flatten(refusing);
    expect(closing?.flat).toBe(false);
    expect(closing?.left.positions).toHaveLength(1);
    // What stands keeps its stop and its target.
    expect(closing?.left.orders.map(({ kind }) => kind).sort()).toEqual(['stop', 'target']);
    expect((await flatten()).closing).toMatchObject({ flat: true, closed: [{}] });
  });

  it('goes on until nothing is left of what fills in parts', async () => {
    await cycle();
    const { exchange } = arena.stories;
    let sends = 0;
    const thin = withExchange(arena.stories, {
      send(request, nowMs, signal) {
        sends += 1;
        const wire = JSON.parse(request.bytes);
        const orders = wire.orders.map((order: { size: number }) => ({
          ...order,
          size: sends === 1 ? Number((order.size / 2).toPrecision(3)) : order.size,
        }));
        return exchange.send({ ...request, bytes: JSON.stringify({ ...wire, orders }) }, nowMs, signal);
      },
    });
    const { closing } = await flatten(thin);
    expect(closing).toMatchObject({ flat: true });
    expect([sends, closing?.closed.length, await held()]).toEqual([2, 8, 0]);
  });
});

describe('flatten beside a cycle', () => {
  it('waits for one in flight, whose orders do not leave any more', async () => {
    const thinking = deferred();
    const answer = deferred();
    const running = cycle(
      T0,
      whileDeciding(arena.stories, MODEL, async () => {
        thinking.resolve();
        await answer.promise;
      }),
    );
    await thinking.promise;
    const flattening = flatten();
    // It can only be over when the cycle is.
    const first = await Promise.race([flattening, pause(300, 'waiting')]);
    expect(first).toBe('waiting');
    answer.resolve();
    expect((await flattening).closing).toMatchObject({ flat: true, closed: [] });
    await running;
    expect(await errorOf(T0)).toEqual({ step: 'done', error_message: `the trader is paused (by ${WHO})` });
    expect(await fillsOf()).toBe(0);
  });

  it('takes the lease from one that does not end: it can store and send nothing any more', async () => {
    await cycle();
    const thinking = deferred();
    const answer = deferred();
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    const running = cycle(
      T0 + MINUTE_MS,
      whileDeciding(arena.stories, MODEL, async () => {
        thinking.resolve();
        await answer.promise;
      }),
    ).catch((error: unknown) => error);
    await thinking.promise;
    expect((await flatten(arena.stories, 50)).closing).toMatchObject({ flat: true, closed: [{}, {}, {}, {}] });
    answer.resolve();
    expect(await running).toMatchObject({ code: 'NOF0_LEASE_LOST' });
    expect([await held(), await fillsOf()]).toEqual([0, 8]);
    // Its next attempt ends it.
    await cycle(T0 + MINUTE_MS);
    expect(await errorOf(T0 + MINUTE_MS)).toMatchObject({ step: 'done' });
    expect(await held()).toBe(0);
  });

  it('does not meddle with one whose orders are on their way', async () => {
    const sending = deferred();
    const arrived = deferred();
    const { exchange } = arena.stories;
    const slow = withExchange(arena.stories, {
      async send(...request) {
        sending.resolve();
        await arrived.promise;
        return exchange.send(...request);
      },
    });
    const running = cycle(T0, slow);
    await sending.promise;
    expect(await flatten(arena.stories, 50)).toMatchObject({
      closing: null,
      error: { code: 'NOF0_TRADER_BUSY', message: expect.stringContaining('its orders are on their way') },
    });
    arrived.resolve();
    await running;
    expect(await held()).toBe(4);
    expect((await flatten()).closing).toMatchObject({ flat: true, closed: [{}, {}, {}, {}] });
  });

  it('waits until the orders of a cycle whose process died cannot arrive any more', async () => {
    const dying = withExchange(arena.stories, { send: () => Promise.reject(new Error('the process dies')) });
    await expect(cycle(T0, dying)).rejects.toThrow('the process dies');
    const flattening = flatten();
    const first = await Promise.race([flattening, pause(300, 'waiting')]);
    expect(first).toBe('waiting');
    // Market time passes the expiry of the request.
    await feed(arena.db, { watermarkMs: T0 + 10_001 });
    expect((await flattening).closing).toMatchObject({ flat: true, closed: [] });
  });

  it('leaves nothing behind, at whatever moment of a cycle it comes', async () => {
    const { control } = deskOf();
    for (let round = 0; round < 12; round += 1) {
      const slotMs = T0 + round * MINUTE_MS;
      await resumeModels(control, [MODEL]);
      await ingestPrices(arena.stories, slotMs, never);
      const running = cycle(slotMs).catch((error: unknown) => error);
      // Somewhere between its first statement and its last.
      await pause(round * 4);
      expect((await flatten(arena.stories, round % 2 === 0 ? 0 : WAIT_MS)).error?.code ?? 'none').toMatch(
        /^(none|NOF0_TRADER_BUSY)$/,
      );
      const { closing } = await flatten();
      expect(closing?.flat).toBe(true);
      await running;
      // The cycle is over, or tries once more.
      await cycle(slotMs);
      expect([await held(), await standing(), await openRows()]).toEqual([0, 0, 0]);
    }
  });

  it('keeps orders from leaving afterwards that a dead cycle has stored', async () => {
    const dying = withExchange(arena.stories, { send: () => Promise.reject(new Error('the process dies')) });
    await expect(cycle(T0, dying)).rejects.toThrow('the process dies');
    // Market time stands still: the request would still be taken.
    expect((await flatten(arena.stories, 50)).closing).toMatchObject({ flat: true, closed: [] });
    await cycle();
    expect([await held(), await standing(), await fillsOf()]).toEqual([0, 0, 0]);
    const { orders, ...record } = await one<{ orders: CycleOrders }>(
      arena.db,
      `SELECT success, error_message AS reason, orders FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2 AND step = 'done'`,
      [MODEL, T0],
    );
    expect(record).toEqual({ success: false, reason: `the trader is paused (by ${WHO})` });
    expect(new Set(orders.legs.map(({ status, error }) => `${status} ${error}`))).toEqual(
      new Set([`rejected never sent: the trader is paused (by ${WHO})`]),
    );
  });

  it('lets a dead cycle tell what had arrived', async () => {
    const { exchange } = arena.stories;
    const dying = withExchange(arena.stories, {
      async send(...request) {
        await exchange.send(...request);
        throw new Error('the process dies');
      },
    });
    await expect(cycle(T0, dying)).rejects.toThrow('the process dies');
    expect((await flatten(arena.stories, 50)).closing).toMatchObject({ flat: true, closed: [{}, {}, {}, {}] });
    await cycle();
    expect([await held(), await fillsOf()]).toEqual([0, 8]);
    expect(await errorOf(T0)).toEqual({ step: 'done', error_message: null });
  });
});

describe('flattening all', () => {
  it('pauses everybody first, and one that fails keeps no other from it', async () => {
    await cycle();
    await cycle(T0, arena.stories, 'twin');
    const { exchange } = arena.stories;
    const states: string[] = [];
    const half = withExchange(arena.stories, {
      async accountState(account) {
        states.push(...(await traderStates(arena.db, [MODEL, 'twin'])).map(({ state }) => state));
        if (account === MODEL) throw new Error('no answer');
        return exchange.accountState(account);
      },
    });
    const [holder, twin] = await flattenModels(deskOf(half), [MODEL, 'twin'], WAIT_MS);
    expect(holder).toMatchObject({ model: MODEL, closing: null, error: { message: 'no answer' } });
    expect(twin).toMatchObject({ model: 'twin', closing: { flat: true } });
    expect(new Set(states)).toEqual(new Set(['paused']));
    expect([await held(), await held('twin')]).toEqual([4, 0]);
  });
});

describe('close', () => {
  const close = (symbol: string, waitMs = WAIT_MS) => closePosition(deskOf(), MODEL, symbol, waitMs);

  it('closes one position with its orders and leaves the others and the trader as they are', async () => {
    await cycle();
    const symbol = (await arena.stories.exchange.accountState(MODEL)).positions[0]?.symbol ?? '';
    expect(await close(symbol)).toMatchObject({ flat: true, closed: [{ symbol, status: 'filled' }] });
    expect([await held(), await standing(), await openRows()]).toEqual([3, 6, 3]);
    expect((await traderStates(arena.db, [MODEL]))[0]?.state).toBe('running');
    expect(await close(symbol)).toMatchObject({ flat: true, closed: [], canceled: 0 });
    expect((await auditRows(arena.run.resources)).map(({ what, target }) => [what, target])).toEqual([
      ['close', `model:${MODEL} ${symbol}`],
      ['close done', `model:${MODEL} ${symbol}`],
    ]);
  });

  it('leaves a cycle in flight alone, and says so', async () => {
    const thinking = deferred();
    const answer = deferred();
    const stories = whileDeciding(arena.stories, MODEL, async () => {
      thinking.resolve();
      await answer.promise;
    });
    const running = cycle(T0, stories);
    await thinking.promise;
    await expect(close('BTC', 50)).rejects.toMatchObject({ code: 'NOF0_TRADER_BUSY' });
    answer.resolve();
    expect(await running).toMatchObject({ note: { orders: 12 } });
  });

  it('refuses a symbol that is not traded here', async () => {
    await expect(close('btc')).rejects.toMatchObject({
      code: 'NOF0_SYMBOL_UNKNOWN',
      message: expect.stringContaining('did you mean BTC?'),
    });
  });
});
