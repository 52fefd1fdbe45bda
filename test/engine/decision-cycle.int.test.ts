import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Rejection } from '../../src/domain/review.ts';
import type { Outcome, Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';
import type { CycleOrders } from '../../src/store/decisions.ts';
import { type Arena, arenaConfig, cached, count, feed, never, one, openTestArena, T0, tick } from './arena.ts';
import { whileDeciding, withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const MODEL = 'holder';

let arena: Arena;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

const cycle = (stories: Stories = arena.stories, slotMs = T0, modelId = MODEL, signal = never): Promise<Outcome> =>
  runDecisionCycle(stories, new FrameBuilder(stories), modelId, slotMs, signal);

type Stored = {
  step: string;
  success: boolean;
  attempts: number;
  orders: CycleOrders | null;
  rejected: Rejection[] | null;
  error_code: string | null;
  error_message: string | null;
};
const recordOf = (slotMs = T0, modelId = MODEL) =>
  one<Stored>(arena.db, 'SELECT * FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2', [modelId, slotMs]);
const leaseOf = (modelId = MODEL) =>
  one<{ epoch: number; held: boolean }>(
    arena.db,
    'SELECT lease_epoch AS epoch, lease_until IS NOT NULL AS held FROM trader_state WHERE trader_id = $1',
    [modelId],
  );
/** Somebody else takes the lease. */
const takeOver = async () => {
  await arena.db.query('UPDATE trader_state SET lease_epoch = lease_epoch + 1 WHERE trader_id = $1', [MODEL]);
};
const endLease = () => arena.db.query('UPDATE trader_state SET lease_until = NULL WHERE trader_id = $1', [MODEL]);
const placed = () => count(arena.db, 'paper_orders WHERE account = $1', [MODEL]);
const filled = () => count(arena.db, 'paper_fills WHERE account = $1', [MODEL]);

describe('a decision cycle', () => {
  it('leads from the frame to orders, positions, a record and published keys', async () => {
    expect(await cycle()).toEqual({ kind: 'done', note: { orders: 12, rejected: 0 } });
    const record = await recordOf();
    const legs = record.orders?.legs ?? [];
    expect(record).toMatchObject({
      ...{ step: 'done', success: true, attempts: 1, cycle_number: 1, frame_slot_ms: T0, error_code: null },
      ...{ config_digest: arena.stories.traders.get(MODEL)?.configDigest, executed_at: new Date(T0), rejected: [] },
    });
    expect(legs.map(({ leg, status }) => `${leg} ${status}`)).toEqual(
      Array(4).fill(['entry filled', 'stop resting', 'target resting']).flat(),
    );

    const positions = await arena.db.query<{
      symbol: string;
      sl: number;
      tp: number;
      entry: number;
      stop: number;
      quantity: number;
    }>(
      `SELECT symbol, sl_oid AS sl, tp_oid AS tp, entry_oid AS entry, stop_loss AS stop, quantity FROM positions WHERE model_id = $1 AND status = 'open'`,
      [MODEL],
    );
    expect(positions).toHaveLength(4);
    for (const position of positions) {
      const own = legs.filter(({ symbol }) => symbol === position.symbol);
      expect([position.entry, position.sl, position.tp]).toEqual(own.map(({ oid }) => oid));
      expect(position.stop).toBe(own.find(({ leg }) => leg === 'stop')?.triggerPrice);
      expect(position.quantity).toBe(own[0]?.filledSize);
    }

    expect(await cached(arena.run, 'decisionLast', MODEL)).toMatchObject({
      cycle_number: 1,
      timestamp: T0,
      success: true,
      action: 'open_long',
    });
    expect(await cached(arena.run, 'traderState', MODEL)).toMatchObject({ state: 'running', last_decision_at: T0 });
    const { cacheRedis, keys } = arena.run.resources;
    const published = await cacheRedis.hgetall(keys.key('positions', [MODEL]));
    expect(Object.keys(published).sort()).toEqual(positions.map(({ symbol }) => symbol).sort());
    for (const { symbol, sl, tp } of positions)
      expect(JSON.parse(published[symbol] ?? 'null')).toMatchObject({ sl_oid: sl, tp_oid: tp });
    expect(await count(arena.db, `effects WHERE kind <> 'enqueue'`)).toBe(0);
    expect(await leaseOf()).toEqual({ epoch: 1, held: false });
    expect(await count(arena.db, 'conversation_messages')).toBe(1);
  });

  it('of a slot that was decided is skipped and changes nothing', async () => {
    await cycle();
    const before = await recordOf();
    expect(await cycle()).toMatchObject({ kind: 'skipped' });
    expect(await recordOf()).toEqual(before);
    expect([await placed(), await filled()]).toEqual([12, 4]);
  });

  it('started many times at once runs once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => cycle()));
    expect(outcomes.filter(({ kind }) => kind === 'done')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'snoozed' || kind === 'skipped')).toHaveLength(4);
    expect([await placed(), await filled()]).toEqual([12, 4]);
  });

  it('waits while another one of its model holds the lease, and goes on when the lease has run out', async () => {
    const hold = (ms: number) =>
      arena.db.query(
        `UPDATE trader_state SET lease_until = clock_timestamp() + $2 * interval '1 millisecond' WHERE trader_id = $1`,
        [MODEL, ms],
      );
    await hold(60_000);
    expect(await cycle()).toMatchObject({ kind: 'snoozed', ms: 1000 });
    await hold(800);
    const outcome = await cycle();
    expect(outcome.kind).toBe('snoozed');
    if (outcome.kind === 'snoozed') expect(outcome.ms).toBeLessThanOrEqual(810);
    expect(await count(arena.db, 'decision_cycles')).toBe(0);
    await hold(-1);
    expect((await cycle()).kind).toBe('done');
  });

  it('begins with what the exchange did since the last one', async () => {
    await cycle();
    // All stops lie 30 % below: the market falls through them between two slots.
    const marks = await arena.db.query<{ symbol: string; price: number }>('SELECT symbol, price FROM paper_marks');
    await feed(arena.db, { ticks: marks.map(({ symbol, price }) => tick(symbol, T0 + 1000, price / 2)) });
    await arena.stories.exchange.match?.(never);
    await feed(arena.db, { watermarkMs: T0 + MINUTE_MS });
    await cycle(arena.stories, T0 + MINUTE_MS);
    const trades = await arena.db.query<{ reason: string }>(
      'SELECT exit_reason AS reason FROM trades WHERE model_id = $1',
      [MODEL],
    );
    expect(trades.map(({ reason }) => reason)).toEqual(Array(4).fill('stop_loss'));
    expect(await recordOf(T0 + MINUTE_MS)).toMatchObject({ cycle_number: 2, step: 'done' });
  });

  it('of a model that takes no part is refused', async () => {
    await expect(cycle(arena.stories, T0, 'stranger')).rejects.toMatchObject({ code: 'NOF0_MODEL_UNKNOWN' });
  });

  it('whose job is aborted stops between two steps and may be begun again at once', async () => {
    const job = new AbortController();
    const stories = whileDeciding(arena.stories, MODEL, async () => job.abort(new Error('shutting down')));
    await expect(cycle(stories, T0, MODEL, job.signal)).rejects.toThrow('shutting down');
    expect(await placed()).toBe(0);
    expect(await leaseOf()).toMatchObject({ held: false });
    expect((await cycle()).kind).toBe('done');
    expect(await recordOf()).toMatchObject({ attempts: 2 });
  });
});

