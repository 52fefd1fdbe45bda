/** The door to an exchange. Whatever happens behind it, the platform learns it from here alone. */

import type { Fill, Side } from '../domain/fill.ts';
import type { Grouping, MarginMode, TimeInForce } from '../domain/order-rules.ts';

export type { Grouping, MarginMode, TimeInForce } from '../domain/order-rules.ts';

/**
 * An order as a decision leads to it:
 * - `market` takes what is there now or nothing (IOC). Its `limitPrice` is the worst price it accepts, never the one it is filled at.
 * - `limit` names its price and what happens when that is not to be had at once (`tif`).
 * - `stop`, `target` sleep until the mark price touches `triggerPrice`, then take the market.
 * `reduceOnly` shrinks to the position and never flips it.
 */
export type OrderIntent = {
  readonly cloid: string;
  readonly symbol: string;
  readonly side: Side;
  /** Base units, on the instrument's size grid. */
  readonly size: number;
  readonly kind: 'market' | 'limit' | 'stop' | 'target';
  readonly triggerPrice: number | null;
  readonly limitPrice?: number | null;
  /** Of a `limit` order; `Gtc` if absent. */
  readonly tif?: TimeInForce;
  readonly grouping?: Grouping;
  readonly reduceOnly: boolean;
  /** Leverage of the position that the order opens or adds to. */
  readonly leverage: number;
  /** Margin mode of the position that the order opens; what was set for the symbol if absent. */
  readonly marginMode?: MarginMode;
};

/**
 * What became of an order. `error` is in the exchange's words: why it was rejected, or why it was canceled. `resting` covers orders
 * that sleep until a trigger or a parent wakes them.
 */
export type OrderResult = {
  readonly cloid: string;
  readonly status: 'filled' | 'resting' | 'rejected' | 'canceled';
  readonly oid: number | null;
  readonly filledSize: number;
  readonly avgPrice: number | null;
  readonly error: string | null;
};

/** A request ready to leave: stored before it is sent, and only ever sent again byte by byte. */
export type PreparedOrders = {
  readonly account: string;
  readonly nonce: number;
  /** Market ms after which the exchange refuses it; only then does "unknown" mean "never placed". */
  readonly expiresAtMs: number;
  readonly bytes: string;
};

/** An order that stands, named by the exchange's number or by ours. */
export type OrderTarget =
  | { readonly symbol: string; readonly oid: number }
  | { symbol: string; readonly cloid: string };

/** `error` in the exchange's words; null when the order is canceled. Nothing happened to an order that was gone already. */
export type CancelResult = { readonly error: string | null };

export type ExchangePosition = {
  readonly symbol: string;
  /** Signed base units (short < 0). */
  readonly quantity: number;
  readonly entryPrice: number;
  readonly leverage: number;
  readonly markPrice: number;
  readonly marginMode: MarginMode;
  /** Bound by it, USD: the notional over the leverage, or what an isolated position holds. */
  readonly marginUsedUsd: number;
  /** Mark price at which it is liquidated while everything else stays; null when there is none. */
  readonly liquidationPrice: number | null;
};

export type OpenOrder = {
  readonly oid: number;
  /** Null for an order that somebody placed without one. */
  readonly cloid: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly kind: 'limit' | 'stop' | 'target';
  /** What is left to fill; 0 where the position's own size counts. */
  readonly size: number;
  readonly limitPrice: number | null;
  readonly triggerPrice: number | null;
  readonly reduceOnly: boolean;
  /** Sleeps until its parent is filled: it protects nothing yet. */
  readonly waitsForFill: boolean;
};

export type AccountState = {
  readonly equityUsd: number;
  /** Free for new positions. */
  readonly availableUsd: number;
  readonly marginUsedUsd: number;
  /** Below it the cross positions are liquidated. */
  readonly maintenanceMarginUsd: number;
  readonly positions: readonly ExchangePosition[];
  /** Everything that stands: resting limits, stops and targets. */
  readonly openOrders: readonly OpenOrder[];
  /** Newest `seq` of its ledger at this moment; null where the exchange does not count. */
  readonly headSeq: number | null;
  /** Market ms up to which its stops and margins were worked through at this moment; null where that is no business of ours. */
  readonly matchedMs: number | null;
};

export type LeverageSetting = { readonly leverage: number; readonly marginMode: MarginMode };

/** A ledger entry as the exchange tells it; the model is known from the account. */
export type ExchangeFill = Omit<Fill, 'modelId'>;

export interface Exchange {
  readonly provider: string;
  /** Makes sure the account exists; an existing one is left as it is. Accounts are numbered in the order they are opened. */
  openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void>;
  accountState(account: string): Promise<AccountState>;
  /** Whether `accountState` tells how far the ledger goes: then nobody need ask for entries that are not there. */
  readonly tellsHead: boolean;
  /** Pure: the bytes that will be sent. */
  prepare(account: string, orders: readonly OrderIntent[], nonce: number, expiresAtMs: number): PreparedOrders;
  /** Sends the bytes. Sent twice they act once: client order ids see to that. One result an order, in its order. */
  send(prepared: PreparedOrders, nowMs: number, signal: AbortSignal): Promise<OrderResult[]>;
  /** Results of orders by client order id; unknown ones are left out. */
  lookup(account: string, cloids: readonly string[]): Promise<OrderResult[]>;
  /** Cancels what stands. One result a target, in its order; canceled twice is told in `error` and harmless. */
  cancel(account: string, targets: readonly OrderTarget[], nowMs: number, signal: AbortSignal): Promise<CancelResult[]>;
  /** Puts an order into the place of a standing one, or changes nothing. Its client order id makes a second call a no-op. */
  modify(
    account: string,
    target: OrderTarget,
    order: OrderIntent,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<OrderResult>;
  /**
   * Leverage and margin mode of a symbol, for the position it has and those to come. Throws NOF0_EXCHANGE_REJECTED in the exchange's
   * words: more than the instrument allows, another mode under an open position, less than the margin at hand.
   */
  setLeverage(
    account: string,
    symbol: string,
    setting: LeverageSetting,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<void>;
  /** Ledger entries with `seq` above the given one, oldest first. */
  fillsSince(account: string, seq: number): Promise<ExchangeFill[]>;
  /** Newest `seq` of every account that has entries. */
  fillHeads(): Promise<Map<string, number>>;
  /**
   * An exchange whose money is ours to give brings accounts to an amount each, in one commit: each gets what is missing, or gives what is
   * too much, as a transfer. The same `cause` twice acts once. Throws NOF0_MODEL_NOT_FLAT, and does nothing, when one of them has
   * positions or orders. Absent on a real one.
   */
  settle?(accounts: readonly { account: string; usd: number }[], cause: string, nowMs: number): Promise<void>;
  /** An exchange that lives on our own ticks works through those it has not seen. Absent on a real one. */
  match?(signal: AbortSignal): Promise<void>;
  /** Market ms up to which such an exchange has worked through everything that was ingested. Absent on a real one. */
  matchedUntil?(): Promise<number>;
}
