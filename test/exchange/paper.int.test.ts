import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/exchange/exchange.ts';
import { PaperExchange } from '../../src/exchange/paper/paper-exchange.ts';
import { type Arena, count, feed, never, one, openTestArena, PROVIDER, tick } from '../engine/arena.ts';
import { Desk } from './desk.ts';

let arena: Arena;
let desk: Desk;
let exchange: Exchange;

beforeAll(async () => {
  arena = await openTestArena();
  desk = new Desk(arena);
  exchange = arena.stories.exchange;
});
afterAll(() => arena.run.close());

describe('a market order', () => {
  it('is filled at the mark moved by the slippage, never at a price its sender names', async () => {
    const account = await desk.open();
    await desk.quote({ BTC: 100_000, DOGE: 0.22 });
    const [buy, sell] = await desk.send(
      account,
      { side: 'buy', size: 0.05, triggerPrice: 1 },
      { side: 'sell', size: 100, symbol: 'DOGE', triggerPrice: 99 },
    );
    expect(buy).toMatchObject({ status: 'filled', filledSize: 0.05, avgPrice: 100_010, error: null });
    expect(sell).toMatchObject({ status: 'filled', filledSize: 100, avgPrice: 0.21997 });
    const fills = await desk.fills(account);
    expect(fills).toMatchObject([
      {
        id: `paper:${account}:1`,
        seq: 1,
        price: 100_010,
        startPosition: 0,
        closedPnl: 0,
        kind: 'trade',
        tsMs: desk.nowMs,
      },
      { id: `paper:${account}:2`, seq: 2, price: 0.21997, side: 'sell' },
    ]);
    expect(fills[0]?.feeUsd).toBeCloseTo(0.05 * 100_010 * 0.00045, 9);
  });

  it('uses the matched mark, not a tick that nobody has worked through yet', async () => {
    const account = await desk.open();
    await desk.quote({ BTC: 100_000 });
    await feed(arena.db, { ticks: [tick('BTC', desk.later(), 120_000)] });
    const [result] = await desk.send(account, { side: 'buy', size: 0.01 });
    expect(result?.avgPrice).toBe(100_010);
    await exchange.match?.(never);
  });

  it('of less than 10 USD is refused, of 10 USD it is not', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const [small, enough] = await desk.send(
      account,
      { side: 'buy', size: 0.04, symbol: 'SOL' },
      { side: 'buy', size: 0.05, symbol: 'SOL' },
    );
    expect(small).toMatchObject({ status: 'rejected', filledSize: 0, error: 'Order must have minimum value of $10.' });
    expect(enough?.status).toBe('filled');
  });

  it('is refused without the margin, and the free margin allows the last bit of it', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200 });
    const [tooLarge, fits] = await desk.send(
      account,
      { side: 'buy', size: 10.01, symbol: 'SOL', leverage: 2 },
      { side: 'buy', size: 10, symbol: 'SOL', leverage: 2 },
    );
    expect(tooLarge).toMatchObject({ status: 'rejected', error: 'Insufficient margin to place order.' });
    expect(fits?.status).toBe('filled');
    const [more] = await desk.send(account, { side: 'buy', size: 0.1, symbol: 'SOL', leverage: 2 });
    expect(more?.error).toBe('Insufficient margin to place order.');
  });

  it('on an asset that nobody quotes is refused', async () => {
    const account = await desk.open();
    const [result] = await desk.send(account, { side: 'buy', size: 1, symbol: 'PEPE' });
    expect(result).toMatchObject({ status: 'rejected', error: 'Unknown asset.' });
    expect(await desk.fills(account)).toEqual([]);
  });

  it('that closes frees the margin of the one behind it in the same request', async () => {
    const account = await desk.open(1000);
    await desk.quote({ SOL: 200, XRP: 3 });
    await desk.send(account, { side: 'buy', size: 9.5, symbol: 'SOL', leverage: 2 });
    const results = await desk.send(
      account,
      { side: 'sell', size: 9.5, symbol: 'SOL', reduceOnly: true },
      { side: 'buy', size: 600, symbol: 'XRP', leverage: 2 },
    );
    expect(results.map(({ status }) => status)).toEqual(['filled', 'filled']);
  });

  it('for an account that does not exist throws', async () => {
    await expect(desk.send('nobody', { side: 'buy', size: 1 })).rejects.toMatchObject({
      code: 'NOF0_EXCHANGE_REJECTED',
    });
    await expect(exchange.accountState('nobody')).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_REJECTED' });
  });
});

