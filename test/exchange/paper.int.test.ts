import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOrderId } from '../../src/domain/ids.ts';
import type { Exchange, OrderIntent } from '../../src/exchange/exchange.ts';
import { PaperExchange } from '../../src/exchange/paper/paper-exchange.ts';
import { type Arena, count, feed, never, one, openTestArena, PROVIDER, T0, tick } from '../engine/arena.ts';

let arena: Arena;
let exchange: Exchange;
let accounts = 0;
let clock = T0;

beforeAll(async () => {
  arena = await openTestArena();
  exchange = arena.stories.exchange;
});
afterAll(() => arena.run.close());

/** Market time only moves forward, also from one test to the next. */
function later(ms = 1000): number {
  clock += ms;
  return clock;
}

async function openAccount(initialUsd = 10_000): Promise<string> {
  accounts += 1;
  const account = `account-${accounts}`;
  await exchange.openAccounts([{ account, initialUsd }]);
  return account;
}

/** Ticks at the next moment, matched. */
async function quote(prices: Record<string, number>): Promise<number> {
  const tsMs = later();
  await feed(arena.db, { ticks: Object.entries(prices).map(([symbol, price]) => tick(symbol, tsMs, price)) });
  await exchange.match?.(never);
  return tsMs;
}

type Intent = Partial<OrderIntent> & Pick<OrderIntent, 'side' | 'size'>;
let orders = 0;

function intent(fields: Intent): OrderIntent {
  orders += 1;
  return {
    cloid: clientOrderId('paper-test', T0 + orders, 'entry', 'BTC'),
    symbol: 'BTC',
    kind: 'market',
    triggerPrice: null,
    reduceOnly: fields.kind === 'stop' || fields.kind === 'target',
    leverage: 2,
    ...fields,
  };
}

async function send(account: string, ...intents: Intent[]) {
  const nowMs = later(1);
  return exchange.send(exchange.prepare(account, intents.map(intent), nowMs, nowMs + 10_000), nowMs, never);
}

const fillsOf = (account: string) => exchange.fillsSince(account, 0);
const positionsOf = async (account: string) => (await exchange.accountState(account)).positions;

describe('a market order', () => {
  it('is filled at the mark moved by the slippage, never at a price its sender names', async () => {
    const account = await openAccount();
    await quote({ BTC: 100_000, DOGE: 0.22 });
    const [buy, sell] = await send(
      account,
      { side: 'buy', size: 0.05, triggerPrice: 1 },
      { side: 'sell', size: 100, symbol: 'DOGE', triggerPrice: 99 },
    );
    expect(buy).toMatchObject({ status: 'filled', filledSize: 0.05, avgPrice: 100_010, error: null });
    expect(sell).toMatchObject({ status: 'filled', filledSize: 100, avgPrice: 0.21997 });
    const fills = await fillsOf(account);
    expect(fills).toMatchObject([
      { id: `paper:${account}:1`, seq: 1, price: 100_010, startPosition: 0, closedPnl: 0, kind: 'trade', tsMs: clock },
      { id: `paper:${account}:2`, seq: 2, price: 0.21997, side: 'sell' },
    ]);
    expect(fills[0]?.feeUsd).toBeCloseTo(0.05 * 100_010 * 0.00045, 9);
  });

  it('uses the matched mark, not a tick that nobody has worked through yet', async () => {
    const account = await openAccount();
    await quote({ BTC: 100_000 });
    await feed(arena.db, { ticks: [tick('BTC', later(), 120_000)] });
    const [result] = await send(account, { side: 'buy', size: 0.01 });
    expect(result?.avgPrice).toBe(100_010);
    await exchange.match?.(never);
  });

  it('of less than 10 USD is refused, of 10 USD it is not', async () => {
    const account = await openAccount();
    await quote({ SOL: 200 });
    const [small, enough] = await send(
      account,
      { side: 'buy', size: 0.04, symbol: 'SOL' },
      { side: 'buy', size: 0.05, symbol: 'SOL' },
    );
    expect(small).toMatchObject({ status: 'rejected', filledSize: 0, error: 'Order must have minimum value of $10.' });
    expect(enough?.status).toBe('filled');
  });

  it('is refused without the margin, and the free margin allows the last bit of it', async () => {
    const account = await openAccount(1000);
    await quote({ SOL: 200 });
    const [tooLarge, fits] = await send(
      account,
      { side: 'buy', size: 10.01, symbol: 'SOL', leverage: 2 },
      { side: 'buy', size: 10, symbol: 'SOL', leverage: 2 },
    );
    expect(tooLarge).toMatchObject({ status: 'rejected', error: 'Insufficient margin to place order.' });
    expect(fits?.status).toBe('filled');
    const [more] = await send(account, { side: 'buy', size: 0.1, symbol: 'SOL', leverage: 2 });
    expect(more?.error).toBe('Insufficient margin to place order.');
  });

  it('on an asset that nobody quotes is refused', async () => {
    const account = await openAccount();
    const [result] = await send(account, { side: 'buy', size: 1, symbol: 'PEPE' });
    expect(result).toMatchObject({ status: 'rejected', error: 'Unknown asset.' });
    expect(await fillsOf(account)).toEqual([]);
  });

  it('that closes frees the margin of the one behind it in the same request', async () => {
    const account = await openAccount(1000);
    await quote({ SOL: 200, XRP: 3 });
    await send(account, { side: 'buy', size: 9.5, symbol: 'SOL', leverage: 2 });
    const results = await send(
      account,
      { side: 'sell', size: 9.5, symbol: 'SOL', reduceOnly: true },
      { side: 'buy', size: 600, symbol: 'XRP', leverage: 2 },
    );
    expect(results.map(({ status }) => status)).toEqual(['filled', 'filled']);
  });

  it('for an account that does not exist throws', async () => {
    await expect(send('nobody', { side: 'buy', size: 1 })).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_REJECTED' });
    await expect(exchange.accountState('nobody')).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_REJECTED' });
  });
});

