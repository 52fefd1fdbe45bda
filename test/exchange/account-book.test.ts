import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { available, crossEquity, equity } from '../../src/domain/paper-balances.ts';
import { gridSize } from '../../src/domain/rounding.ts';
import { AccountBook, type Execution } from '../../src/exchange/paper/account-book.ts';
import { fund } from '../../src/exchange/paper/funding.ts';
import { takerPrice, triggered } from '../../src/exchange/paper/prices.ts';
import { emptyRow, testRules } from './paper-books.ts';

const INITIAL_USD = 10_000;

function openBook(): AccountBook {
  return new AccountBook(emptyRow({ no: 3, cashUsd: INITIAL_USD }), new Map(), [], testRules());
}

const execution = (side: 'buy' | 'sell', size: number, price: number, symbol = 'BTC'): Execution => ({
  ...{ oid: 1, cloid: 'c', symbol, side, size, price, crossed: true, liquidation: false },
  ...{ setting: { leverage: 2, marginMode: 'cross' }, tsMs: 1, mark: () => undefined },
});

describe('money', () => {
  const symbol = fc.constantFrom('BTC', 'ETH');
  const usd = fc.integer({ min: 1, max: 10_000_000 }).map((cents) => cents / 100);
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('execution' as const),
        symbol,
        side: fc.constantFrom('buy' as const, 'sell' as const),
        // Few distinct sizes, so that flat and through-zero are common.
        lots: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5_000_000 })),
        price: usd,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('funding' as const),
        symbol,
        rate: fc.integer({ min: -400, max: 400 }).map((units) => units / 100_000),
        price: usd,
      }),
    },
  );

  it('is neither made nor lost: cash + unrealised = initial + gross profit − fees + funding, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), usd, usd, (steps, btc, eth) => {
        const book = openBook();
        for (const each of steps) {
          if (each.kind === 'funding') fund(book, { ...each, tsMs: 1 }, () => undefined);
          else book.execute(execution(each.side, each.lots / 1000, each.price, each.symbol));
        }
        const sum = (of: (fill: AccountBook['newFills'][number]) => number) =>
          book.newFills.reduce((total, fill) => total + of(fill), 0);
        const cash = (kind: 'trade' | 'funding') => sum((fill) => (fill.kind === kind ? fill.closedPnl : 0));
        const marks = new Map([
          ['BTC', btc],
          ['ETH', eth],
        ]);
        const tolerance =
          1e-9 *
          Math.max(
            1,
            book.turnover,
            sum((fill) => fill.size * fill.price),
          );

        const fees = sum((fill) => fill.feeUsd);
        const booked = INITIAL_USD + cash('trade') - fees + cash('funding');
        expect(Math.abs(book.cashUsd - booked)).toBeLessThanOrEqual(tolerance);

        // The same profit without any average cost: what was paid, what was received and what is still held.
        let worth = INITIAL_USD - fees + cash('funding');
        for (const fill of book.newFills) {
          if (fill.kind === 'trade') worth += (fill.side === 'buy' ? -1 : 1) * fill.size * fill.price;
        }
        for (const [name, position] of book.positions) worth += position.size * (marks.get(name) ?? 0);
        expect(Math.abs(equity(book, (name) => marks.get(name)) - worth)).toBeLessThanOrEqual(tolerance);
      }),
      { numRuns: 1000 },
    );
  });

  it('comes with fills that chain: each starts at the position the one before it led to, and is numbered on', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const book = openBook();
        for (const each of steps) {
          if (each.kind === 'funding') fund(book, { ...each, tsMs: 1 }, () => undefined);
          else book.execute(execution(each.side, each.lots / 1000, each.price, each.symbol));
        }
        const held = new Map<string, number>();
        book.newFills.forEach((fill, index) => {
          expect(fill.seq).toBe(index + 1);
          expect(fill.startPosition).toBe(held.get(fill.symbol) ?? 0);
          if (fill.kind === 'funding') return;
          const signed = fill.side === 'buy' ? fill.size : -fill.size;
          held.set(fill.symbol, gridSize((held.get(fill.symbol) ?? 0) + signed, 3));
        });
        for (const [name, size] of held) expect(book.size(name)).toBe(size);
      }),
    );
  });
});

