/** What a model's analytics are computed from. */

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

/**
 * Decisions of one class. `count` may exceed the number of confidences: a symbol left out of an answer is a hold without one.
 * `leverages` are what was asked for (entries only).
 */
export type AnalyticsSignals = {
  readonly count: number;
  readonly confidences: readonly number[];
  readonly leverages: readonly number[];
};

/** Everything the payload is computed from. Order does not matter anywhere. */
export type AnalyticsInput = {
  readonly modelId: string;
  readonly updatedAtMs: number;
  readonly trades: readonly AnalyticsTrade[];
  readonly signals: Readonly<Record<'long' | 'short' | 'hold' | 'close', AnalyticsSignals>>;
  /** Times of the model's decision cycles. */
  readonly invocationTsMs: readonly number[];
  readonly symbolsCount: number;
  /** Minutes in a position between the first and the last invocation, added up over all symbols. */
  readonly positionMins: { readonly long: number; readonly short: number };
  readonly lastConversation: { readonly id: string; readonly tsMs: number } | null;
};