describe('the same request', () => {
  it('sent twice acts once and is answered the same', async () => {
    const account = await openAccount();
    await quote({ BTC: 100_000 });
    const nowMs = later(1);
    const legs = [
      intent({ side: 'buy', size: 0.05 }),
      intent({ side: 'sell', size: 0.05, kind: 'stop', triggerPrice: 90_000 }),
    ];
    const prepared = exchange.prepare(account, legs, nowMs, nowMs + 10_000);
    const first = await exchange.send(prepared, nowMs, never);
    await quote({ BTC: 101_000 });
    // Long after it expired too: what was placed once is known for ever.
    expect(await exchange.send(prepared, nowMs + 60_000, never)).toEqual(first);
    expect(await exchange.lookup(account, [...legs.map(({ cloid }) => cloid), 'unknown'])).toEqual(
      expect.arrayContaining(first),
    );
    expect(await fillsOf(account)).toHaveLength(1);
  });

  it('sent many times at once acts once', async () => {
    const account = await openAccount();
    await quote({ BTC: 100_000 });
    const nowMs = later(1);
    const prepared = exchange.prepare(account, [intent({ side: 'buy', size: 0.05 })], nowMs, nowMs + 10_000);
    const other = new PaperExchange(arena.db, PROVIDER, arena.stories.config.arena.paper);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 ? other : exchange).send(prepared, nowMs, never)),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await fillsOf(account)).toHaveLength(1);
    expect(await positionsOf(account)).toMatchObject([{ symbol: 'BTC', quantity: 0.05 }]);
  });

  it('that comes after its expiry is refused and leaves nothing behind', async () => {
    const account = await openAccount();
    await quote({ BTC: 100_000 });
    const nowMs = later(1);
    const onTime = exchange.prepare(account, [intent({ side: 'buy', size: 0.01 })], nowMs, nowMs + 10);
    const late = exchange.prepare(account, [intent({ side: 'buy', size: 0.01 })], nowMs, nowMs + 10);
    expect((await exchange.send(onTime, nowMs + 10, never))[0]?.status).toBe('filled');
    expect((await exchange.send(late, nowMs + 11, never))[0]).toMatchObject({
      status: 'rejected',
      oid: null,
      error: 'Order expired before it reached the exchange.',
    });
    expect(await count(arena.db, 'paper_orders WHERE account = $1', [account])).toBe(1);
  });

  it('is prepared to the same bytes from the same orders', () => {
    const legs = [intent({ side: 'buy', size: 0.05 })];
    expect(exchange.prepare('a', legs, 1, 2)).toEqual(exchange.prepare('a', legs, 1, 2));
  });
});