describe('a trader', () => {
  const become = (state: string) =>
    arena.db.query('UPDATE trader_state SET state = $2 WHERE trader_id = $1', [MODEL, state]);

  it.each(['paused', 'halted', 'retired'])('that is %s holds', async (state) => {
    await become(state);
    expect((await cycle()).kind).toBe('done');
    expect(await recordOf()).toMatchObject({
      step: 'done',
      success: false,
      orders: null,
      error_message: `the trader is ${state}`,
    });
    expect(await placed()).toBe(0);
  });

  it('in the shadow decides, and sends nothing', async () => {
    await become('shadow');
    expect((await cycle()).kind).toBe('done');
    const decided = await one<{ n: number }>(
      arena.db,
      'SELECT jsonb_array_length(decisions) AS n FROM decision_cycles',
    );
    expect(decided.n).toBeGreaterThan(0);
    expect(await recordOf()).toMatchObject({ success: true, orders: { request: null, legs: [] } });
    expect(await placed()).toBe(0);
  });
});

describe('a lease that passed to another process', () => {
  it('while the model thought: nothing more is written', async () => {
    const stories = whileDeciding(arena.stories, MODEL, takeOver);
    await expect(cycle(stories)).rejects.toMatchObject({ code: 'NOF0_LEASE_LOST' });
    expect(await recordOf()).toMatchObject({ step: 'started', orders: null, decisions: null, answer: null });
    expect([await placed(), await count(arena.db, 'conversations')]).toEqual([0, 0]);
    // The lease of the other one stays with him.
    expect(await leaseOf()).toEqual({ epoch: 2, held: true });
  });

  it('while the orders were on their way: the record is left to the other, who sends nothing new', async () => {
    const stories = withExchange(arena.stories, {
      send: async (...request) => {
        const results = await arena.stories.exchange.send(...request);
        await takeOver();
        return results;
      },
    });
    await expect(cycle(stories)).rejects.toMatchObject({ code: 'NOF0_LEASE_LOST' });
    expect(await recordOf()).toMatchObject({ step: 'sending', success: false });
    expect(await count(arena.db, 'conversations')).toBe(0);
    await endLease();
    expect(await cycle()).toMatchObject({ kind: 'done' });
    expect([await placed(), await filled()]).toEqual([12, 4]);
    expect(await recordOf()).toMatchObject({ step: 'done', success: true });
  });
});

