/** The market's vocabulary. Prices are USD per unit of the base asset, times Unix milliseconds UTC (market time). */

/** One candle. Opened at `openTsMs`, it is known only at `openTsMs + interval` (no look-ahead). */
export type Candle = {
  readonly symbol: string;
  readonly openTsMs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  /** Traded size in base units. */
  readonly volume: number;
};

/** One observed price. `source` names the feed it came from. */
export type Tick = { readonly symbol: string; readonly tsMs: number; readonly price: number; readonly source: string };

export type AssetClass = 'perpetual' | 'equity' | 'index';

/** What does not change often about an instrument. Sizes are multiples of 10^-sizeDecimals. */
export type Asset = {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly precision: number;
  readonly sizeDecimals: number;
  readonly maxLeverage: number;
  readonly onlyIsolated: boolean;
  /** False: it is watched and not traded, as an index is. */
  readonly isActive: boolean;
  /** `perpetual` if absent. */
  readonly assetClass?: AssetClass;
  /** Smallest step of its price, USD; absent: it is quoted by significant figures. */
  readonly tickSize?: number;
  readonly sector?: string;
};

/** What changes all the time beside the price. `fundingRate` is the fraction of notional paid by longs per hour. */
export type AssetContext = {
  readonly symbol: string;
  readonly tsMs: number;
  readonly markPrice: number;
  readonly midPrice: number | null;
  readonly oraclePrice: number | null;
  readonly fundingRate: number | null;
  readonly openInterest: number | null;
  /** Notional USD traded in the last 24 h. */
  readonly volume24h: number | null;
};

/** A funding print: at `tsMs` every open position pays size × oracle price × rate (longs pay a positive rate). */
export type Funding = { readonly symbol: string; readonly tsMs: number; readonly rate: number };

/** Everything that became known in one stretch of market time, in time order. */
export type MarketBatch = {
  readonly ticks: readonly Tick[];
  readonly candles: readonly Candle[];
  readonly contexts: readonly AssetContext[];
  readonly fundings: readonly Funding[];
  /** Everything up to and including this time is in this or an earlier batch. */
  readonly watermarkMs: number;
};

export const CANDLE_INTERVAL = '1m';
export const CANDLE_INTERVAL_MS = 60_000;

/**
 * The fixed path of prices inside a candle: open, the extreme on the way, the other extreme, close. A rising candle
 * dips first, a falling one rises first, so the path is the longer of the two plausible ones. The close is stamped on the
 * candle's last millisecond, hence every tick is known when the candle is.
 */
export function candlePath(candle: Candle, intervalMs: number, source: string): Tick[] {
  const rising = candle.close >= candle.open;
  const prices = [candle.open, rising ? candle.low : candle.high, rising ? candle.high : candle.low, candle.close];
  const last = intervalMs - 1;
  const offsets = [0, Math.floor(last / 3), Math.floor((2 * last) / 3), last];
  return prices.map((price, i) => ({
    symbol: candle.symbol,
    tsMs: candle.openTsMs + (offsets[i] ?? 0),
    price,
    source,
  }));
}