describe('nobody pays what he has not', () => {
  const unknown = () => undefined;

  it('what an exit costs beyond the cash is given back in its fee, and equity still adds up', () => {
    const book = openBook();
    book.execute({ ...execution('buy', 100, 200), feeUsd: 5 });
    book.execute({ ...execution('sell', 100, 90), feeUsd: 4 });
    expect(book.cashUsd).toBe(0);
    expect(book.newFills.at(-1)).toMatchObject({ closedPnl: -11_000, feeUsd: -1005 });
  });

  it('while another cross position stands, nothing is given back: its liquidation comes first', () => {
    const book = openBook();
    book.execute({ ...execution('buy', 1, 100, 'ETH'), feeUsd: 0 });
    book.execute({ ...execution('buy', 100, 200), feeUsd: 0 });
    book.execute({ ...execution('sell', 100, 90), feeUsd: 4 });
    expect(book.cashUsd).toBe(-1004);
    expect(book.newFills.at(-1)?.feeUsd).toBe(4);
  });

  it('funding asks an isolated position for its margin at most, and the account for its cash', () => {
    const book = openBook();
    book.execute({ ...execution('buy', 100, 100), setting: { leverage: 5, marginMode: 'isolated' }, feeUsd: 0 });
    fund(book, { symbol: 'BTC', rate: 0.5, price: 100, tsMs: 7 }, unknown);
    expect(book.newFills.at(-1)).toMatchObject({ kind: 'funding', closedPnl: -2000 });
    expect(book.positions.get('BTC')?.marginUsd).toBe(0);
    expect(book.cashUsd).toBe(8000);
    book.execute({ ...execution('sell', 75, 100), feeUsd: 0, tsMs: 9 });
    // What is gone since the print is the account's to pay, what is left the position's, which has nothing any more.
    fund(book, { symbol: 'BTC', rate: 0.5, price: 100, tsMs: 8 }, unknown);
    expect(book.newFills.at(-1)).toMatchObject({ closedPnl: -3750, startPosition: 100 });
    expect(book.cashUsd).toBe(4250);
    fund(book, { symbol: 'BTC', rate: 2, price: 100, tsMs: 8 }, unknown);
    expect(book.newFills.at(-1)).toMatchObject({ closedPnl: -4250 });
    expect(book.cashUsd).toBe(0);
  });

  it('an isolated position takes no more margin than is free', () => {
    const book = openBook();
    const isolated = { leverage: 5, marginMode: 'isolated' } as const;
    book.execute({ ...execution('buy', 1000, 100), setting: isolated, feeUsd: 0 });
    expect(book.cashUsd).toBe(0);
    expect(book.positions.get('BTC')?.marginUsd).toBe(10_000);
  });
});

