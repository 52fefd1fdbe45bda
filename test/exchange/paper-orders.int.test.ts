import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refresh } from '../../src/domain/published-keys.ts';
import type { Exchange, OrderIntent } from '../../src/exchange/exchange.ts';
import { PaperExchange } from '../../src/exchange/paper/paper-exchange.ts';
import type { Queryable } from '../../src/store/database.ts';
import { addEffects } from '../../src/store/effects.ts';
import { type Arena, cached, count, feed, never, openTestArena, PROVIDER, tick } from '../engine/arena.ts';
import { Desk, type Intent } from './desk.ts';

let arena: Arena;
let desk: Desk;
let exchange: Exchange;

beforeAll(async () => {
  arena = await openTestArena();
  desk = new Desk(arena);
  exchange = arena.stories.exchange;
});
afterAll(() => arena.run.close());

const state = (account: string) => exchange.accountState(account);
const limit = (fields: Partial<OrderIntent>): Intent => ({
  side: 'buy',
  size: 1,
  symbol: 'SOL',
  kind: 'limit',
  ...fields,
});

/** The unit long that these tests protect, entered at 200. */
async function long(size = 1): Promise<string> {
  const account = await desk.open();
  await desk.quote({ SOL: 200 });
  await desk.send(account, { side: 'buy', size, symbol: 'SOL' });
  return account;
}

describe('a limit order', () => {
  it('that cannot be had rests, and is filled at its price as a maker when the market goes through it', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [resting] = await desk.send(account, limit({ limitPrice: 195 }));
    expect(resting).toMatchObject({ status: 'resting', filledSize: 0, error: null });
    expect((await state(account)).openOrders).toMatchObject([
      { kind: 'limit', size: 1, limitPrice: 195, triggerPrice: null },
    ]);
    await desk.quote({ SOL: 195 });
    expect(await desk.fills(account)).toEqual([]);
    await desk.quote({ SOL: 190 });
    expect(await desk.fills(account)).toMatchObject([{ price: 195, size: 1, crossed: false, feeUsd: 0.02925 }]);
    expect(await exchange.lookup(account, [resting?.cloid ?? ''])).toMatchObject([{ status: 'filled', avgPrice: 195 }]);
  });

  it('that can be had takes the market at once, never beyond its price', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [taken, ioc, alo] = await desk.send(
      account,
      limit({ limitPrice: 210 }),
      limit({ limitPrice: 200, tif: 'Ioc' }),
      limit({ limitPrice: 201, tif: 'Alo' }),
    );
    expect(taken).toMatchObject({ status: 'filled', avgPrice: 200.02 });
    expect(ioc?.error).toBe('Order could not immediately match against any resting orders.');
    expect(alo?.error).toBe('Post only order would have immediately matched, bbo was 199.98@200.02.');
    expect(await desk.fills(account)).toMatchObject([{ price: 200.02, crossed: true }]);
  });

  it('is refused off its grid of prices and sizes', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const results = await desk.send(
      account,
      limit({ limitPrice: 190.123 }),
      limit({ limitPrice: 190.12, size: 0.001 }),
      limit({ limitPrice: 190.12, size: 0 }),
      limit({ limitPrice: 190.12 }),
    );
    expect(results.map(({ error }) => error)).toEqual([
      'Price must be divisible by tick size.',
      'Order has invalid size.',
      'Order has zero size.',
      null,
    ]);
  });

  it('whose margin is gone when it is met is canceled then', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200 });
    const [first] = await desk.send(
      account,
      limit({ size: 5, limitPrice: 190, leverage: 1 }),
      limit({ size: 5, limitPrice: 189, leverage: 1 }),
    );
    await desk.quote({ SOL: 180 });
    expect(await desk.positions(account)).toMatchObject([{ quantity: 5, entryPrice: 190 }]);
    expect(await exchange.lookup(account, [first?.cloid ?? ''])).toMatchObject([{ status: 'filled' }]);
    const canceled = await arena.db.query('SELECT error FROM paper_orders WHERE account = $1 AND status = $2', [
      account,
      'canceled',
    ]);
    expect(canceled).toEqual([{ error: 'marginCanceled' }]);
  });
});

