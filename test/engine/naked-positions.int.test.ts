/** No position stands without its stop, whatever an exchange answers and whenever the process dies. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Outcome, Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { guardPositions } from '../../src/engine/guard-positions.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import type { Exchange, OrderIntent, PreparedOrders } from '../../src/exchange/exchange.ts';
import type { CycleOrders } from '../../src/store/decisions.ts';
import { takeLease } from '../../src/store/leases.ts';
import { type Arena, arenaConfig, count, feed, never, one, openTestArena, T0, tick } from './arena.ts';
import { withExchange } from './stand-ins.ts';

const MODEL = 'holder';
const WORDS = 'Invalid TP/SL price.';

let arena: Arena;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

const cycle = (stories: Stories = arena.stories): Promise<Outcome> =>
  runDecisionCycle(stories, new FrameBuilder(stories), MODEL, T0, never);
const at = (stories: Stories, nowMs: number): Stories => ({ ...stories, clock: { repeats: true, now: () => nowMs } });

type Stored = { step: string; success: boolean; orders: CycleOrders; error_code: string | null; error_message: string };
const record = () => one<Stored>(arena.db, 'SELECT * FROM decision_cycles WHERE model_id = $1', [MODEL]);
const state = () => arena.stories.exchange.accountState(MODEL);
const open = () => count(arena.db, `positions WHERE model_id = $1 AND status = 'open'`, [MODEL]);
const outcomes = async () => {
  const { values } = await arena.stories.metrics.positionsUnguarded.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]));
};

type Send = Exchange['send'];
const isGuard = (orders: readonly OrderIntent[]) =>
  orders.every((order) => order.kind === 'market' && order.reduceOnly);
const ordersIn = (prepared: PreparedOrders) => (JSON.parse(prepared.bytes) as { orders: OrderIntent[] }).orders;

/** The exchange as it is, but for stops, which it does not take; `guard` stands before the closing requests. */
function refusingStops(guard: (send: Send) => Send = (send) => send): { stories: Stories; sent: string[] } {
  const sent: string[] = [];
  const real: Send = (...request) => arena.stories.exchange.send(...request);
  const guarded = guard(real);
  const send: Send = async (prepared, nowMs, signal) => {
    sent.push(prepared.bytes);
    const orders = ordersIn(prepared);
    if (isGuard(orders)) return guarded(prepared, nowMs, signal);
    const taken = orders.filter((order) => order.kind !== 'stop');
    const results = await real(
      { ...prepared, bytes: JSON.stringify({ ...JSON.parse(prepared.bytes), orders: taken }) },
      nowMs,
      signal,
    );
    return orders.map(
      ({ cloid }) =>
        results.find((result) => result.cloid === cloid) ?? {
          ...{ cloid, status: 'rejected', oid: null, filledSize: 0, avgPrice: null, error: WORDS },
        },
    );
  };
  return { stories: withExchange(arena.stories, { send }), sent };
}

describe('a cycle whose stops the exchange does not take', () => {
  it('closes what it has opened at once, and says so', async () => {
    const { stories, sent } = refusingStops();
    expect(await cycle(stories)).toMatchObject({ kind: 'done', note: { error: 'NOF0_STOP_NOT_PLACED' } });
    expect(sent).toHaveLength(2);
    const { positions, openOrders } = await state();
    expect([positions, openOrders]).toEqual([[], []]);
    expect(await open()).toBe(0);
    const stored = await record();
    expect(stored).toMatchObject({ step: 'done', success: false, error_code: 'NOF0_STOP_NOT_PLACED' });
    for (const { symbol } of stored.orders.guard?.legs ?? [])
      expect(stored.error_message).toContain(
        `the stop of ${symbol} was not placed (${WORDS}); the position was closed`,
      );
    expect(stored.orders.guard?.legs.map(({ leg, status }) => `${leg} ${status}`)).toEqual(
      Array(4).fill('guard filled'),
    );
    expect(await count(arena.db, 'trades WHERE model_id = $1', [MODEL])).toBe(4);
    expect(await outcomes()).toEqual({ closed: 4 });
  });

  it.each([
    ['before the exchange saw the closing request', false],
    ['after it had acted on it', true],
  ])('and whose process dies %s goes on with the stored bytes, and closes once', async (_, acts) => {
    let died = false;
    const { stories, sent } = refusingStops((send) => async (...request) => {
      if (died) return send(...request);
      died = true;
      if (acts) await send(...request);
      throw new Error('connection reset');
    });
    await expect(cycle(stories)).rejects.toThrow('connection reset');
    const before = await record();
    expect(before).toMatchObject({ step: 'guarding' });
    expect(before.orders.guard?.request.bytes).toBe(sent[1]);
    expect(await cycle(stories)).toMatchObject({ kind: 'done', note: { error: 'NOF0_STOP_NOT_PLACED' } });
    expect(sent).toEqual([sent[0], sent[1], sent[1]]);
    expect((await state()).positions).toEqual([]);
    expect(await count(arena.db, 'paper_fills WHERE account = $1', [MODEL])).toBe(8);
  });

  it('and that goes on after the closing request has expired closes in a fresh one', async () => {
    let died = false;
    const { stories, sent } = refusingStops((send) => (...request) => {
      if (died) return send(...request);
      died = true;
      throw new Error('connection reset');
    });
    await expect(cycle(stories)).rejects.toThrow('connection reset');
    await cycle(at(stories, T0 + 10_001));
    expect(sent).toHaveLength(4);
    expect(sent[2]).toBe(sent[1]);
    expect(sent[3]).not.toBe(sent[1]);
    expect((await state()).positions).toEqual([]);
    expect(await record()).toMatchObject({ step: 'done', error_code: 'NOF0_STOP_NOT_PLACED' });
    expect(await outcomes()).toEqual({ closed: 4 });
  });

  it('says when a position could not be closed either', async () => {
    const { stories } = refusingStops(
      () => async (prepared) =>
        ordersIn(prepared).map(({ cloid }) => ({
          ...{
            cloid,
            status: 'rejected',
            oid: null,
            filledSize: 0,
            avgPrice: null,
            error: 'The exchange is in maintenance.',
          },
        })),
    );
    await cycle(stories);
    expect((await record()).error_message).toContain('it could not be closed (The exchange is in maintenance.)');
    expect(await outcomes()).toEqual({ failed: 4 });
    // The sweep goes on where the cycle could not.
    expect(await guardPositions(at(arena.stories, T0 + 60_000), T0, never)).toMatchObject({ note: { repaired: 4 } });
    expect(stopsOf(await state())).toHaveLength(4);
  });
});

