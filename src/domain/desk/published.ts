/**
 * The values of the desk's keys, field by field as the schema of the stock trading system spells them. Times are ISO 8601 in UTC, shares
 * of something are percent where a name says `pct` and fractions elsewhere, money is USD.
 */

import { z } from 'zod';

const timestamp = z.iso.datetime({ precision: 3 });
/** Null: there is too little history, or the position has none. */
const maybe = z.number().nullable();
const text = z.string().min(1);

export const stockPriceSchema = z.strictObject({
  price: z.strictObject({
    last: z.number(),
    open: z.number(),
    high: z.number(),
    low: z.number(),
    volume: z.number().nonnegative(),
  }),
  timestamp,
});

export const stockIndicatorsSchema = z.strictObject({
  rsi_14: z.number(),
  macd: z.number(),
  macd_signal: z.number(),
  bollinger_upper: z.number(),
  bollinger_lower: z.number(),
  bollinger_width: z.number(),
  timestamp,
});

export const stockSentimentSchema = z.strictObject({
  sentiment_score: z.number().min(-1).max(1),
  sentiment_label: z.enum(['bullish', 'neutral', 'bearish']),
  news_count: z.int().nonnegative(),
  latest_news: z.array(z.strictObject({ headline: text, source: text, timestamp, url: z.string() })),
  timestamp,
});

export const watchlistSchema = z.array(text);

export const SIGNAL_NAMES = ['breakout', 'volume_surge', 'support_bounce', 'macd_cross'] as const;
export type SignalName = (typeof SIGNAL_NAMES)[number];

export const candidatesSchema = z.array(
  z.strictObject({
    symbol: text,
    score: z.number().min(0).max(1),
    price: z.number().positive(),
    signals: z.array(z.enum(SIGNAL_NAMES)),
    timestamp,
  }),
);

export const activePositionSchema = z.strictObject({
  symbol: text,
  entry_price: z.number().positive(),
  current_price: z.number().positive(),
  quantity: z.number().positive(),
  side: z.enum(['long', 'short']),
  entry_time: timestamp,
  unrealized_pnl: z.number(),
  unrealized_pnl_pct: z.number(),
  stop_loss: maybe,
  take_profit: maybe,
  last_update: timestamp,
});

const level = z.strictObject({ value: maybe, distance: z.string().nullable() });

export const monitoringSchema = z.strictObject({
  technical_signals: z.strictObject({
    rsi_1m: z.strictObject({ value: maybe, signal: z.enum(['overbought', 'oversold', 'neutral', 'unknown']) }),
    macd_5m: z.strictObject({ value: maybe, signal: z.enum(['strengthening', 'weakening', 'flat', 'unknown']) }),
    support_resistance: z.strictObject({ next_level: maybe, type: z.enum(['resistance', 'support', 'unknown']) }),
  }),
  profit_target: level,
  stop_loss: level,
  time_in_trade: z.string().regex(/^\d{2,}:[0-5]\d:[0-5]\d$/),
  timestamp,
});
export type Monitoring = z.infer<typeof monitoringSchema>;

export const EXIT_REASONS = ['target_reached', 'stop_loss', 'trailing_stop', 'weakening', 'session_end'] as const;
export type ExitReason = (typeof EXIT_REASONS)[number];

export const SIGNAL_TYPES = ['entry', 'exit'] as const;
export type SignalType = (typeof SIGNAL_TYPES)[number];

export const deskSignalSchema = z.strictObject({
  reason: z.enum([...SIGNAL_NAMES, ...EXIT_REASONS]),
  price: z.number().positive(),
  timestamp,
  indicators: z.strictObject({ macd: maybe, rsi: maybe }),
  confidence: z.number().min(0).max(1),
});

export const systemStateSchema = z.strictObject({
  state: text,
  market_status: z.enum(['pre_market', 'open', 'after_hours', 'closed']),
  active_positions_count: z.int().nonnegative(),
  watchlist_count: z.int().nonnegative(),
  last_scan_time: timestamp.nullable(),
  timestamp,
});

export const performanceSchema = z.strictObject({
  daily_pnl: z.number(),
  daily_pnl_pct: z.number(),
  win_count: z.int().nonnegative(),
  loss_count: z.int().nonnegative(),
  win_rate: z.number().min(0).max(1),
  avg_win: z.number(),
  avg_loss: z.number(),
  largest_win: z.number(),
  largest_loss: z.number(),
  timestamp,
});
export type Performance = z.infer<typeof performanceSchema>;

export const REGIMES = [
  'bullish_trend',
  'bullish_consolidation',
  'neutral',
  'bearish_consolidation',
  'bearish_trend',
  'volatile',
] as const;

export const marketContextSchema = z.strictObject({
  sector_performance: z.record(z.string(), z.number()),
  market_breadth: z.strictObject({
    advancing: z.int().nonnegative(),
    declining: z.int().nonnegative(),
    unchanged: z.int().nonnegative(),
  }),
  vix: z.number().nonnegative(),
  market_regime: z.enum(REGIMES),
  timestamp,
});
export type MarketContext = z.infer<typeof marketContextSchema>;

/** The whole desk as people look at it. */
export const deskViewSchema = z.object({
  system: systemStateSchema,
  watchlist: watchlistSchema,
  candidates: candidatesSchema,
  positions: z.array(z.object({ position: activePositionSchema.nullable(), monitoring: monitoringSchema.nullable() })),
  signals: z.array(z.object({ type: z.string(), symbol: z.string(), signal: deskSignalSchema.nullable() })),
  performance: performanceSchema.nullable(),
  market: marketContextSchema.nullable(),
});
export type DeskView = z.infer<typeof deskViewSchema>;

export const isoTime = (tsMs: number): string => new Date(tsMs).toISOString();
