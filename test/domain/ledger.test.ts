import { describe, expect, it } from 'vitest';
import type { Fill } from '../../src/domain/fill.ts';
import { equityUsd, foldFills, unrealizedPnl } from '../../src/domain/ledger.ts';
import { fill } from './fills.ts';

const options = { sizeDecimals: 3 };

describe('foldFills', () => {
  it('is empty for no fills', () => {
    expect(foldFills([], options)).toEqual({
      positions: [],
      trades: [],
      quantity: 0,
      grossPnl: 0,
      feesUsd: 0,
      fundingUsd: 0,
      transfersUsd: 0,
      gapFillId: null,
      opening: null,
    });
  });

  it('makes one open position of adds at their average cost', () => {
    const first = fill({ price: 100, size: 1, feeUsd: 1 });
    const fold = foldFills([first, fill({ price: 106, size: 2, feeUsd: 2 })], options);
    expect(fold.trades).toEqual([]);
    expect(fold.quantity).toBe(3);
    expect(fold.positions).toMatchObject([
      { id: `m:BTC:${first.id}`, status: 'open', side: 'long', quantity: 3, entryPrice: 104, commission: 3 },
    ]);
    expect(fold.positions[0]).toMatchObject({ exitTsMs: null, exitPrice: null, entryOid: first.oid, closedPnl: 0 });
  });

  it('shows the exact price of a single entry', () => {
    // Three lots at 0.1 are 0.30000000000000004, and a third of that is not 0.1.
    const fold = foldFills([fill({ price: 0.1, size: 0.003 })], options);
    expect(fold.positions[0]?.entryPrice).toBe(0.1);
  });

  it('is exactly flat after decimal sizes that do not add up in binary', () => {
    const fold = foldFills([fill({ size: 0.1 }), fill({ size: 0.2 }), fill({ size: 0.3, side: 'sell' })], options);
    expect(fold.quantity).toBe(0);
    expect(fold.positions.map((position) => position.status)).toEqual(['closed']);
  });

  it('shares entry fees by what is closed, and the shares add up', () => {
    const open = fill({ price: 100, size: 3, feeUsd: 0.3, cloid: '0xa', crossed: false });
    const part = fill({ price: 110, size: 1, side: 'sell', feeUsd: 0.11, oid: 70 });
    const rest = fill({ price: 90, size: 2, side: 'sell', feeUsd: 0.18, oid: 71, cloid: '0xb', liquidation: true });
    const fold = foldFills([open, part, rest], options);
    expect(fold.trades.map((trade) => trade.id)).toEqual(['m:BTC:70:0', 'm:BTC:71:0']);
    expect(fold.trades[0]).toMatchObject({ quantity: 1, exitSz: 1, entrySz: 3, realizedGrossPnl: 10 });
    expect(fold.trades[0]?.entryCommission).toBeCloseTo(0.1, 12);
    expect(fold.trades[1]).toMatchObject({
      quantity: 2,
      entryPrice: 100,
      exitPrice: 90,
      entryOid: open.oid,
      entryTid: open.tid,
      entryCloid: '0xa',
      entryCrossed: false,
      exitCloid: '0xb',
      exitTid: rest.tid,
      exitLiquidation: true,
      realizedGrossPnl: -20,
    });
    expect(fold.trades[1]?.realizedNetPnl).toBeCloseTo(-20.38, 12);
    expect(fold.positions).toMatchObject([{ status: 'closed', quantity: 3, entryPrice: 100, closedPnl: -10 }]);
    expect(fold.positions[0]?.exitPrice).toBeCloseTo(290 / 3, 12);
    expect(fold.positions[0]?.commission).toBeCloseTo(0.59, 12);
  });

  it('keeps the average cost when it closes in part and adds again', () => {
    const fills = [
      fill({ price: 100, size: 2 }),
      fill({ price: 120, size: 1, side: 'sell' }),
      fill({ price: 110, size: 1 }),
    ];
    const fold = foldFills(fills, options);
    expect(fold.positions).toMatchObject([{ status: 'open', quantity: 2, entryPrice: 105, closedPnl: 20 }]);
    const closed = foldFills([...fills, fill({ price: 105, size: 2, side: 'sell' })], options);
    expect(closed.grossPnl).toBe(20);
    expect(closed.positions[0]).toMatchObject({ status: 'closed', quantity: 3, exitPrice: 110 });
    expect(closed.positions[0]?.entryPrice).toBeCloseTo(310 / 3, 12);
    expect(closed.trades[1]?.entrySz).toBe(3);
  });

  it('puts all fills of a closing order into one trade', () => {
    const fold = foldFills(
      [
        fill({ price: 100, size: 3, feeUsd: 3 }),
        fill({ price: 90, size: 1, side: 'sell', oid: 7, feeUsd: 1 }),
        fill({ price: 96, size: 2, side: 'sell', oid: 7, feeUsd: 2, crossed: false }),
      ],
      options,
    );
    expect(fold.trades).toMatchObject([
      { id: 'm:BTC:7:0', quantity: 3, exitPrice: 94, realizedGrossPnl: -18, exitCommission: 3, exitCrossed: false },
    ]);
  });

  it('weighs the entry of a closing order whose position grew between its fills', () => {
    const fold = foldFills(
      [
        fill({ price: 100, size: 2 }),
        fill({ price: 110, size: 1, side: 'sell', oid: 7 }),
        fill({ price: 130, size: 1 }),
        fill({ price: 120, size: 2, side: 'sell', oid: 7 }),
      ],
      options,
    );
    expect(fold.trades).toMatchObject([{ quantity: 3, entrySz: 3 }]);
    expect(fold.trades[0]?.realizedGrossPnl).toBeCloseTo(20, 12);
    expect(fold.trades[0]?.entryPrice).toBeCloseTo(110, 12);
  });

  it('makes a trade of each fill where the order is not known', () => {
    const entry = fill({ size: 2 });
    const out = [fill({ side: 'sell', oid: null, size: 1 }), fill({ side: 'sell', oid: null, size: 1 })];
    const fold = foldFills([entry, ...out], options);
    expect(fold.trades.map((trade) => trade.id)).toEqual(out.map((closing) => `m:BTC:${closing.id}:0`));
  });

  it('signs a short', () => {
    const fold = foldFills(
      [fill({ side: 'sell', price: 100, size: 2, feeUsd: 2 }), fill({ price: 90, size: 1, feeUsd: 0.5 })],
      options,
    );
    expect(fold.quantity).toBe(-1);
    expect(fold.positions).toMatchObject([{ side: 'short', quantity: -1, entryPrice: 100, closedPnl: 10 }]);
    expect(fold.trades).toMatchObject([{ side: 'short', quantity: -1, realizedGrossPnl: 10, realizedNetPnl: 8.5 }]);
  });

  it('closes, then opens, when a fill goes through zero, and splits its fee', () => {
    const open = fill({ price: 100, size: 1, feeUsd: 1 });
    const flip = fill({ price: 110, size: 4, side: 'sell', feeUsd: 8 });
    const fold = foldFills([open, flip], options);
    expect(fold.quantity).toBe(-3);
    expect(fold.trades).toMatchObject([{ quantity: 1, exitSz: 1, exitCommission: 2, realizedNetPnl: 7 }]);
    expect(fold.positions).toMatchObject([
      { id: `m:BTC:${open.id}`, status: 'closed', commission: 3, exitTsMs: flip.tsMs },
      { id: `m:BTC:${flip.id}`, status: 'open', quantity: -3, entryPrice: 110, commission: 6, entryOid: flip.oid },
    ]);
    expect(fold.feesUsd).toBe(9);
  });

  it('adds the later fills of a flipping order to the position it opened', () => {
    const fold = foldFills(
      [
        fill({ price: 100, size: 2 }),
        fill({ price: 110, size: 1, side: 'sell', oid: 7 }),
        fill({ price: 112, size: 2, side: 'sell', oid: 7 }),
        fill({ price: 114, size: 1, side: 'sell', oid: 7 }),
      ],
      options,
    );
    expect(fold.trades).toMatchObject([{ id: 'm:BTC:7:0', quantity: 2, exitPrice: 111, realizedGrossPnl: 22 }]);
    expect(fold.positions[1]).toMatchObject({ status: 'open', side: 'short', quantity: -2, entryPrice: 113 });
  });

  it('counts the trades of an order that closes two positions', () => {
    const fills = [
      fill({ size: 1 }),
      fill({ side: 'sell', size: 1, oid: 7 }),
      fill({ size: 1 }),
      fill({ side: 'sell', size: 1, oid: 7 }),
    ];
    expect(foldFills(fills, options).trades.map((trade) => trade.id)).toEqual(['m:BTC:7:0', 'm:BTC:7:1']);
    const tail = foldFills(fills.slice(2), { ...options, priorTrades: new Map([[7, 1]]) });
    expect(tail.trades).toEqual(foldFills(fills, options).trades.slice(1));
  });

  it('begins with an opening entry, which moves no cash', () => {
    const opening = fill({ kind: 'opening', side: 'sell', price: 50, size: 2, feeUsd: 9, closedPnl: 9, oid: null });
    const fold = foldFills([opening, fill({ price: 40, size: 2, feeUsd: 1, startPosition: -2 })], options);
    expect(fold).toMatchObject({ quantity: 0, grossPnl: 20, feesUsd: 1, gapFillId: null });
    expect(fold.trades).toMatchObject([{ entryCommission: 0, entryClosedPnl: 0, entryOid: null, quantity: -2 }]);
  });

  it('books no opening entry that the executions before it explain, and says where they do not', () => {
    const entry = fill({ size: 2, startPosition: 0, price: 90 });
    const opening = fill({ kind: 'opening', size: 2, price: 95 });
    const fold = foldFills([opening, entry], options);
    expect(fold).toMatchObject({ quantity: 2, gapFillId: null, opening: null });
    expect(fold.positions).toMatchObject([{ entryPrice: 90 }]);
    const other = fill({ kind: 'opening', size: 3 });
    expect(foldFills([entry, other], options)).toMatchObject({ quantity: 2, gapFillId: other.id });
    expect(foldFills([entry, other], { ...options, fromBeginning: false })).toMatchObject({ quantity: 2 });
  });

  it('adopts the position in whose middle a history begins, at the cost that the first recorded profit tells', () => {
    const added = fill({ startPosition: 3, size: 1, price: 108, tsMs: 1 });
    // Three at 100 and one at 108 cost 102 on average.
    const exit = fill({ side: 'sell', startPosition: 4, size: 2, price: 105, closedPnl: 6, tsMs: 2, oid: 9 });
    const fold = foldFills([exit, added], options);
    expect(fold.opening).toMatchObject({ id: `${added.id}:opening`, side: 'buy', size: 3, price: 100, tsMs: 1 });
    expect(fold).toMatchObject({ quantity: 2, grossPnl: 6, gapFillId: null });
    expect(fold.trades).toMatchObject([{ entryPrice: 102, realizedGrossPnl: 6, entryOid: null }]);
    expect(foldFills([fill({ side: 'sell', startPosition: -1, price: 50, size: 1 })], options).positions).toMatchObject(
      [{ side: 'short', quantity: -2, entryPrice: 50 }],
    );
  });

  it('adopts nothing in the middle of a history', () => {
    const stray = fill({ side: 'sell', startPosition: 1, size: 1 });
    expect(foldFills([stray], options)).toMatchObject({ quantity: 0, opening: { size: 1 } });
    expect(foldFills([stray], { ...options, fromBeginning: false })).toMatchObject({
      quantity: -1,
      opening: null,
      gapFillId: stray.id,
    });
  });

  it('begins where the chain does, although one of its first fills starts flat', () => {
    const close = fill({ side: 'sell', startPosition: 5, size: 5, tsMs: 1, oid: 2 });
    const reverse = fill({ side: 'sell', startPosition: 0, size: 3, tsMs: 1, oid: 1 });
    expect(foldFills([reverse, close], options)).toMatchObject({ quantity: -3, gapFillId: null, opening: { size: 5 } });
    const out = fill({ startPosition: 0, size: 1, tsMs: 1, oid: 8 });
    const back = fill({ side: 'sell', startPosition: 1, size: 1, tsMs: 1, oid: 7 });
    expect(foldFills([back, out], options)).toMatchObject({ quantity: 0, opening: null });
  });

  it('only sums funding, transfers and their fees', () => {
    const fold = foldFills(
      [
        fill({ kind: 'transfer', closedPnl: 500, size: 0, price: 0, feeUsd: 1 }),
        fill({ size: 1 }),
        fill({ kind: 'funding', closedPnl: -3, size: 0 }),
        fill({ kind: 'funding', closedPnl: 1 }),
        fill({ kind: 'transfer', closedPnl: -100 }),
      ],
      options,
    );
    expect(fold).toMatchObject({ quantity: 1, grossPnl: 0, feesUsd: 1, fundingUsd: -2, transfersUsd: 400 });
  });

  it('says where an entry is missing, and no longer when it has come', () => {
    const [a, b, c] = [fill({ startPosition: 0 }), fill({ startPosition: 1 }), fill({ startPosition: 2 })];
    expect(foldFills([a, c], options).gapFillId).toBe(c.id);
    expect(foldFills([a, c, b], options).gapFillId).toBeNull();
  });

  it.each<[string, () => Fill[]]>([
    ['another symbol', () => [fill(), fill({ symbol: 'ETH' })]],
    ['another model', () => [fill(), fill({ modelId: 'n' })]],
    ['one id for two contents', () => [fill({ id: 'x', price: 1 }), fill({ id: 'x', price: 2 })]],
    ['a size below a lot', () => [fill({ size: 0.0001 })]],
    ['a negative size', () => [fill({ size: -1 })]],
    ['a price of nothing', () => [fill({ price: 0 })]],
    ['a fee that is no number', () => [fill({ feeUsd: Number.NaN })]],
    ['funding that is no number', () => [fill({ kind: 'funding', closedPnl: Number.POSITIVE_INFINITY })]],
  ])('refuses %s', (_name, fills) => {
    expect(() => foldFills(fills(), options)).toThrow(
      expect.objectContaining({ code: 'NOF0_LEDGER_INCONSISTENT', retryable: false }),
    );
  });
});

describe('equity', () => {
  it('adds up as R6 says', () => {
    const totals = { initialUsd: 10_000, grossPnl: 100, feesUsd: 7, fundingUsd: -2, transfersUsd: 50 };
    expect(equityUsd({ ...totals, unrealizedUsd: -30 })).toBe(10_111);
  });

  it('marks signed quantities, and zero is not negative', () => {
    expect(unrealizedPnl(-2, 100, 90)).toBe(20);
    expect(unrealizedPnl(2, 100, 90)).toBe(-20);
    expect(unrealizedPnl(-2, 100, 100)).toBe(0);
  });
});
