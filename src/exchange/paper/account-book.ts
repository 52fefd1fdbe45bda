/** One account of the paper exchange while its row is locked: pure bookkeeping, no I/O. */

import { addVolume, type DailyVolumes, feeTierAt, feeUsd, volumeBefore } from '../../domain/fees.ts';
import type { Side } from '../../domain/fill.ts';
import { maintenanceMargin } from '../../domain/margin.ts';
import type { MarginMode } from '../../domain/order-rules.ts';
import { available, type Marks, notional } from '../../domain/paper-balances.ts';
import type {
  AccountRow,
  BookFill,
  BookOrder,
  BookPosition,
  LeverageSetting,
  PastMove,
} from '../../domain/paper-book.ts';
import { gridSize } from '../../domain/rounding.ts';
import type { PaperRules, Terms } from './paper-rules.ts';
import type { PriceGrid } from './prices.ts';
import { cancelReduceOnly } from './standing-orders.ts';

export type Execution = {
  readonly oid: number;
  readonly cloid: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly size: number;
  readonly price: number;
  readonly crossed: boolean;
  readonly liquidation: boolean;
  /** Leverage and mode of what it opens. */
  readonly setting: LeverageSetting;
  readonly tsMs: number;
  /** Marks at its moment: what it opens can bind no more than they leave free. */
  readonly mark: Marks;
  /** What it costs instead of the account's rate: a liquidation takes what is left, and no more. */
  readonly feeUsd?: number;
};

/** Order numbers begin with the account's number, so that they are unique and yet do not depend on what others do. */
const OID_RANGE = 1_000_000_000;
const FLAT: BookPosition = { size: 0, entryPrice: 0, leverage: 1, marginMode: 'cross', marginUsd: 0 };

export class AccountBook {
  readonly account: string;
  readonly no: number;
  cashUsd: number;
  nextOid: number;
  nextSeq: number;
  turnover: number;
  volumes: DailyVolumes;
  settings: Record<string, LeverageSetting>;
  readonly positions: Map<string, BookPosition>;
  /** Orders that stand, by number; those that were placed or ended here stay until the book is written. */
  readonly orders: Map<number, BookOrder>;
  readonly changedOrders = new Set<BookOrder>();
  readonly newFills: BookFill[] = [];
  readonly #past: readonly PastMove[];
  readonly #rules: PaperRules;
  #touched = false;

  constructor(
    row: AccountRow,
    positions: ReadonlyMap<string, BookPosition>,
    orders: readonly BookOrder[],
    rules: PaperRules,
    past: readonly PastMove[] = [],
  ) {
    this.account = row.account;
    this.no = row.no;
    this.cashUsd = row.cashUsd;
    this.nextOid = row.nextOid;
    this.nextSeq = row.nextSeq;
    this.turnover = row.turnover;
    this.volumes = row.volumes;
    this.settings = { ...row.settings };
    this.positions = new Map(positions);
    this.orders = new Map(orders.map((order) => [order.oid, { ...order }]));
    this.#rules = rules;
    this.#past = past;
  }

  /** Whether there is anything to write. */
  get touched(): boolean {
    return this.#touched || this.newFills.length > 0 || this.changedOrders.size > 0;
  }

  touch(): void {
    this.#touched = true;
  }

  row(): AccountRow {
    const { account, no, cashUsd, nextOid, nextSeq, turnover, volumes, settings } = this;
    return { account, no, cashUsd, nextOid, nextSeq, turnover, volumes, settings };
  }

  takeOid(): number {
    return this.no * OID_RANGE + this.nextOid++;
  }

  terms(symbol: string): Terms | undefined {
    return this.#rules.termsOf(symbol);
  }

  /** How a symbol is quoted. */
  gridOf(symbol: string): PriceGrid {
    return this.terms(symbol) ?? { sizeDecimals: 0, tickSize: null };
  }

  /** Signed size held. */
  size(symbol: string): number {
    return this.positions.get(symbol)?.size ?? 0;
  }

