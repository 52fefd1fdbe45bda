/** What the books of the paper exchange are made of. */

import type { DailyVolumes } from './fees.ts';
import type { Side } from './fill.ts';
import type { Grouping, MarginMode, TimeInForce } from './order-rules.ts';

export type LeverageSetting = { readonly leverage: number; readonly marginMode: MarginMode };

export type AccountRow = {
  readonly account: string;
  readonly no: number;
  /** Everything that no isolated position holds. */
  readonly cashUsd: number;
  readonly nextOid: number;
  readonly nextSeq: number;
  readonly turnover: number;
  readonly volumes: DailyVolumes;
  /** What was set for a symbol, whether it has a position or not. */
  readonly settings: Readonly<Record<string, LeverageSetting>>;
};

export type BookPosition = LeverageSetting & {
  /** Signed base units. */
  readonly size: number;
  readonly entryPrice: number;
  /** What an isolated position holds of its own, profit and loss aside; 0 for a cross position. */
  readonly marginUsd: number;
};

export type BookOrder = {
  oid: number;
  readonly account: string;
  readonly cloid: string;
  readonly symbol: string;
  readonly side: Side;
  size: number;
  filledSize: number;
  avgPrice: number | null;
  readonly limitPrice: number | null;
  readonly triggerPrice: number | null;
  readonly tif: TimeInForce | null;
  readonly tpsl: 'stop' | 'target' | null;
  readonly grouping: Grouping;
  /** The order whose child this is. */
  readonly parentOid: number | null;
  readonly reduceOnly: boolean;
  readonly leverage: number;
  readonly marginMode: MarginMode | null;
  /** `waiting`: sleeps until its parent is filled. */
  status: 'filled' | 'resting' | 'waiting' | 'rejected' | 'canceled';
  /** Why it was rejected or canceled, in the exchange's words. */
  error: string | null;
  /** Only events behind it may fill the order … */
  placedSeq: number;
  /** … and only those that are not older than it. */
  tsMs: number;
};

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
  readonly crossed: boolean;
  readonly liquidation: boolean;
  readonly kind: 'trade' | 'funding' | 'transfer';
  readonly tsMs: number;
};

/** What the market told, numbered in the order it was ingested. `rate` belongs to a funding print, whose price is the oracle's. */
export type MarketEvent = {
  readonly kind: 'tick' | 'funding';
  readonly seq: number;
  readonly symbol: string;
  readonly tsMs: number;
  readonly price: number;
  readonly rate: number;
};

/** An execution that happened lately: what was held at a moment in the past is what is held now without it. */
export type PastMove = { readonly symbol: string; readonly tsMs: number; readonly signedSize: number };
