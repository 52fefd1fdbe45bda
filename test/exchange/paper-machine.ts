/** A paper exchange in memory: the pure rules with nothing around them, driven by numbers that a generator draws. */

import type { BookOrder, MarketEvent, PastMove } from '../../src/domain/paper-book.ts';
import type { OrderIntent } from '../../src/exchange/exchange.ts';
import { AccountBook } from '../../src/exchange/paper/account-book.ts';
import { liquidate } from '../../src/exchange/paper/liquidation.ts';
import { applyEvent, type MarkBoard, marksOf } from '../../src/exchange/paper/matching.ts';
import type { PaperRules } from '../../src/exchange/paper/paper-rules.ts';
import { cancelOrder, placeOrders } from '../../src/exchange/paper/placement.ts';
import { changeLeverage } from '../../src/exchange/paper/set-leverage.ts';
import { emptyRow } from './paper-books.ts';

export const INITIAL_USD = 10_000;
const SYMBOLS = ['BTC', 'ETH', 'SOL'] as const;
const START: Record<(typeof SYMBOLS)[number], number> = { BTC: 100, ETH: 50, SOL: 20 };

export type Step =
  | { readonly kind: 'ticks'; readonly events: readonly MarketEvent[] }
  | { readonly kind: 'place'; readonly orders: readonly OrderIntent[]; readonly nowMs: number }
  | { readonly kind: 'cancel'; readonly nth: number }
  | { readonly kind: 'leverage'; readonly symbol: string; readonly leverage: number; readonly isolated: boolean };

/** Turns drawn numbers into steps: every number is a step, its digits say which. */
export function script(draws: readonly number[]): Step[] {
  const prices: Record<string, number> = { ...START };
  let seq = SYMBOLS.length;
  let nowMs = 1000;
  let orders = 0;
  return draws.map((draw) => {
    const digit = digits(draw);
    nowMs += 1 + digit(500);
    const kind = digit(10);
    const symbol = SYMBOLS[digit(3)] ?? 'BTC';
    if (kind < 5) {
      const events: MarketEvent[] = [];
      for (let left = 1 + digit(3); left > 0; left -= 1) {
        seq += 1;
        nowMs += 1;
        if (digit(8) === 0) {
          // Some prints come late: they are due at a moment that has passed.
          const tsMs = digit(3) === 0 ? Math.max(1, nowMs - digit(2000)) : nowMs;
          const rate = (digit(9) - 4) / 500;
          events.push({ kind: 'funding', seq, symbol, tsMs, price: prices[symbol] ?? 1, rate });
        } else {
          prices[symbol] = move(prices[symbol] ?? 1, digit);
          events.push({ kind: 'tick', seq, symbol, tsMs: nowMs, price: prices[symbol] ?? 1, rate: 0 });
        }
      }
      return { kind: 'ticks', events };
    }
    if (kind < 8) {
      orders += 1;
      const bundle = order(digit, symbol, prices[symbol] ?? 1, `c${orders}`);
      return { kind: 'place', orders: bundle, nowMs };
    }
    if (kind === 8) return { kind: 'cancel', nth: digit(6) };
    return { kind: 'leverage', symbol, leverage: 1 + digit(20), isolated: digit(2) === 0 };
  });
}

/** Mostly small moves, sometimes a jump that no stop survives. */
function move(price: number, digit: (base: number) => number): number {
  const size = [0.001, 0.01, 0.03, 0.3][digit(4)] ?? 0;
  const moved = price * (1 + (digit(2) === 0 ? size : -size) * ((1 + digit(10)) / 10));
  return Math.max(0.5, Number(moved.toPrecision(5)));
}