describe('stops and targets of a position', () => {
  const bracket = { side: 'sell', size: 3, symbol: 'SOL', grouping: 'positionTpsl' } as const;

  it('follow its size down and up, and one cancels the other', async () => {
    const account = await long(3);
    await desk.send(
      account,
      { ...bracket, kind: 'stop', triggerPrice: 190 },
      { ...bracket, kind: 'target', triggerPrice: 220 },
    );
    await desk.send(account, { side: 'sell', size: 2, symbol: 'SOL', reduceOnly: true });
    expect((await state(account)).openOrders.map(({ size }) => size)).toEqual([1, 1]);
    await desk.send(account, { side: 'buy', size: 4, symbol: 'SOL' });
    expect((await state(account)).openOrders.map(({ size }) => size)).toEqual([5, 5]);
    await desk.quote({ SOL: 189 });
    expect((await desk.fills(account)).at(-1)).toMatchObject({ side: 'sell', size: 5 });
    expect(await state(account)).toMatchObject({ positions: [], openOrders: [] });
  });

  it('go with it', async () => {
    const account = await long(3);
    await desk.send(account, { ...bracket, kind: 'stop', triggerPrice: 190 });
    await desk.send(account, { side: 'sell', size: 5, symbol: 'SOL' });
    expect((await state(account)).openOrders).toEqual([]);
    const [stop] = await arena.db.query('SELECT error FROM paper_orders WHERE account = $1 AND tpsl IS NOT NULL', [
      account,
    ]);
    expect(stop).toEqual({ error: 'reduceOnlyCanceled' });
  });

  it('that belong to an order sleep until it is filled, are its size, and one cancels the other', async () => {
    const account = await long(3);
    const exit = { side: 'sell', size: 2, symbol: 'SOL', grouping: 'normalTpsl' } as const;
    const results = await desk.send(
      account,
      limit({ size: 2, limitPrice: 195 }),
      { ...exit, kind: 'stop', triggerPrice: 190 },
      { ...exit, kind: 'target', triggerPrice: 198 },
    );
    expect(results.map(({ status }) => status)).toEqual(['resting', 'resting', 'resting']);
    expect((await state(account)).openOrders.map(({ waitsForFill }) => waitsForFill)).toEqual([false, true, true]);
    await desk.quote({ SOL: 194 });
    expect((await state(account)).openOrders.map(({ waitsForFill }) => waitsForFill)).toEqual([false, false]);
    await desk.quote({ SOL: 199 });
    expect((await desk.fills(account)).at(-1)).toMatchObject({ side: 'sell', size: 2, price: 197.98 });
    expect(await state(account)).toMatchObject({ positions: [{ quantity: 3 }], openOrders: [] });
  });

  it('that belong to an order go when it is canceled unfilled', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [entry] = await desk.send(account, limit({ limitPrice: 195 }), {
      ...{ side: 'sell', size: 1, symbol: 'SOL', grouping: 'normalTpsl' },
      ...{ kind: 'stop', triggerPrice: 190 },
    });
    const target = { symbol: 'SOL', cloid: entry?.cloid ?? '' };
    expect(await exchange.cancel(account, [target], desk.nowMs, never)).toEqual([{ error: null }]);
    expect((await state(account)).openOrders).toEqual([]);
    await desk.quote({ SOL: 150 });
    expect(await desk.fills(account)).toEqual([]);
  });
});

describe('a standing order', () => {
  it('is canceled by its number or ours; twice is told and harmless', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [one, two] = await desk.send(account, limit({ limitPrice: 190 }), limit({ limitPrice: 191 }));
    const targets = [
      { symbol: 'SOL', oid: one?.oid ?? 0 },
      { symbol: 'SOL', cloid: two?.cloid ?? '' },
      { symbol: 'SOL', oid: one?.oid ?? 0 },
    ];
    const gone = { error: 'Order was never placed, already canceled, or filled.' };
    expect(await exchange.cancel(account, targets, desk.nowMs, never)).toEqual([
      { error: null },
      { error: null },
      gone,
    ]);
    expect(await exchange.cancel(account, targets, desk.nowMs, never)).toEqual([gone, gone, gone]);
    await desk.quote({ SOL: 150 });
    expect(await desk.fills(account)).toEqual([]);
  });

  it('is modified as a whole or stays as it is', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [placed] = await desk.send(account, limit({ limitPrice: 190 }));
    const target = { symbol: 'SOL', oid: placed?.oid ?? 0 };
    const bad = desk.intent(limit({ limitPrice: 190.001 }));
    expect(await exchange.modify(account, target, bad, desk.nowMs, never)).toMatchObject({
      status: 'rejected',
      error: 'Price must be divisible by tick size.',
    });
    expect((await state(account)).openOrders).toMatchObject([{ oid: placed?.oid, limitPrice: 190 }]);
    const good = desk.intent(limit({ limitPrice: 185, size: 2 }));
    const modified = await exchange.modify(account, target, good, desk.nowMs, never);
    expect(modified).toMatchObject({ status: 'resting', cloid: good.cloid });
    expect((await state(account)).openOrders).toMatchObject([{ oid: modified.oid, limitPrice: 185, size: 2 }]);
    expect(await exchange.modify(account, target, good, desk.nowMs, never)).toEqual(modified);
    const late = desk.intent(limit({ limitPrice: 180 }));
    expect(await exchange.modify(account, target, late, desk.nowMs, never)).toMatchObject({
      status: 'rejected',
      error: 'Cannot modify canceled or filled order',
    });
  });
});