describe('the same request', () => {
  it('sent twice acts once and is answered the same', async () => {
    const account = await desk.open();
    await desk.quote({ BTC: 100_000 });
    const nowMs = desk.later(1);
    const legs = [
      desk.intent({ side: 'buy', size: 0.05 }),
      desk.intent({ side: 'sell', size: 0.05, kind: 'stop', triggerPrice: 90_000 }),
    ];
    const prepared = exchange.prepare(account, legs, nowMs, nowMs + 10_000);
    const first = await exchange.send(prepared, nowMs, never);
    await desk.quote({ BTC: 101_000 });
    // Long after it expired too: what was placed once is known for ever.
    expect(await exchange.send(prepared, nowMs + 60_000, never)).toEqual(first);
    expect(await exchange.lookup(account, [...legs.map(({ cloid }) => cloid), 'unknown'])).toEqual(
      expect.arrayContaining(first),
    );
    expect(await desk.fills(account)).toHaveLength(1);
  });

  it('sent many times at once acts once', async () => {
    const account = await desk.open();
    await desk.quote({ BTC: 100_000 });
    const nowMs = desk.later(1);
    const prepared = exchange.prepare(account, [desk.intent({ side: 'buy', size: 0.05 })], nowMs, nowMs + 10_000);
    const other = new PaperExchange(arena.db, PROVIDER, arena.stories.config.arena.paper);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 ? other : exchange).send(prepared, nowMs, never)),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await desk.fills(account)).toHaveLength(1);
    expect(await desk.positions(account)).toMatchObject([{ symbol: 'BTC', quantity: 0.05 }]);
  });

  it('that comes after its expiry is refused and leaves nothing behind', async () => {
    const account = await desk.open();
    await desk.quote({ BTC: 100_000 });
    const nowMs = desk.later(1);
    const onTime = exchange.prepare(account, [desk.intent({ side: 'buy', size: 0.01 })], nowMs, nowMs + 10);
    const late = exchange.prepare(account, [desk.intent({ side: 'buy', size: 0.01 })], nowMs, nowMs + 10);
    expect((await exchange.send(onTime, nowMs + 10, never))[0]?.status).toBe('filled');
    expect((await exchange.send(late, nowMs + 11, never))[0]).toMatchObject({
      status: 'rejected',
      oid: null,
      error: 'Order expired before it reached the exchange.',
    });
    expect(await count(arena.db, 'paper_orders WHERE account = $1', [account])).toBe(1);
  });

  it('is prepared to the same bytes from the same orders', () => {
    const legs = [desk.intent({ side: 'buy', size: 0.05 })];
    expect(exchange.prepare('a', legs, 1, 2)).toEqual(exchange.prepare('a', legs, 1, 2));
  });
});