function order(digit: (base: number) => number, symbol: string, price: number, cloid: string): OrderIntent[] {
  const side = digit(2) === 0 ? ('buy' as const) : ('sell' as const);
  const other = side === 'buy' ? ('sell' as const) : ('buy' as const);
  const away = (share: number) => Number((price * share).toPrecision(5));
  const size = (1 + digit([40, 400, 8000][digit(3)] ?? 1)) / (symbol === 'SOL' ? 1 : 10);
  const leverage = 1 + digit(20);
  const common = { cloid, symbol, side, size, leverage, triggerPrice: null, reduceOnly: digit(5) === 0 };
  const kind = digit(4);
  const entry: OrderIntent =
    kind < 2
      ? { ...common, kind: 'market' }
      : {
          ...common,
          kind: 'limit',
          limitPrice: away(0.98 + digit(5) / 100),
          tif: (['Gtc', 'Ioc', 'Alo'] as const)[digit(3)] ?? 'Gtc',
        };
  const marginMode = (['cross', 'isolated', undefined] as const)[digit(3)];
  const first = marginMode === undefined ? entry : { ...entry, marginMode };
  if (digit(2) === 0) return [first];
  const grouping = (['na', 'normalTpsl', 'positionTpsl'] as const)[digit(3)] ?? 'na';
  const away2 = 1 + digit(6);
  const sign = side === 'buy' ? 1 : -1;
  const exit = { ...common, side: other, grouping, reduceOnly: true };
  return [
    first,
    { ...exit, cloid: `${cloid}s`, kind: 'stop', triggerPrice: away(1 - (sign * away2) / 100) },
    { ...exit, cloid: `${cloid}t`, kind: 'target', triggerPrice: away(1 + (sign * away2) / 50) },
  ];
}

/** Cuts a number into digits of changing bases; the same number always gives the same ones. */
function digits(draw: number): (base: number) => number {
  let state = (draw ^ 0x9e3779b9) >>> 0;
  return (base) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39) >>> 0;
    return Math.floor((((state ^ (state >>> 12)) >>> 0) / 2 ** 32) * base);
  };
}

export class Machine {
  book: AccountBook;
  readonly board: MarkBoard = new Map();
  readonly rules: PaperRules;
  /** Everything that was ever placed, also what ended long ago. */
  readonly placed = new Map<number, BookOrder>();
  /** Executions of books that were read back since. */
  past: PastMove[] = [];
  #seq: number = SYMBOLS.length;

  constructor(rules: PaperRules) {
    this.rules = rules;
    this.book = new AccountBook(emptyRow({ cashUsd: INITIAL_USD }), new Map(), [], rules);
    SYMBOLS.forEach((symbol, index) => {
      this.board.set(symbol, { price: START[symbol], tsMs: 1, seq: index + 1 });
    });
  }

  get mark() {
    return marksOf(this.board);
  }

  apply(step: Step): void {
    if (step.kind === 'ticks') for (const event of step.events) this.event(event);
    else if (step.kind === 'place') this.place(step.orders, step.nowMs);
    else if (step.kind === 'cancel') cancelOrder(this.book, this.standing()[step.nth]);
    else {
      const marginMode = step.isolated ? 'isolated' : 'cross';
      changeLeverage(this.book, step.symbol, { leverage: step.leverage, marginMode }, this.mark);
    }
  }

  event(event: MarketEvent): void {
    this.#seq = event.seq;
    applyEvent(event, this.board, [this.book]);
  }

  place(orders: readonly OrderIntent[], nowMs: number): BookOrder[] {
    const known = new Map([...this.placed.values()].map((each) => [each.cloid, each]));
    const market = { mark: this.mark, book: () => null, seq: this.#seq, nowMs };
    const results = placeOrders(this.book, orders, market, known);
    for (const each of results) if (each.oid !== 0) this.placed.set(each.oid, each);
    liquidate(this.book, this.mark, nowMs);
    return results;
  }

  /** The account as it would be read back: through JSON, without what has ended. */
  reload(): void {
    const { book } = this;
    const rows = JSON.parse(JSON.stringify([book.row(), [...book.positions], this.standing()])) as [
      ReturnType<AccountBook['row']>,
      [string, never][],
      BookOrder[],
    ];
    const past = book.newFills
      .filter((fill) => fill.kind === 'trade')
      .map(({ symbol, tsMs, side, size }) => ({ symbol, tsMs, signedSize: side === 'buy' ? size : -size }));
    this.book = new AccountBook(rows[0], new Map(rows[1]), rows[2], this.rules, [...this.past, ...past]);
    this.past = [...this.past, ...past];
  }

  standing(): BookOrder[] {
    return [...this.book.orders.values()].filter(({ status }) => status === 'resting' || status === 'waiting');
  }
}