describe('a client order id', () => {
  it('used twice in one request places the first order and refuses the second, as often as it is sent', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const order = desk.intent({ side: 'buy', size: 1, symbol: 'SOL' });
    const nowMs = desk.later(1);
    const prepared = exchange.prepare(account, [order, { ...order, size: 2 }], nowMs, nowMs + 1000);
    const first = await exchange.send(prepared, nowMs, never);
    expect(first).toMatchObject([
      { status: 'filled', filledSize: 1 },
      { status: 'rejected', oid: null, error: 'Order with this client order id was already placed.' },
    ]);
    expect(await exchange.send(prepared, nowMs, never)).toEqual(first);
    expect(await desk.fills(account)).toHaveLength(1);
  });

  it('known from an earlier request is answered as it was, and the orders beside it are placed', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const order = desk.intent({ side: 'buy', size: 1, symbol: 'SOL' });
    const other = desk.intent({ side: 'buy', size: 2, symbol: 'SOL' });
    const send = (...orders: OrderIntent[]) =>
      exchange.send(exchange.prepare(account, orders, desk.later(1), desk.nowMs + 1000), desk.nowMs, never);
    const [before] = await send(order);
    expect(await send(order, other)).toMatchObject([before, { status: 'filled', filledSize: 2 }]);
    expect(await desk.positions(account)).toMatchObject([{ quantity: 3 }]);
  });
});

describe('bytes that are no request', () => {
  it('are refused with a coded error', async () => {
    const account = await desk.open();
    for (const bytes of [
      '',
      '[]',
      '{"account":1}',
      JSON.stringify({ account, nonce: 1, expiresAtMs: 1, orders: [{}] }),
    ])
      await expect(
        exchange.send({ account, nonce: 1, expiresAtMs: 1, bytes }, desk.nowMs, never),
      ).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_REJECTED' });
  });
});

describe('leverage', () => {
  it('is set for a symbol within what it allows, and mode only while there is no position', async () => {
    const account = await long(2);
    const set = (symbol: string, leverage: number, marginMode: 'cross' | 'isolated') =>
      exchange.setLeverage(account, symbol, { leverage, marginMode }, desk.nowMs, never);
    await set('SOL', 4, 'cross');
    expect(await desk.positions(account)).toMatchObject([{ leverage: 4, marginUsedUsd: 100 }]);
    await expect(set('SOL', 4, 'isolated')).rejects.toThrow('Cannot switch leverage type with open position.');
    await expect(set('SOL', 1000, 'cross')).rejects.toThrow('Invalid leverage value.');
    await set('ETH', 5, 'isolated');
    await desk.quote({ ETH: 3600 });
    await desk.send(account, { side: 'buy', size: 1, symbol: 'ETH', leverage: 5 });
    expect(await desk.positions(account)).toMatchObject([
      { symbol: 'ETH', marginMode: 'isolated', leverage: 5 },
      { symbol: 'SOL' },
    ]);
  });
});