describe('a position', () => {
  it('has the average cost of what was added, and keeps it while it is reduced', () => {
    const book = openBook();
    book.execute(execution('buy', 1, 100));
    book.execute(execution('buy', 3, 120));
    expect(book.positions.get('BTC')).toMatchObject({ size: 4, entryPrice: 115 });
    book.execute(execution('sell', 1, 150));
    expect(book.positions.get('BTC')).toMatchObject({ size: 3, entryPrice: 115 });
    expect(book.newFills.at(-1)?.closedPnl).toBe(35);
  });

  it('flips through zero in one fill: the old part is realised, the rest is a new position at the new price', () => {
    const book = openBook();
    book.execute(execution('buy', 1, 100));
    book.execute({ ...execution('sell', 3, 110), setting: { leverage: 5, marginMode: 'cross' } });
    expect(book.positions.get('BTC')).toMatchObject({ size: -2, entryPrice: 110, leverage: 5 });
    expect(book.newFills.at(-1)).toMatchObject({ closedPnl: 10, startPosition: 1, feeUsd: 0.1485 });
    expect(book.newFills).toHaveLength(2);
  });

  it('is gone at exactly zero, however the sizes were cut', () => {
    const book = openBook();
    for (const size of [0.1, 0.2]) book.execute(execution('buy', size, 100));
    book.execute(execution('sell', 0.3, 100));
    expect(book.positions.size).toBe(0);
  });

  it('pays a positive rate when long and receives it when short; without one nothing happens', () => {
    const book = openBook();
    const print = (symbol: string, rate: number, price: number, tsMs: number) =>
      fund(book, { symbol, rate, price, tsMs }, () => undefined);
    print('BTC', 0.001, 100, 1);
    expect(book.newFills).toEqual([]);
    book.execute(execution('buy', 2, 100));
    book.execute(execution('sell', 1, 50, 'ETH'));
    print('BTC', 0.001, 110, 7);
    print('ETH', 0.001, 50, 7);
    print('ETH', 0, 50, 7);
    expect(book.newFills.slice(2)).toEqual([
      expect.objectContaining({ kind: 'funding', symbol: 'BTC', closedPnl: -0.22, feeUsd: 0, oid: null, tsMs: 7 }),
      expect.objectContaining({ kind: 'funding', symbol: 'ETH', closedPnl: 0.05 }),
    ]);
  });

  it('binds its notional at the mark over its leverage', () => {
    const book = openBook();
    book.execute(execution('sell', 4, 100));
    const bound = (mark: number | undefined) => crossEquity(book, () => mark) - available(book, () => mark);
    expect(bound(120)).toBeCloseTo(240, 9);
    expect(bound(undefined)).toBeCloseTo(200, 9);
  });

  it('is increased only by what goes beyond it', () => {
    const book = openBook();
    expect(book.increase('BTC', 'sell', 2)).toBe(2);
    book.execute(execution('buy', 3, 100));
    expect(book.increase('BTC', 'buy', 2)).toBe(2);
    expect(book.increase('BTC', 'sell', 2)).toBe(0);
    expect(book.increase('BTC', 'sell', 5)).toBe(2);
  });
});

describe('prices', () => {
  it('of a taker are the mark moved against him and rounded to a valid one', () => {
    expect(takerPrice(100_000, 'buy', 1, { sizeDecimals: 5 })).toBe(100_010);
    expect(takerPrice(100_000, 'sell', 1, { sizeDecimals: 5 })).toBe(99_990);
    expect(takerPrice(0.22, 'buy', 1, { sizeDecimals: 0 })).toBe(0.22003);
    expect(takerPrice(0.22, 'sell', 1, { sizeDecimals: 0 })).toBe(0.21997);
    expect(takerPrice(100, 'buy', 0, { sizeDecimals: 2 })).toBe(100);
  });

  it('touch a stop at its trigger or beyond, and then the worse of both is met', () => {
    const stop = (side: 'buy' | 'sell', price: number) => triggered({ side, tpsl: 'stop', triggerPrice: 100 }, price);
    expect([stop('sell', 100.01), stop('sell', 100), stop('sell', 95)]).toEqual([null, 100, 95]);
    expect([stop('buy', 99.99), stop('buy', 100), stop('buy', 105)]).toEqual([null, 100, 105]);
  });

  it('touch a target at its trigger or beyond, and it is never met better than its trigger', () => {
    const target = (side: 'buy' | 'sell', price: number) =>
      triggered({ side, tpsl: 'target', triggerPrice: 100 }, price);
    expect([target('sell', 99.99), target('sell', 100), target('sell', 105)]).toEqual([null, 100, 100]);
    expect([target('buy', 100.01), target('buy', 100), target('buy', 95)]).toEqual([null, 100, 100]);
  });
});

it('order numbers begin with the number of the account', () => {
  const book = openBook();
  expect([book.takeOid(), book.takeOid()]).toEqual([3_000_000_001, 3_000_000_002]);
});