describe('a cycle that stopped while sending', () => {
  /** The exchange as it is, remembering the bytes; the first request ends in an error, before or after it has acted. */
  function failingOnce(acts: boolean): { stories: Stories; sent: string[] } {
    const sent: string[] = [];
    const send: Exchange['send'] = async (prepared, ...rest) => {
      sent.push(prepared.bytes);
      if (sent.length > 1) return arena.stories.exchange.send(prepared, ...rest);
      if (acts) await arena.stories.exchange.send(prepared, ...rest);
      throw new Error('connection reset');
    };
    return { stories: withExchange(arena.stories, { send }), sent };
  }

  it.each([
    ['before the exchange saw the request', false],
    ['after the exchange had acted', true],
  ])('%s: sends the identical bytes and never a second order', async (_, acts) => {
    const { stories, sent } = failingOnce(acts);
    await expect(cycle(stories)).rejects.toThrow('connection reset');
    const stored = (await recordOf()).orders;
    expect(await recordOf()).toMatchObject({ step: 'sending' });
    expect(stored?.request?.bytes).toBe(sent[0]);
    expect(stored?.legs.map(({ status }) => status)).toEqual(Array(12).fill('planned'));
    expect(await leaseOf()).toMatchObject({ held: false });

    // Whatever the market did meanwhile: nothing is decided or sized anew.
    await ingestPrices(stories, T0 + 5000, never);
    expect((await cycle(stories)).kind).toBe('done');
    expect(sent).toEqual([sent[0], sent[0]]);
    expect([await placed(), await filled()]).toEqual([12, 4]);
    const legs = (await recordOf()).orders?.legs ?? [];
    expect(legs.map(({ status }) => status)).toEqual(Array(4).fill(['filled', 'resting', 'resting']).flat());
    expect(
      await count(arena.db, `positions WHERE model_id = $1 AND sl_oid IS NOT NULL AND tp_oid IS NOT NULL`, [MODEL]),
    ).toBe(4);
  });

  it('and goes on after the request has expired: the exchange refuses it and nothing is placed', async () => {
    const { stories, sent } = failingOnce(false);
    await expect(cycle(stories)).rejects.toThrow('connection reset');
    const afterMs = T0 + 10_001;
    expect((await cycle({ ...stories, clock: { repeats: true, now: () => afterMs } })).kind).toBe('done');
    expect(sent).toHaveLength(2);
    expect([await placed(), await filled()]).toEqual([0, 0]);
    expect((await recordOf()).orders?.legs.map(({ status }) => status)).toEqual(Array(12).fill('rejected'));
  });

  it('and goes on after it had acted and expired: what was placed counts', async () => {
    const { stories } = failingOnce(true);
    await expect(cycle(stories)).rejects.toThrow('connection reset');
    expect((await cycle({ ...stories, clock: { repeats: true, now: () => T0 + MINUTE_MS } })).kind).toBe('done');
    expect((await recordOf()).orders?.legs.filter(({ status }) => status === 'filled')).toHaveLength(4);
    expect([await placed(), await filled()]).toEqual([12, 4]);
  });
});