describe('a position that its margin no longer carries', () => {
  it('is liquidated at the market with its fee, its orders go, and the fill says so', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200 });
    await desk.send(account, { side: 'buy', size: 45, symbol: 'SOL', leverage: 10 });
    await desk.send(
      account,
      { side: 'sell', size: 45, symbol: 'SOL', kind: 'stop', triggerPrice: 150 },
      limit({ limitPrice: 150 }),
    );
    const [position] = (await state(account)).positions;
    const price = position?.liquidationPrice ?? 0;
    expect(price).toBeGreaterThan(180);
    await desk.quote({ SOL: Number((price + 0.01).toFixed(2)) });
    expect(await desk.positions(account)).toHaveLength(1);
    await desk.quote({ SOL: Number((price - 0.05).toFixed(2)) });
    expect((await desk.fills(account)).at(-1)).toMatchObject({
      side: 'sell',
      size: 45,
      liquidation: true,
      cloid: null,
    });
    const after = await state(account);
    expect(after).toMatchObject({ positions: [], openOrders: [] });
    expect(after.equityUsd).toBeGreaterThan(0);
  });

  it('leaves no debt when the market jumps over everything', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200 });
    await desk.send(account, { side: 'sell', size: 45, symbol: 'SOL', leverage: 10 });
    await desk.quote({ SOL: 400 });
    expect((await desk.fills(account)).at(-1)).toMatchObject({ liquidation: true });
    expect((await state(account)).equityUsd).toBeCloseTo(0, 5);
  });

  it('when it is isolated costs its own margin and nothing else', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200, XRP: 3 });
    await desk.send(
      account,
      { side: 'buy', size: 10, symbol: 'SOL', leverage: 10, marginMode: 'isolated' },
      { side: 'buy', size: 100, symbol: 'XRP', leverage: 2 },
    );
    await desk.quote({ SOL: 100 });
    const { positions, equityUsd } = await state(account);
    expect(positions).toMatchObject([{ symbol: 'XRP', marginMode: 'cross' }]);
    expect(equityUsd).toBeGreaterThan(799);
    expect(equityUsd).toBeLessThan(801);
  });
});

describe('a funding print that comes late', () => {
  it('is charged on what was held when it was due: not on what came after, and also on what is gone', async () => {
    const [before, after, gone] = [await desk.open(), await desk.open(), await desk.open()];
    await desk.quote({ ETH: 4000 });
    const buy = { side: 'buy', size: 1, symbol: 'ETH' } as const;
    await desk.send(before, buy);
    await desk.send(gone, buy);
    const dueMs = await desk.quote({ ETH: 4000 });
    desk.later(1);
    await desk.send(after, buy);
    await desk.send(before, buy);
    await desk.send(gone, { ...buy, side: 'sell' });
    await desk.quote({ ETH: 4000 });
    await feed(arena.db, { fundings: [{ symbol: 'ETH', tsMs: dueMs, rate: 0.001 }], watermarkMs: desk.nowMs });
    await desk.match();
    const paid = async (account: string) =>
      (await desk.fills(account))
        .filter(({ kind }) => kind === 'funding')
        .map(({ closedPnl, size, tsMs }) => [closedPnl, size, tsMs]);
    expect(await paid(before)).toEqual([[-4, 1, dueMs]]);
    expect(await paid(after)).toEqual([]);
    expect(await paid(gone)).toEqual([[-4, 1, dueMs]]);
  });
});

describe('a book of the market', () => {
  const levels = (...pairs: [number, number][]) => pairs.map(([price, size]) => ({ price, size }));
  const depth = { tsMs: 1, bids: levels([199.9, 5]), asks: levels([200.1, 1], [200.2, 1], [209, 5], [211, 50]) };

  it('is taken level by level, not beyond the worst price, and the rest is gone', async () => {
    const settings = arena.stories.config.arena.paper;
    const booked = new PaperExchange(arena.db, PROVIDER, settings, async () => depth);
    const account = await desk.open(100_000);
    await desk.quote({ SOL: 200 });
    const nowMs = desk.later(1);
    const market = desk.intent({ side: 'buy', size: 10, symbol: 'SOL' });
    const capped = desk.intent({ side: 'buy', size: 10, symbol: 'SOL', limitPrice: 200.15 });
    const none = desk.intent({ side: 'buy', size: 10, symbol: 'SOL', limitPrice: 200.05 });
    const rests = desk.intent(limit({ size: 3, limitPrice: 200.2 }));
    const prepared = booked.prepare(account, [market, capped, none, rests], nowMs, nowMs + 1000);
    const results = await booked.send(prepared, nowMs, never);
    expect(results).toMatchObject([
      { status: 'filled', filledSize: 7 },
      { status: 'filled', filledSize: 1, avgPrice: 200.1 },
      { status: 'rejected', error: 'Order could not immediately match against any resting orders.' },
      { status: 'resting', filledSize: 2 },
    ]);
    expect((await desk.fills(account)).map(({ price }) => price)).toEqual([200.1, 200.2, 209, 200.1, 200.1, 200.2]);
    expect((await state(account)).openOrders).toMatchObject([{ kind: 'limit', size: 1 }]);
  });
});