describe('a reduce-only order', () => {
  it('closes at most what is held and never flips', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    await desk.send(account, { side: 'sell', size: 2, symbol: 'SOL' });
    const [result] = await desk.send(account, { side: 'buy', size: 5, symbol: 'SOL', reduceOnly: true });
    expect(result).toMatchObject({ status: 'filled', filledSize: 2 });
    expect(await desk.positions(account)).toEqual([]);
  });

  it('is refused when it would increase or when there is nothing to reduce', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const refusal = { status: 'rejected', error: 'Reduce only order would increase position.' };
    expect(await desk.send(account, { side: 'sell', size: 1, symbol: 'SOL', reduceOnly: true })).toMatchObject([
      refusal,
    ]);
    await desk.send(account, { side: 'buy', size: 1, symbol: 'SOL' });
    expect(await desk.send(account, { side: 'buy', size: 1, symbol: 'SOL', reduceOnly: true })).toMatchObject([
      refusal,
    ]);
  });

  it('may be smaller than 10 USD, so that the rest of a position can be closed', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    await desk.send(account, { side: 'buy', size: 0.06, symbol: 'SOL' });
    await desk.send(account, { side: 'sell', size: 0.05, symbol: 'SOL', reduceOnly: true });
    const [rest] = await desk.send(account, { side: 'sell', size: 0.01, symbol: 'SOL', reduceOnly: true });
    expect(rest?.status).toBe('filled');
    expect(await desk.positions(account)).toEqual([]);
  });

  it('stop or target of a refused entry is refused with it', async () => {
    const account = await desk.open(100);
    await desk.quote({ SOL: 200 });
    const results = await desk.send(
      account,
      { side: 'buy', size: 100, symbol: 'SOL' },
      { side: 'sell', size: 100, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
    );
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('a close by the model', () => {
  it('cancels the stop and the target of the position', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    await desk.send(
      account,
      { side: 'buy', size: 1, symbol: 'SOL' },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'target', triggerPrice: 220 },
    );
    expect((await exchange.accountState(account)).openOrders).toHaveLength(2);
    await desk.send(account, { side: 'sell', size: 1, symbol: 'SOL', reduceOnly: true });
    expect((await exchange.accountState(account)).openOrders).toEqual([]);
    await desk.quote({ SOL: 100 });
    expect(await desk.fills(account)).toHaveLength(2);
  });
});

describe('an account', () => {
  it('shows its equity, margin and positions at the marks', async () => {
    const account = await desk.open();
    await desk.quote({ ETH: 3600 });
    await desk.send(account, { side: 'buy', size: 1, symbol: 'ETH', leverage: 3 });
    await desk.quote({ ETH: 3660 });
    const state = await exchange.accountState(account);
    const [fill] = await desk.fills(account);
    const equity = 10_000 - (fill?.feeUsd ?? 0) + (3660 - (fill?.price ?? 0));
    expect(state.equityUsd).toBeCloseTo(equity, 8);
    expect(state.marginUsedUsd).toBeCloseTo(1220, 8);
    expect(state.availableUsd).toBeCloseTo(equity - 1220, 8);
    expect(state.positions).toEqual([
      {
        ...{ symbol: 'ETH', quantity: 1, entryPrice: fill?.price, leverage: 3, markPrice: 3660 },
        ...{ marginMode: 'cross', marginUsedUsd: 1220, liquidationPrice: null },
      },
    ]);
    expect(state.maintenanceMarginUsd).toBeCloseTo(3660 / 50, 8);
  });

  it('that exists is left as it is when it is opened again, and numbers stay', async () => {
    const account = await desk.open(500);
    await exchange.openAccounts([
      { account, initialUsd: 9999 },
      { account: `${account}-next`, initialUsd: 1 },
    ]);
    expect((await exchange.accountState(account)).equityUsd).toBe(500);
    const numbers = await arena.db.query('SELECT no FROM paper_accounts GROUP BY no HAVING count(*) > 1');
    expect(numbers).toEqual([]);
  });

  it('tells its newest entry, and only what is newer than asked for', async () => {
    const account = await desk.open();
    expect((await exchange.fillHeads()).has(account)).toBe(false);
    await desk.quote({ SOL: 200 });
    for (let i = 0; i < 3; i += 1) await desk.send(account, { side: 'buy', size: 0.1, symbol: 'SOL' });
    expect((await exchange.fillHeads()).get(account)).toBe(3);
    expect((await exchange.fillsSince(account, 1)).map(({ seq }) => seq)).toEqual([2, 3]);
  });

  it('keeps its books when others trade at the same time', async () => {
    await desk.quote({ SOL: 200 });
    const traders = await Promise.all(Array.from({ length: 6 }, () => desk.open()));
    await Promise.all(
      traders.flatMap((account) =>
        Array.from({ length: 4 }, () => desk.send(account, { side: 'buy', size: 1, symbol: 'SOL' })),
      ),
    );
    for (const account of traders) {
      expect(await desk.positions(account)).toMatchObject([{ quantity: 4 }]);
      const fills = await desk.fills(account);
      expect(fills.map(({ startPosition }) => startPosition)).toEqual([0, 1, 2, 3]);
      const row = await one<{ cash: number }>(
        arena.db,
        'SELECT cash_usd AS cash FROM paper_accounts WHERE account = $1',
        [account],
      );
      expect(row.cash).toBeCloseTo(10_000 - fills.reduce((sum, fill) => sum + fill.feeUsd, 0), 9);
    }
  });
});
