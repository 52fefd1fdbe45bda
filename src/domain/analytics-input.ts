/** What a model's analytics are computed from. */

export const SIGNALS = ['long', 'short', 'hold', 'close'] as const;
export type Signal = (typeof SIGNALS)[number];

/** One closed trade. Money USD; net, gross and fee are stored figures of their own and need not add up. */
export type AnalyticsTrade = {
  readonly id: string;
  readonly side: 'long' | 'short';
  /** Base units; the sign is not used. */
  readonly quantity: number;
  readonly entryPrice: number;
  readonly entryTsMs: number;
  readonly exitTsMs: number;
  readonly netPnl: number;
  readonly grossPnl: number;
  /** Entry and exit commission together. */
  readonly feeUsd: number;
  /** Leverage the trade ran with, where known. */
  readonly leverage: number | null;
  /** The account's equity when the trade was entered, where known. */
  readonly entryEquityUsd: number | null;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
};

/** One decision cycle that is done. */
export type AnalyticsCycle = {
  readonly executedAtMs: number;
  /** A symbol left out of an answer is a hold without confidence; leverage is what was asked for (entries only). */
  readonly decisions: readonly {
    readonly signal: Signal;
    readonly confidence: number | null;
    readonly leverage: number | null;
  }[];
};

/** What is no statistic of a sample. */
export type AnalyticsFacts = {
  readonly modelId: string;
  readonly updatedAtMs: number;
  readonly symbolsCount: number;
  /** Minutes in a position between the first and the last invocation, added up over all symbols. */
  readonly positionMins: { readonly long: number; readonly short: number };
  /** The newest by exit time, of equal ones the greater id. */
  readonly lastTrade: { readonly id: string; readonly exitTsMs: number } | null;
  readonly lastConversation: { readonly id: string; readonly tsMs: number } | null;
};

/** A model's whole history. Order does not matter anywhere. */
export type AnalyticsHistory = {
  readonly trades: readonly AnalyticsTrade[];
  readonly cycles: readonly AnalyticsCycle[];
};