describe('a batch of ticks that concerns nobody', () => {
  it('costs one statement, and one that does a handful', async () => {
    const account = await long();
    await desk.send(account, { side: 'sell', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 190 });
    const statements: string[] = [];
    const counting = Object.create(arena.db, {
      query: {
        value: (text: string, values: unknown[]) => {
          statements.push(text);
          return arena.db.query(text, values);
        },
      },
      transaction: {
        value: (work: (...doors: Queryable[]) => Promise<unknown>) =>
          arena.db.transaction((...doors) =>
            work(
              ...doors.map(
                (door): Queryable => ({
                  query: (text, values) => {
                    statements.push(text);
                    return door.query(text, values);
                  },
                }),
              ),
            ),
          ),
      },
    }) as typeof arena.db;
    const counted = new PaperExchange(counting, PROVIDER, arena.stories.config.arena.paper);
    await counted.accountState(account);
    const cost = async (work: () => Promise<unknown>) => {
      statements.length = 0;
      await work();
      return statements.length;
    };
    await desk.ingest({ SOL: 195, XRP: 3 });
    expect(await cost(() => counted.match(never))).toBe(1);
    expect(await cost(() => counted.match(never))).toBe(1);
    expect(await cost(() => counted.accountState(account))).toBe(1);
    const order = desk.intent({ side: 'buy', size: 1, symbol: 'SOL' });
    const prepared = counted.prepare(account, [order], desk.nowMs, desk.nowMs + 1000);
    expect(await cost(() => counted.send(prepared, desk.nowMs, never))).toBe(2);
    await desk.ingest({ SOL: 189 });
    expect(await cost(() => counted.match(never))).toBe(4);
    expect(await count(arena.db, 'paper_fills WHERE account = $1', [account])).toBe(3);
  });
});

describe('the matcher', () => {
  it('gives the same fills whether it sees ticks one by one or all at once', async () => {
    const accounts = [await desk.open(1000), await desk.open(1000)];
    const fills: unknown[] = [];
    for (const account of accounts) {
      await desk.quote({ BNB: 700 });
      await desk.send(
        account,
        { side: 'buy', size: 10, symbol: 'BNB', leverage: 10 },
        { side: 'sell', size: 4, symbol: 'BNB', kind: 'target', triggerPrice: 710, grouping: 'na' },
        { side: 'buy', size: 1, symbol: 'BNB', kind: 'limit', limitPrice: 690, leverage: 10 },
      );
      const path = [705, 712, 695, 688, 660, 620, 580, 540];
      const byOne = account === accounts[0];
      if (byOne) for (const price of path) await desk.quote({ BNB: price });
      else {
        await feed(arena.db, { ticks: path.map((price) => tick('BNB', desk.later(), price)) });
        await desk.match();
      }
      fills.push(
        (await desk.fills(account)).map(({ price, size, side, liquidation, feeUsd }) => ({
          price,
          size,
          side,
          liquidation,
          feeUsd,
        })),
      );
    }
    expect(fills[0]).toEqual(fills[1]);
    expect(fills[0]).toHaveLength(4);
  });
});

describe('the keys of a trader', () => {
  it('hold what stands and what the account is worth, refreshed with its positions', async () => {
    await desk.quote({ SOL: 200 });
    await desk.send(
      'holder',
      { side: 'buy', size: 1, symbol: 'SOL', leverage: 2 },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
    );
    await arena.stories.drain(await addEffects(arena.db, [refresh('positions', 'holder')]));
    expect(await cached(arena.run, 'simOrders', 'holder')).toMatchObject({
      orders: [{ symbol: 'SOL', side: 'sell', kind: 'stop', size: 1, trigger_price: 190, status: 'resting' }],
    });
    const { equityUsd, availableUsd } = await state('holder');
    expect(await cached(arena.run, 'simBalances', 'holder')).toMatchObject({
      ...{ equity: equityUsd, available: availableUsd, margin_used: 100 },
      positions: [{ symbol: 'SOL', size: 1, leverage: 2, margin_mode: 'cross' }],
    });
  });
});
