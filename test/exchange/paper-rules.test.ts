import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REFUSALS } from '../../src/domain/order-rules.ts';
import { crossEquity, equity, marginUsed, unrealized } from '../../src/domain/paper-balances.ts';
import type { BookFill, BookOrder } from '../../src/domain/paper-book.ts';
import { gridSize } from '../../src/domain/rounding.ts';
import { testRules } from './paper-books.ts';
import { INITIAL_USD, Machine, type Step, script } from './paper-machine.ts';

const RUNS = 10_000;
const RULES = testRules({ slippageBps: 5, liquidationFeeBps: 20 });
const draws = fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { minLength: 5, maxLength: 40 });

/** What must have happened in the drawn sequences for their checks to say something. */
const REACHED = [
  ...['taker', 'maker', 'flip', 'funding', 'cross', 'isolated', 'liquidation', 'take-over', 'canceled'],
  ...['stop na', 'target na', 'stop normalTpsl', 'target normalTpsl', 'stop positionTpsl', 'target positionTpsl'],
  ...['reduceOnlyCanceled', 'siblingFilledCanceled', 'liquidatedCanceled', 'marginCanceled'],
  REFUSALS.margin,
  REFUSALS.ioc,
  REFUSALS.minNotional,
  REFUSALS.leverageType,
];

/** Cash as it went over the counter, without any average cost: paid, received, and what is still held at the marks. */
function worth(machine: Machine, fills: readonly BookFill[]): number {
  let usd = INITIAL_USD;
  for (const fill of fills) {
    usd -= fill.feeUsd;
    usd += fill.kind === 'funding' ? fill.closedPnl : (fill.side === 'buy' ? -1 : 1) * fill.size * fill.price;
  }
  for (const [symbol, held] of machine.book.positions) usd += held.size * (machine.mark(symbol) ?? 0);
  return usd;
}

function turnover(fills: readonly BookFill[]): number {
  return fills.reduce((sum, fill) => sum + fill.size * fill.price, 1);
}

/** What a check may be true for: everything up to the last bits of the sums. */
function check(holds: boolean, what: string, ...details: unknown[]): void {
  if (!holds) throw new Error(`${what} ${JSON.stringify(details)}`);
}

function checkMoney(machine: Machine): void {
  const { book, mark } = machine;
  const fills = book.newFills;
  const tolerance = 1e-9 * turnover(fills);
  const gross = fills.reduce((sum, fill) => sum + fill.closedPnl - fill.feeUsd, INITIAL_USD);
  let open = 0;
  for (const [symbol, held] of book.positions) open += unrealized(symbol, held, mark);
  check(Math.abs(equity(book, mark) - worth(machine, fills)) <= tolerance, 'equity is what was paid and received');
  check(Math.abs(equity(book, mark) - gross - open) <= tolerance, 'equity is initial + gross − fees + funding');
}

function checkMargin(machine: Machine): void {
  const { book, mark } = machine;
  check(crossEquity(book, mark) >= book.crossMaintenance(mark), 'cross margin is kept');
  for (const [symbol, held] of book.positions) {
    if (held.marginMode === 'cross') continue;
    check(marginUsed(symbol, held, mark) >= book.maintenance(symbol, held, mark), 'isolated margin is kept');
  }
}

/** Fills since the step before, against the orders they belong to. */
function checkFills(machine: Machine, from: number, step: Step): void {
  const fills = machine.book.newFills;
  for (const fill of fills.slice(from)) {
    if (fill.kind === 'funding') continue;
    const order = fill.oid === null ? undefined : machine.placed.get(fill.oid);
    check(order !== undefined || fill.liquidation, 'a fill has an order');
    if (order === undefined) continue;
    checkPrice(order, fill, step, machine);
    const all = fills.filter((each) => each.oid === fill.oid);
    const sum = all.reduce((total, each) => total + each.size, 0);
    check(sum <= order.size + 1e-9, 'no order is filled twice', order, all);
    if (!order.reduceOnly) continue;
    const after = fill.startPosition + (fill.side === 'buy' ? fill.size : -fill.size);
    check(fill.startPosition * after >= -1e-9, 'a reduce-only order never flips', order, fill);
    check(Math.abs(after) < Math.abs(fill.startPosition), 'a reduce-only order reduces', order, fill);
  }
}