describe('the account that is decided on', () => {
  const NEXT = T0 + MINUTE_MS;
  /** Says up to where the account was worked through each time it was asked; the matcher works only after the first answer. */
  function lateMatcher() {
    const asked: (number | null)[] = [];
    const stories = withExchange(arena.stories, {
      accountState: async (account) => {
        const state = await arena.stories.exchange.accountState(account);
        if (asked.push(state.matchedMs) === 1) await arena.stories.exchange.match?.(never);
        return state;
      },
    });
    return { asked, stories };
  }
  const equityDecidedOn = async () => {
    const { equity } = await one<{ equity: number }>(
      arena.db,
      `SELECT (context->'account'->>'equityUsd')::float8 AS equity FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2`,
      [MODEL, NEXT],
    );
    return equity;
  };

  it('has the prices of the slot worked through, however early it is asked for', async () => {
    await cycle();
    await feed(arena.db, { ticks: [tick('BTC', NEXT, 1)] });
    const { asked, stories } = lateMatcher();
    await cycle(stories, NEXT);
    expect(asked.slice(0, 2)).toEqual([T0, NEXT]);
    expect(await equityDecidedOn()).toBe((await arena.stories.exchange.accountState(MODEL)).equityUsd);
  });

  it('is asked for once, beside the frame, when they are', async () => {
    await ingestPrices(arena.stories, NEXT, never);
    const { asked, stories } = lateMatcher();
    await cycle(stories, NEXT);
    expect(asked).toEqual([NEXT]);
  });

  it('has them in a replay also when a crash took the matching back after the frame was stored', async () => {
    await cycle();
    const cursor = await one<{ seq: number }>(arena.db, 'SELECT seq FROM paper_cursor');
    await feed(arena.db, { ticks: [tick('BTC', NEXT, 100)] });
    await arena.stories.exchange.match?.(never);
    await arena.frames.frame(NEXT, never);
    await arena.db.query('UPDATE paper_cursor SET seq = $1, matched_ms = $2', [cursor.seq, T0]);
    const { asked, stories } = lateMatcher();
    await cycle({ ...stories, clock: { ...stories.clock, repeats: true } }, NEXT);
    expect(asked.slice(0, 2)).toEqual([T0, NEXT]);
  });

  it('is not asked for when the trader is held', async () => {
    const { asked, stories } = lateMatcher();
    await arena.db.query(`UPDATE trader_state SET state = 'paused' WHERE trader_id = $1`, [MODEL]);
    await cycle(stories);
    expect(asked).toEqual([]);
  });
});

describe('a late slot', () => {
  const late = (): Stories => ({ ...arena.stories, clock: { repeats: true, now: () => T0 + MINUTE_MS + 1 } });

  it('without a frame is a hold, and no frame is built for it', async () => {
    expect(await cycle(late())).toMatchObject({ kind: 'done', note: { error: 'NOF0_FRAME_MISSING' } });
    expect(await recordOf()).toMatchObject({ success: false, error_code: 'NOF0_FRAME_MISSING' });
    expect(await count(arena.db, 'market_frames')).toBe(0);
    expect(await cached(arena.run, 'decisionLast', MODEL)).toMatchObject({
      success: false,
      error: 'the slot is late and has no frame',
    });
  });

  it('with a frame enters nothing, and says why', async () => {
    await arena.frames.frame(T0, never);
    expect(await cycle(late())).toMatchObject({ kind: 'done', note: { orders: 0, rejected: 4 } });
    expect((await recordOf()).rejected?.map(({ code }) => code)).toEqual(Array(4).fill('LATE'));
    expect(await placed()).toBe(0);
  });

  it('is one that is more than its interval, at most a minute, ago', async () => {
    await arena.frames.frame(T0, never);
    const decisionMs = arena.stories.pace.decision;
    expect(decisionMs).toBe(15_000);
    const onTime: Stories = { ...arena.stories, clock: { repeats: true, now: () => T0 + decisionMs } };
    expect(await cycle(onTime)).toMatchObject({ note: { orders: 12 } });
    const justLate: Stories = { ...arena.stories, clock: { repeats: true, now: () => T0 + decisionMs + 1 } };
    expect(await cycle(justLate, T0, 'twin')).toMatchObject({ note: { orders: 0, rejected: 4 } });
  });
});