describe('a reduce-only order', () => {
  it('closes at most what is held and never flips', async () => {
    const account = await openAccount();
    await quote({ SOL: 200 });
    await send(account, { side: 'sell', size: 2, symbol: 'SOL' });
    const [result] = await send(account, { side: 'buy', size: 5, symbol: 'SOL', reduceOnly: true });
    expect(result).toMatchObject({ status: 'filled', filledSize: 2 });
    expect(await positionsOf(account)).toEqual([]);
  });

  it('is refused when it would increase or when there is nothing to reduce', async () => {
    const account = await openAccount();
    await quote({ SOL: 200 });
    const refusal = { status: 'rejected', error: 'Reduce only order would increase position.' };
    expect(await send(account, { side: 'sell', size: 1, symbol: 'SOL', reduceOnly: true })).toMatchObject([refusal]);
    await send(account, { side: 'buy', size: 1, symbol: 'SOL' });
    expect(await send(account, { side: 'buy', size: 1, symbol: 'SOL', reduceOnly: true })).toMatchObject([refusal]);
  });

  it('may be smaller than 10 USD, so that the rest of a position can be closed', async () => {
    const account = await openAccount();
    await quote({ SOL: 200 });
    await send(account, { side: 'buy', size: 0.06, symbol: 'SOL' });
    await send(account, { side: 'sell', size: 0.05, symbol: 'SOL', reduceOnly: true });
    const [rest] = await send(account, { side: 'sell', size: 0.01, symbol: 'SOL', reduceOnly: true });
    expect(rest?.status).toBe('filled');
    expect(await positionsOf(account)).toEqual([]);
  });

  it('stop or target of a refused entry is refused with it', async () => {
    const account = await openAccount(100);
    await quote({ SOL: 200 });
    const results = await send(
      account,
      { side: 'buy', size: 100, symbol: 'SOL' },
      { side: 'sell', size: 100, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
    );
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('a close by the model', () => {
  it('cancels the stop and the target of the position', async () => {
    const account = await openAccount();
    await quote({ SOL: 200 });
    await send(
      account,
      { side: 'buy', size: 1, symbol: 'SOL' },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'target', triggerPrice: 220 },
    );
    expect((await exchange.accountState(account)).openOrders).toHaveLength(2);
    await send(account, { side: 'sell', size: 1, symbol: 'SOL', reduceOnly: true });
    expect((await exchange.accountState(account)).openOrders).toEqual([]);
    await quote({ SOL: 100 });
    expect(await fillsOf(account)).toHaveLength(2);
  });
});

describe('an account', () => {
  it('shows its equity, margin and positions at the marks', async () => {
    const account = await openAccount();
    await quote({ ETH: 3600 });
    await send(account, { side: 'buy', size: 1, symbol: 'ETH', leverage: 3 });
    await quote({ ETH: 3660 });
    const state = await exchange.accountState(account);
    const [fill] = await fillsOf(account);
    const equity = 10_000 - (fill?.feeUsd ?? 0) + (3660 - (fill?.price ?? 0));
    expect(state.equityUsd).toBeCloseTo(equity, 8);
    expect(state.marginUsedUsd).toBeCloseTo(1220, 8);
    expect(state.availableUsd).toBeCloseTo(equity - 1220, 8);
    expect(state.positions).toEqual([
      { symbol: 'ETH', quantity: 1, entryPrice: fill?.price, leverage: 3, markPrice: 3660 },
    ]);
  });

  it('that exists is left as it is when it is opened again, and numbers stay', async () => {
    const account = await openAccount(500);
    await exchange.openAccounts([
      { account, initialUsd: 9999 },
      { account: `${account}-next`, initialUsd: 1 },
    ]);
    expect((await exchange.accountState(account)).equityUsd).toBe(500);
    const numbers = await arena.db.query('SELECT no FROM paper_accounts GROUP BY no HAVING count(*) > 1');
    expect(numbers).toEqual([]);
  });

  it('tells its newest entry, and only what is newer than asked for', async () => {
    const account = await openAccount();
    expect((await exchange.fillHeads()).has(account)).toBe(false);
    await quote({ SOL: 200 });
    for (let i = 0; i < 3; i += 1) await send(account, { side: 'buy', size: 0.1, symbol: 'SOL' });
    expect((await exchange.fillHeads()).get(account)).toBe(3);
    expect((await exchange.fillsSince(account, 1)).map(({ seq }) => seq)).toEqual([2, 3]);
  });

  it('keeps its books when others trade at the same time', async () => {
    await quote({ SOL: 200 });
    const traders = await Promise.all(Array.from({ length: 6 }, () => openAccount()));
    await Promise.all(
      traders.flatMap((account) =>
        Array.from({ length: 4 }, () => send(account, { side: 'buy', size: 1, symbol: 'SOL' })),
      ),
    );
    for (const account of traders) {
      expect(await positionsOf(account)).toMatchObject([{ quantity: 4 }]);
      const fills = await fillsOf(account);
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
