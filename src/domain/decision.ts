/** What a model sees, and what it may answer. Wire names are snake_case: they are what a language model reads and writes. */

import { z } from 'zod';
import type { DeskPackage } from './desk/package.ts';
import type { Limits } from './limits.ts';
import type { EntryPause } from './pause.ts';

export const ACTIONS = ['open_long', 'open_short', 'close_long', 'close_short', 'hold'] as const;
export type Action = (typeof ACTIONS)[number];

/** One action on one symbol. Sizes are notional USD (leverage included); prices USD. */
export const decisionSchema = z.object({
  symbol: z.string().min(1).max(32),
  action: z.enum(ACTIONS),
  position_size_usd: z.number().nonnegative().nullish().describe('notional USD of an entry'),
  leverage: z.number().min(1).max(100).nullish(),
  entry_price: z.number().positive().nullish().describe('what the model expects; never what is paid'),
  stop_loss: z.number().positive().nullish(),
  take_profit: z.number().positive().nullish(),
  confidence: z.number().min(0).max(1),
  risk_usd: z.number().nonnegative().nullish(),
  reasoning: z.string().max(4000).default(''),
  invalidation_condition: z.string().max(1000).nullish(),
});
export type Decision = z.infer<typeof decisionSchema>;

/** The whole answer of a model for one slot. No decision on a symbol means hold. */
export const answerSchema = z.object({
  reasoning: z.string().max(20_000).default(''),
  decisions: z.array(decisionSchema).max(50),
});
export type Answer = z.infer<typeof answerSchema>;

/** What calls of a model use, or may use. */
export type Usage = { readonly tokens: number; readonly usd: number };

/** Indicator values over closed bars; `null` while the history is too short. */
export type Indicators = {
  readonly ema20: number | null;
  readonly ema50: number | null;
  readonly ema200: number | null;
  readonly macd: number | null;
  readonly macdSignal: number | null;
  readonly macdHistogram: number | null;
  readonly rsi7: number | null;
  readonly rsi14: number | null;
  readonly atr14: number | null;
  readonly bollUpper: number | null;
  readonly bollMiddle: number | null;
  readonly bollLower: number | null;
  /** Highest high and lowest low of the 20 bars before the newest one. */
  readonly donchianHigh20: number | null;
  readonly donchianLow20: number | null;
  /** Volume of the newest bar as a multiple of the mean of the 5 or 20 bars before it. */
  readonly volumeRatio5: number | null;
  readonly volumeRatio20: number | null;
};

/** One symbol of a market frame. */
export type FrameAsset = {
  readonly symbol: string;
  readonly price: number;
  readonly priceTsMs: number;
  /** Hourly funding rate, positive when longs pay. */
  readonly fundingRate: number | null;
  readonly openInterest: number | null;
  readonly volume24h: number | null;
  /** Fractions: 0.01 is one percent. */
  readonly change1h: number | null;
  readonly change4h: number | null;
  readonly indicators: Indicators;
  /** Closes of the newest bars, oldest first (at most 30). */
  readonly closes: readonly number[];
  readonly sizeDecimals: number;
  /** Absent: quoted by significant figures. */
  readonly tickSize?: number;
  readonly maxLeverage: number;
};

/** What every model that decides in one slot sees. Rows with time ≤ slot, closed candles only. */
export type MarketFrame = {
  readonly provider: string;
  readonly slotMs: number;
  readonly watermarkMs: number;
  readonly barIntervalMs: number;
  readonly assets: Readonly<Record<string, FrameAsset>>;
  /** What the equities desk adds; absent in the arena. */
  readonly desk?: DeskPackage;
};

/** An open position as its model sees it. `quantity` is signed: short < 0. */
export type PositionView = {
  readonly symbol: string;
  readonly quantity: number;
  readonly entryPrice: number;
  readonly entryTsMs: number;
  readonly markPrice: number;
  readonly unrealizedPnlUsd: number;
  readonly leverage: number;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
};

/** The exact inputs of a decision; stored, so that it can be asked again. */
export type DecisionContext = {
  readonly modelId: string;
  readonly slotMs: number;
  readonly cycleNumber: number;
  readonly account: {
    readonly initialEquityUsd: number;
    readonly equityUsd: number;
    readonly availableUsd: number;
    readonly marginUsedUsd: number;
  };
  readonly positions: readonly PositionView[];
  readonly limits: Limits;
  /** What the platform remembers and the guardrails ask for. */
  readonly history: {
    /** Equity at the start of the UTC day, transfers since then taken into account. */
    readonly dayStartEquityUsd: number;
    /** Of the newest snapshot before the slot. */
    readonly sharpeRatio: number | null;
    /** The pause that holds, or the last one. */
    readonly pause: EntryPause | null;
    /** Symbols whose positions were closed a short while ago. */
    readonly cooldowns: readonly { readonly symbol: string; readonly untilMs: number }[];
  };
};
