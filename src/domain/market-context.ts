/** What is known of an instrument at a moment, as it is published. */

import type { Indicators } from './decision.ts';

/** Times are market time, Unix ms; changes fractions. */
export type MarketContext = {
  readonly symbol: string;
  /** The moment that all of it is known at. */
  readonly timestamp: number;
  readonly price: number;
  readonly price_timestamp: number;
  /** When the provider said what follows; null: never. */
  readonly context_timestamp: number | null;
  readonly mark_price: number | null;
  readonly mid_price: number | null;
  readonly oracle_price: number | null;
  readonly funding_rate: number | null;
  readonly open_interest: number | null;
  readonly volume_24h: number | null;
  readonly change_1h: number | null;
  readonly change_4h: number | null;
  readonly indicators: Readonly<Record<string, number | null>>;
};

export function publishedIndicators(of: Indicators): MarketContext['indicators'] {
  return {
    ...{ ema20: of.ema20, ema50: of.ema50, ema200: of.ema200 },
    ...{ macd: of.macd, macd_signal: of.macdSignal, macd_histogram: of.macdHistogram },
    ...{ rsi7: of.rsi7, rsi14: of.rsi14, atr14: of.atr14 },
    ...{ boll_upper: of.bollUpper, boll_middle: of.bollMiddle, boll_lower: of.bollLower },
    ...{ donchian_high20: of.donchianHigh20, donchian_low20: of.donchianLow20 },
    ...{ volume_ratio5: of.volumeRatio5, volume_ratio20: of.volumeRatio20 },
  };
}