function checkPrice(order: BookOrder, fill: BookFill, step: Step, machine: Machine): void {
  const buys = order.side === 'buy';
  if (order.limitPrice !== null && order.tif !== null) {
    check(buys ? fill.price <= order.limitPrice : fill.price >= order.limitPrice, 'never worse than the limit');
    if (!fill.crossed) check(fill.price === order.limitPrice, 'a maker is filled at his limit, never better');
  }
  if (fill.crossed && step.kind === 'place') {
    const mark = machine.mark(order.symbol) ?? 0;
    check(buys ? fill.price >= mark : fill.price <= mark, 'a taker never gets better than the mark', fill, mark);
  }
  if (order.tpsl !== null && order.triggerPrice !== null)
    check(
      buys ? fill.price >= order.triggerPrice : fill.price <= order.triggerPrice,
      'a trigger is not a better price',
    );
}

function checkOrders(machine: Machine): void {
  const { book } = machine;
  for (const order of book.orders.values()) {
    if (order.status === 'resting' && order.reduceOnly)
      check(book.closable(order.symbol, order.side) > 0, 'what only reduces has something to reduce', order);
    if (order.status !== 'waiting') continue;
    const parent = machine.placed.get(order.parentOid ?? 0);
    check(parent?.status === 'resting', 'what waits has a parent that stands', order, parent);
  }
  for (const [symbol, held] of book.positions) {
    check(held.size !== 0 && held.size === gridSize(held.size, 3), 'positions are on their grid', symbol, held);
    check(held.marginMode === 'isolated' || held.marginUsd === 0, 'a cross position holds nothing of its own');
  }
}

/** What the drawn sequences got to, so that the checks are not passed by sequences in which nothing happens. */
function tell(seen: Map<string, number>, machine: Machine): void {
  const saw = (what: string, times = 1) => seen.set(what, (seen.get(what) ?? 0) + times);
  for (const fill of machine.book.newFills) {
    const after = fill.startPosition + (fill.side === 'buy' ? fill.size : -fill.size);
    if (fill.kind === 'funding') saw('funding');
    else if (fill.liquidation)
      saw(fill.feeUsd === 0 || fill.size * fill.price * 0.003 < fill.feeUsd ? 'take-over' : 'liquidation');
    else saw(fill.crossed ? 'taker' : 'maker');
    if (fill.kind === 'trade' && fill.startPosition * after < 0) saw('flip');
  }
  for (const order of machine.placed.values()) {
    if (order.error !== null) saw(order.error.replace(/ [\d.]+@[\d.]+/, ''));
    if (order.tpsl !== null && order.status === 'filled') saw(`${order.tpsl} ${order.grouping}`);
  }
  for (const held of machine.book.positions.values()) saw(held.marginMode);
}

/** Runs a drawn sequence; every check holds after every step. */
function checked(drawn: readonly number[]): Machine {
  const machine = new Machine(RULES);
  for (const step of script(drawn)) {
    const from = machine.book.newFills.length;
    machine.apply(step);
    checkMoney(machine);
    checkMargin(machine);
    checkFills(machine, from, step);
    checkOrders(machine);
  }
  return machine;
}