const stopsOf = ({ openOrders }: Awaited<ReturnType<typeof state>>) =>
  openOrders
    .filter(({ kind }) => kind === 'stop')
    .map(({ symbol, triggerPrice, size }) => ({ symbol, triggerPrice, size }));
const bySymbol = (rows: readonly { symbol: string }[]) => [...rows].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));

describe('the sweep', () => {
  const sweep = (stories = arena.stories, nowMs = T0 + 60_000) => guardPositions(at(stories, nowMs), nowMs, never);
  const cancelStops = async () => {
    const standing = (await state()).openOrders.filter(({ kind }) => kind === 'stop');
    const targets = standing.map(({ symbol, oid }) => ({ symbol, oid }));
    await arena.stories.exchange.cancel(MODEL, targets, T0 + 1000, never);
    expect(stopsOf(await state())).toEqual([]);
  };

  it('leaves positions alone whose stops stand', async () => {
    await cycle();
    expect(await sweep()).toEqual({ kind: 'done', note: { repaired: 0, reported: 0, busy: 0 } });
    expect(await count(arena.db, 'paper_orders WHERE account = $1', [MODEL])).toBe(12);
  });

  it('gives positions the stop back that their entry had, once', async () => {
    await cycle();
    const before = await state();
    await cancelStops();
    expect(await sweep()).toMatchObject({ note: { repaired: 4, reported: 0 } });
    const after = await state();
    expect(bySymbol(stopsOf(after))).toEqual(bySymbol(stopsOf(before)));
    const noted = await arena.db.query<{ symbol: string; oid: number }>(
      `SELECT symbol, sl_oid AS oid FROM positions WHERE model_id = $1 AND status = 'open' ORDER BY symbol`,
      [MODEL],
    );
    const standing = after.openOrders.filter(({ kind }) => kind === 'stop').map(({ symbol, oid }) => ({ symbol, oid }));
    expect(noted).toEqual(bySymbol(standing));
    expect(await sweep(arena.stories, T0 + 120_000)).toMatchObject({ note: { repaired: 0 } });
    expect(await outcomes()).toEqual({ stop_placed: 4 });
  });

  it('closes positions that the market took beyond their stop meanwhile', async () => {
    await cycle();
    await cancelStops();
    const marks = await arena.db.query<{ symbol: string; price: number }>('SELECT symbol, price FROM paper_marks');
    await feed(arena.db, { ticks: marks.map(({ symbol, price }) => tick(symbol, T0 + 2000, price / 2)) });
    await arena.stories.exchange.match?.(never);
    await sweep();
    expect((await state()).positions).toEqual([]);
    expect(await open()).toBe(0);
    expect(await outcomes()).toEqual({ closed: 4 });
  });

  it('tells of a position that somebody else has opened, and leaves it', async () => {
    const order: OrderIntent = {
      ...{ cloid: '0x00000000000000000000000000000001', symbol: 'BTC', side: 'buy', size: 0.01, kind: 'market' },
      ...{ triggerPrice: null, reduceOnly: false, leverage: 1 },
    };
    const { exchange } = arena.stories;
    await exchange.send(exchange.prepare(MODEL, [order], 1, T0 + 10_000), T0, never);
    expect(await sweep()).toMatchObject({ note: { repaired: 0, reported: 1 } });
    expect((await state()).positions).toHaveLength(1);
    expect(await outcomes()).toEqual({ reported: 1 });
  });

  it('does not come between a cycle and its stops', async () => {
    await cycle();
    await cancelStops();
    await takeLease(arena.db, MODEL);
    expect(await sweep()).toEqual({ kind: 'done', note: { repaired: 0, reported: 0, busy: 1 } });
    expect(stopsOf(await state())).toEqual([]);
  });
});
