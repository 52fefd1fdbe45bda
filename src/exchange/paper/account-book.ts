/** One account of the paper exchange while its row is locked: pure bookkeeping, no I/O. */

import type { Side } from '../../domain/fill.ts';
import { gridSize, roundPrice } from '../../domain/rounding.ts';

export type PaperFees = { readonly takerFeeBps: number; readonly slippageBps: number };

export type BookPosition = { size: number; entryPrice: number; leverage: number };

export type BookFill = {
  readonly seq: number;
  readonly oid: number | null;
  readonly cloid: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly price: number;
  readonly size: number;
  readonly startPosition: number;
  readonly feeUsd: number;
  readonly closedPnl: number;
  readonly kind: 'trade' | 'funding';
  readonly tsMs: number;
};

export type Execution = {
  readonly oid: number;
  readonly cloid: string;
  readonly symbol: string;
  readonly side: Side;
  readonly size: number;
  readonly price: number;
  readonly leverage: number;
  readonly tsMs: number;
};

/** Order numbers begin with the account's number, so that they are unique and yet do not depend on what others do. */
const OID_RANGE = 1_000_000_000;

export class AccountBook {
  readonly account: string;
  readonly no: number;
  cashUsd: number;
  nextOid: number;
  nextSeq: number;
  turnover: number;
  readonly positions: Map<string, BookPosition>;
  readonly newFills: BookFill[] = [];
  readonly #sizeDecimals: (symbol: string) => number;
  readonly #takerFee: number;

  constructor(
    row: { account: string; no: number; cashUsd: number; nextOid: number; nextSeq: number; turnover: number },
    positions: Map<string, BookPosition>,
    sizeDecimals: (symbol: string) => number,
    fees: PaperFees,
  ) {
    this.account = row.account;
    this.no = row.no;
    this.cashUsd = row.cashUsd;
    this.nextOid = row.nextOid;
    this.nextSeq = row.nextSeq;
    this.turnover = row.turnover;
    this.positions = positions;
    this.#sizeDecimals = sizeDecimals;
    this.#takerFee = fees.takerFeeBps / 10_000;
  }

  takeOid(): number {
    return this.no * OID_RANGE + this.nextOid++;
  }

  /** Signed size held. */
  size(symbol: string): number {
    return this.positions.get(symbol)?.size ?? 0;
  }

  /** Equity at the marks, USD. */
  equity(mark: (symbol: string) => number | undefined): number {
    let equity = this.cashUsd;
    for (const [symbol, position] of this.positions)
      equity += position.size * ((mark(symbol) ?? position.entryPrice) - position.entryPrice);
    return equity;
  }

  /** Initial margin bound by all positions, USD. */
  marginUsed(mark: (symbol: string) => number | undefined): number {
    let margin = 0;
    for (const [symbol, position] of this.positions)
      margin += (Math.abs(position.size) * (mark(symbol) ?? position.entryPrice)) / position.leverage;
    return margin;
  }

  /** How much of an order would add to the position (the rest closes). */
  increase(symbol: string, side: Side, size: number): number {
    const held = this.size(symbol);
    const signed = side === 'buy' ? size : -size;
    return held * signed >= 0 ? size : Math.max(0, size - Math.abs(held));
  }

  /** Executes against the market: moves cash and position, writes the fill. Gross profit is realised at average cost. */
  execute(order: Execution): void {
    const decimals = this.#sizeDecimals(order.symbol);
    const held = this.positions.get(order.symbol) ?? { size: 0, entryPrice: 0, leverage: order.leverage };
    const signed = order.side === 'buy' ? order.size : -order.size;
    const closing = held.size * signed < 0 ? Math.min(Math.abs(held.size), order.size) : 0;
    const closedPnl = closing * Math.sign(held.size) * (order.price - held.entryPrice);
    const feeUsd = order.size * order.price * this.#takerFee;
    this.cashUsd += closedPnl - feeUsd;
    this.turnover += order.size * order.price;
    this.newFills.push({
      seq: this.nextSeq++,
      oid: order.oid,
      cloid: order.cloid,
      symbol: order.symbol,
      side: order.side,
      price: order.price,
      size: order.size,
      startPosition: held.size,
      feeUsd,
      closedPnl,
      kind: 'trade',
      tsMs: order.tsMs,
    });
    this.#move(order, held, gridSize(held.size + signed, decimals), closing);
  }

  /** Pays or receives funding on what is held: −size × oracle price × rate. */
  fund(symbol: string, rate: number, oraclePrice: number, tsMs: number): void {
    const held = this.size(symbol);
    if (held === 0 || rate === 0) return;
    const received = -held * oraclePrice * rate;
    this.cashUsd += received;
    this.newFills.push({
      seq: this.nextSeq++,
      oid: null,
      cloid: null,
      symbol,
      side: held > 0 ? 'buy' : 'sell',
      price: oraclePrice,
      size: Math.abs(held),
      startPosition: held,
      feeUsd: 0,
      closedPnl: received,
      kind: 'funding',
      tsMs,
    });
  }

  #move(order: Execution, held: BookPosition, size: number, closing: number): void {
    if (size === 0) {
      this.positions.delete(order.symbol);
      return;
    }
    const flipped = size * held.size < 0;
    if (closing > 0 && !flipped) {
      this.positions.set(order.symbol, { ...held, size });
      return;
    }
    const entryPrice =
      held.size === 0 || flipped
        ? order.price
        : (held.size * held.entryPrice + (size - held.size) * order.price) / size;
    this.positions.set(order.symbol, { size, entryPrice, leverage: order.leverage });
  }
}

/** What a taker pays: the mark, moved against him by the slippage and rounded to a valid price. */
export function takerPrice(mark: number, side: Side, slippageBps: number, sizeDecimals: number): number {
  const moved = mark * (1 + ((side === 'buy' ? 1 : -1) * slippageBps) / 10_000);
  return roundPrice(moved, sizeDecimals, side);
}

/**
 * Whether a resting order is touched by a price, and at which price it then meets the market. A stop meets the worse of its trigger
 * and the price that touched it (the market may have jumped); a target is never filled better than its trigger.
 */
export function triggered(
  order: { side: Side; tpsl: 'stop' | 'target'; triggerPrice: number },
  price: number,
): number | null {
  const sells = order.side === 'sell';
  if (order.tpsl === 'stop') {
    const touched = sells ? price <= order.triggerPrice : price >= order.triggerPrice;
    return touched ? (sells ? Math.min(price, order.triggerPrice) : Math.max(price, order.triggerPrice)) : null;
  }
  const touched = sells ? price >= order.triggerPrice : price <= order.triggerPrice;
  return touched ? order.triggerPrice : null;
}

/** What the touched books write back. */
export function bookChange<Order>(touched: readonly AccountBook[], orders: readonly Order[]) {
  return {
    accounts: touched.map((b) => ({
      account: b.account,
      no: b.no,
      cashUsd: b.cashUsd,
      nextOid: b.nextOid,
      nextSeq: b.nextSeq,
      turnover: b.turnover,
    })),
    positions: touched.flatMap((b) => [...b.positions].map(([symbol, p]) => ({ account: b.account, symbol, ...p }))),
    orders,
    fills: touched.flatMap((b) => b.newFills.map((fill) => ({ account: b.account, ...fill }))),
  };
}
