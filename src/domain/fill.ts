/** The ledger's vocabulary: fills in, positions and trades out. Money is USD, times market milliseconds. */

export type Side = 'buy' | 'sell';
export type Direction = 'long' | 'short';

/**
 * One entry of an account's ledger. `kind`:
 * - `trade`: an execution. `closedPnl` is the gross profit it realised (fees never included, whatever the source calls it).
 * - `funding`, `transfer`: `closedPnl` is the cash received (negative when paid); size and price are informative.
 * - `opening`: stands for a position that was there before the ledger begins; moves no cash.
 */
export type Fill = {
  /** `<provider>:<account>:<exchange fill id>`: both sides of a match have the exchange's id in common. */
  readonly id: string;
  readonly modelId: string;
  readonly provider: string;
  readonly symbol: string;
  readonly side: Side;
  readonly price: number;
  /** Base units, always positive. */
  readonly size: number;
  /** Signed position before this fill, where the exchange says so. */
  readonly startPosition: number | null;
  /** Counts an account's entries where the exchange does; 0 where it does not. */
  readonly seq: number;
  readonly feeUsd: number;
  readonly closedPnl: number;
  readonly oid: number | null;
  readonly cloid: string | null;
  /** Exchange's own fill number. */
  readonly tid: number | null;
  /** True when it took liquidity. */
  readonly crossed: boolean;
  readonly liquidation: boolean;
  readonly kind: 'trade' | 'funding' | 'transfer' | 'opening';
  readonly tsMs: number;
  /** What the exchange said, word for word; kept for people. */
  readonly raw?: unknown;
};

/** A position as the fills make it. Mark-to-market is never part of it. */
export type LedgerPosition = {
  /** `<model>:<symbol>:<id of the opening fill>`, so that a re-opened symbol is a new row. */
  readonly id: string;
  readonly modelId: string;
  readonly symbol: string;
  readonly side: Direction;
  readonly status: 'open' | 'closed';
  /** Average cost of everything that was entered and is still held; of everything entered once closed. */
  readonly entryPrice: number;
  /** Signed (short < 0): what is held; once closed, what was entered in all. */
  readonly quantity: number;
  readonly entryTsMs: number;
  readonly entryOid: number | null;
  readonly entryCloid: string | null;
  /** Fees paid on this position so far. */
  readonly commission: number;
  /** Gross profit realised on it so far. */
  readonly closedPnl: number;
  readonly exitTsMs: number | null;
  readonly exitPrice: number | null;
};

/** One closing order against a position (all its fills together). */
export type LedgerTrade = {
  /** `<model>:<symbol>:<closing order>:<ordinal>` */
  readonly id: string;
  readonly modelId: string;
  readonly symbol: string;
  readonly side: Direction;
  /** Signed (short < 0). */
  readonly quantity: number;
  readonly entryPrice: number;
  readonly exitPrice: number;
  readonly entryTsMs: number;
  readonly exitTsMs: number;
  readonly entryOid: number | null;
  readonly exitOid: number | null;
  readonly entryTid: number | null;
  readonly exitTid: number | null;
  readonly entryCloid: string | null;
  readonly exitCloid: string | null;
  readonly entrySz: number;
  readonly exitSz: number;
  readonly entryCrossed: boolean;
  readonly exitCrossed: boolean;
  /** Entry fees pro rata of the quantity closed. */
  readonly entryCommission: number;
  readonly exitCommission: number;
  readonly totalCommission: number;
  /** −entryCommission. */
  readonly entryClosedPnl: number;
  /** gross − exitCommission. */
  readonly exitClosedPnl: number;
  readonly realizedGrossPnl: number;
  /** entryClosedPnl + exitClosedPnl. */
  readonly realizedNetPnl: number;
  readonly exitLiquidation: boolean;
};