  /** Signed size held just before a moment: what is held now without everything that was executed at it or later. */
  sizeBefore(symbol: string, tsMs: number): number {
    let size = this.size(symbol);
    for (const move of this.#past) if (move.symbol === symbol && move.tsMs >= tsMs) size -= move.signedSize;
    for (const fill of this.newFills)
      if (fill.kind === 'trade' && fill.symbol === symbol && fill.tsMs >= tsMs) size -= signedSize(fill);
    return gridSize(size, this.terms(symbol)?.sizeDecimals ?? 8);
  }

  /** How much of what is held an order of this side would close. */
  closable(symbol: string, side: Side): number {
    const held = this.size(symbol);
    return (side === 'sell' ? held : -held) > 0 ? Math.abs(held) : 0;
  }

  /** How much of an order would add to the position (the rest closes). */
  increase(symbol: string, side: Side, size: number): number {
    return Math.max(0, size - this.closable(symbol, side));
  }

  /** Below it the cross positions are liquidated, USD. */
  crossMaintenance(mark: Marks): number {
    let margin = 0;
    for (const [symbol, held] of this.positions)
      if (held.marginMode === 'cross') margin += this.maintenance(symbol, held, mark);
    return margin;
  }

  maintenance(symbol: string, held: BookPosition, mark: Marks): number {
    return maintenanceMargin(
      this.terms(symbol)?.tiers ?? [{ fromUsd: 0, maxLeverage: 1 }],
      notional(symbol, held, mark),
    );
  }

  /** Mode of the position, else what was set, else what the instrument allows. */
  marginModeOf(symbol: string): MarginMode {
    const known = this.positions.get(symbol)?.marginMode ?? this.settings[symbol]?.marginMode;
    return known ?? (this.terms(symbol)?.onlyIsolated ? 'isolated' : 'cross');
  }

  /** Rate of an execution now, basis points: by the volume of the days before. */
  feeBps(crossed: boolean, tsMs: number): number {
    const tier = feeTierAt(this.#rules.feeTiers, volumeBefore(this.volumes, tsMs));
    return crossed ? tier.takerFeeBps : tier.makerFeeBps;
  }

  get rules(): PaperRules {
    return this.#rules;
  }

  /** Executes: moves cash, margin and position, writes the fill. Gross profit is realised at average cost. */
  execute(order: Execution): void {
    const held = this.positions.get(order.symbol) ?? { ...FLAT, ...order.setting };
    const signed = signedSize(order);
    const notional = order.size * order.price;
    const closing = held.size * signed < 0 ? Math.min(Math.abs(held.size), order.size) : 0;
    const closedPnl = closing * Math.sign(held.size) * (order.price - held.entryPrice);
    const fee = order.feeUsd ?? feeUsd(notional, this.feeBps(order.crossed, order.tsMs));
    const fill: BookFill = {
      seq: this.nextSeq++,
      oid: order.oid,
      cloid: order.cloid,
      symbol: order.symbol,
      side: order.side,
      price: order.price,
      size: order.size,
      startPosition: held.size,
      feeUsd: fee,
      closedPnl,
      crossed: order.crossed,
      liquidation: order.liquidation,
      kind: 'trade',
      tsMs: order.tsMs,
    };
    this.turnover += notional;
    this.volumes = addVolume(this.volumes, order.tsMs, notional);
    const openingFee = closing === 0 ? fee : (fee * (order.size - closing)) / order.size;
    const left = this.#close(order, held, closing, closedPnl - (fee - openingFee));
    this.#open(order, left, gridSize(order.size - closing, this.#decimals(order.symbol)), openingFee);
    this.newFills.push({ ...fill, feeUsd: fee - this.#waive() });
    cancelReduceOnly(this, order.symbol);
  }

  /**
   * An account never owes anything. While it has cross positions their liquidation sees to that; without one, what an exit cost beyond
   * the cash is the exchange's, which gives it back in the fee of the fill.
   */
  #waive(): number {
    if (this.cashUsd >= 0) return 0;
    for (const held of this.positions.values()) if (held.marginMode === 'cross') return 0;
    const debtUsd = -this.cashUsd;
    this.cashUsd = 0;
    return debtUsd;
  }

  /** Closes part of a position: an isolated one gives back its share of the margin. Returns what is left of it. */
  #close(order: Execution, held: BookPosition, closing: number, cashUsd: number): BookPosition {
    if (closing === 0) return held;
    const size = gridSize(held.size + Math.sign(-held.size) * closing, this.#decimals(order.symbol));
    const released = size === 0 ? held.marginUsd : (held.marginUsd * closing) / Math.abs(held.size);
    this.cashUsd += released + cashUsd;
    const left = { ...held, size, marginUsd: held.marginUsd - released };
    if (size === 0) this.positions.delete(order.symbol);
    else this.positions.set(order.symbol, left);
    return size === 0 ? { ...FLAT, ...order.setting } : left;
  }

  /**
   * Opens or adds; the leverage of the newest order holds for the whole position. An isolated one takes its margin out of the cash, as
   * far as it is free: what the same order closed may have brought less than it was worth at the mark.
   */
  #open(order: Execution, held: BookPosition, opening: number, fee: number): void {
    if (opening === 0) return;
    const size = gridSize(held.size + Math.sign(signedSize(order)) * opening, this.#decimals(order.symbol));
    const before = Math.abs(held.size);
    const entryPrice =
      before === 0 ? order.price : (before * held.entryPrice + opening * order.price) / (before + opening);
    const marginMode = held.size === 0 ? order.setting.marginMode : held.marginMode;
    const wanted = (opening * order.price) / order.setting.leverage;
    const moved = marginMode === 'isolated' ? Math.max(0, Math.min(wanted, available(this, order.mark))) : 0;
    this.cashUsd -= marginMode === 'isolated' ? moved : fee;
    const marginUsd = marginMode === 'isolated' ? held.marginUsd + moved - fee : 0;
    this.positions.set(order.symbol, { size, entryPrice, leverage: order.setting.leverage, marginMode, marginUsd });
  }

  #decimals(symbol: string): number {
    return this.terms(symbol)?.sizeDecimals ?? 8;
  }
}

export function signedSize(move: { readonly side: Side; readonly size: number }): number {
  return move.side === 'buy' ? move.size : -move.size;
}