describe('whatever is ordered and however the market moves', () => {
  it('money, margins, prices and sizes stay right after every step', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(draws, (drawn) => tell(seen, checked(drawn))),
      { numRuns: RUNS },
    );
    // The sequences do get to where it hurts.
    for (const what of REACHED) expect([what, (seen.get(what) ?? 0) > 20]).toEqual([what, true]);
  }, 60_000);

  it('a position that one tick makes larger and unbearable is liquidated before the stop behind it is met', () => {
    const { book } = checked([1524931595, 2075344410, 0, 0, 0, 1983280944, 1620861453]);
    const last = book.newFills.slice(-2);
    expect(last).toEqual([
      expect.objectContaining({ symbol: 'ETH', side: 'buy', price: 49, size: 465.1, startPosition: 139.8 }),
      expect.objectContaining({ symbol: 'ETH', side: 'sell', size: 604.9, liquidation: true }),
    ]);
    expect(last.map((fill) => fill.tsMs)).toEqual([2884, 2884]);
    expect(book.cashUsd).toBeGreaterThanOrEqual(0);
    expect([...book.positions.keys()]).toEqual(['BTC']);
  });

  it('an isolated position that flips binds no more than closing the old one left in the cash', () => {
    const { book } = checked([
      ...[1099690736, 2102103344, 508281106, 1466812498, 1552187569, 1967139028, 1823921476, 410526804, 1717464390],
      ...[807122084, 1070528323, 57820705],
    ]);
    expect(book.newFills.at(-1)).toMatchObject({ symbol: 'SOL', size: 7854, startPosition: 5815, liquidation: false });
    expect(book.cashUsd).toBe(0);
    expect(book.positions.get('SOL')).toMatchObject({ size: -2039, marginMode: 'isolated' });
  });

  it('late funding on what an isolated position no longer is comes out of the cash, not out of its margin', () => {
    const { book } = checked([
      ...[521835761, 256063594, 701813308, 710294382, 856242441, 917699245, 184328440, 2140009172, 551065587],
      ...[1121033235, 1700501233, 75312217, 381666366, 146170208],
    ]);
    const funding = book.newFills.filter((fill) => fill.kind === 'funding').at(-1);
    expect(funding).toMatchObject({ symbol: 'SOL', startPosition: -1299, closedPnl: -93.834564 });
    expect(book.newFills.filter((fill) => fill.feeUsd < 0)).toEqual([]);
    expect(book.positions.get('SOL')).toMatchObject({ size: -38, marginMode: 'isolated' });
  });

  it.each([5, 100, 500])(
    'an account never owes anything, also where a close costs %i basis points',
    (slippageBps) => {
      fc.assert(
        fc.property(draws, (drawn) => {
          const machine = new Machine({ ...RULES, slippageBps });
          for (const step of script(drawn)) {
            machine.apply(step);
            checkMoney(machine);
            checkMargin(machine);
            check(equity(machine.book, machine.mark) >= -1e-6, 'equity is not below zero');
          }
        }),
        { numRuns: RUNS },
      );
    },
    60_000,
  );

  it('it makes no difference how the events are cut into batches, or when the books are written and read again', () => {
    fc.assert(
      fc.property(draws, fc.infiniteStream(fc.boolean()), (drawn, cuts) => {
        const steps = script(drawn);
        const whole = new Machine(RULES);
        const cut = new Machine(RULES);
        const fills: BookFill[] = [];
        for (const step of steps) {
          whole.apply(step);
          for (const part of step.kind === 'ticks'
            ? step.events.map((event) => ({ kind: 'ticks' as const, events: [event] }))
            : [step]) {
            cut.apply(part);
            if (!cuts.next().value) continue;
            fills.push(...cut.book.newFills);
            cut.reload();
          }
        }
        fills.push(...cut.book.newFills);
        expect(fills).toEqual(whole.book.newFills);
        expect(cut.book.row()).toEqual(whole.book.row());
        expect([...cut.book.positions].sort()).toEqual([...whole.book.positions].sort());
        expect(cut.standing()).toEqual(whole.standing());
      }),
      { numRuns: RUNS },
    );
  }, 60_000);

  it('a request sent again changes nothing and gets the same answer', () => {
    fc.assert(
      fc.property(draws, (drawn) => {
        const machine = new Machine(RULES);
        for (const step of script(drawn)) {
          machine.apply(step);
          if (step.kind !== 'place') continue;
          const before = JSON.stringify([machine.book.row(), [...machine.book.positions], [...machine.book.orders]]);
          const again = machine.place(step.orders, step.nowMs + 1);
          expect(JSON.stringify([machine.book.row(), [...machine.book.positions], [...machine.book.orders]])).toBe(
            before,
          );
          for (const order of again) expect(machine.placed.get(order.oid)).toBe(order);
        }
      }),
      { numRuns: RUNS },
    );
  }, 60_000);
});
