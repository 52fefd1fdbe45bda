/** The door to an exchange. Whatever happens behind it, the platform learns it from here alone. */

import type { Fill, Side } from '../domain/fill.ts';

/**
 * An order as a decision leads to it. `market` takes what is there now or nothing (IOC); `stop` and `target` rest until the mark
 * price touches the trigger, reduce the position and never flip it.
 */
export type OrderIntent = {
  readonly cloid: string;
  readonly symbol: string;
  readonly side: Side;
  /** Base units, on the instrument's size grid. */
  readonly size: number;
  readonly kind: 'market' | 'stop' | 'target';
  readonly triggerPrice: number | null;
  readonly reduceOnly: boolean;
  readonly leverage: number;
};

/** What became of an order. `error` is in the exchange's words. */
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

export type ExchangePosition = {
  readonly symbol: string;
  readonly quantity: number;
  readonly entryPrice: number;
  readonly leverage: number;
  readonly markPrice: number;
};

export type AccountState = {
  readonly equityUsd: number;
  readonly availableUsd: number;
  readonly marginUsedUsd: number;
  readonly positions: readonly ExchangePosition[];
  /** Resting stops and targets. */
  readonly openOrders: readonly {
    readonly oid: number;
    readonly cloid: string;
    readonly symbol: string;
    readonly kind: 'stop' | 'target';
    readonly triggerPrice: number;
  }[];
};

/** A ledger entry as the exchange tells it; the model is known from the account. */
export type ExchangeFill = Omit<Fill, 'modelId'>;

export interface Exchange {
  readonly provider: string;
  /** Makes sure the account exists; an existing one is left as it is. Accounts are numbered in the order they are opened. */
  openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void>;
  accountState(account: string): Promise<AccountState>;
  /** Pure: the bytes that will be sent. */
  prepare(account: string, orders: readonly OrderIntent[], nonce: number, expiresAtMs: number): PreparedOrders;
  /** Sends the bytes. Sent twice they act once: client order ids see to that. One result an order, in its order. */
  send(prepared: PreparedOrders, nowMs: number, signal: AbortSignal): Promise<OrderResult[]>;
  /** Results of orders by client order id; unknown ones are left out. */
  lookup(account: string, cloids: readonly string[]): Promise<OrderResult[]>;
  /** Ledger entries with `seq` above the given one, oldest first. */
  fillsSince(account: string, seq: number): Promise<ExchangeFill[]>;
  /** Newest `seq` of every account that has entries. */
  fillHeads(): Promise<Map<string, number>>;
  /** An exchange that lives on our own ticks works through those it has not seen. Absent on a real one. */
  match?(signal: AbortSignal): Promise<void>;
}
