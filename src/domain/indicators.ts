/**
 * Technical indicators over closed bars, oldest first. RSI, ATR and Bollinger bands are the library's; its EMA starts from
 * the first price instead of an average, so the exponential ones are computed here with the conventional seed.
 */

import { ATR, BollingerBands, RSI } from 'trading-signals';
import type { Bar } from './bars.ts';
import type { Indicators } from './decision.ts';
import { CANDLE_INTERVAL_MS, type Candle } from './market.ts';

const BOLLINGER_PERIOD = 20;
const BOLLINGER_WIDTH = 2;
const DONCHIAN_PERIOD = 20;
/** RSI of a market that never moved: neither side is stronger. The formula has 0/0 there. */
const RSI_FLAT = 50;

/** All indicators as of the newest bar; each is null until its whole look-back is covered. */
export function computeIndicators(bars: readonly Bar[]): Indicators {
  const closes = bars.map((bar) => bar.close);
  const macd = macdOf(closes);
  const bands = bollinger(closes);
  const channel = donchian(bars);
  return {
    ema20: emaSeries(closes, 20).at(-1) ?? null,
    ema50: emaSeries(closes, 50).at(-1) ?? null,
    ema200: emaSeries(closes, 200).at(-1) ?? null,
    macd: macd.line,
    macdSignal: macd.signal,
    macdHistogram: macd.line === null || macd.signal === null ? null : macd.line - macd.signal,
    rsi7: rsi(closes, 7),
    rsi14: rsi(closes, 14),
    atr14: atr(bars, 14),
    bollUpper: bands?.upper ?? null,
    bollMiddle: bands?.middle ?? null,
    bollLower: bands?.lower ?? null,
    donchianHigh20: channel?.high ?? null,
    donchianLow20: channel?.low ?? null,
  };
}

/**
 * Change of the close over `spanMs` before `uptoMs`, as a fraction (0.01 = one percent), from ascending 1-minute candles.
 * Compares the newest close known at `uptoMs` with the last one known `spanMs` earlier. Null when no candle is that old,
 * and when no candle closed inside the span: the market is then silent, not unchanged.
 */
export function changeOver(candles: readonly Candle[], spanMs: number, uptoMs: number): number | null {
  const newest = lastKnownAt(candles, uptoMs);
  const reference = lastKnownAt(candles, uptoMs - spanMs);
  if (newest === undefined || reference === undefined || newest === reference) return null;
  return reference.close > 0 ? newest.close / reference.close - 1 : null;
}

function lastKnownAt(candles: readonly Candle[], tsMs: number): Candle | undefined {
  return candles.findLast((candle) => candle.openTsMs + CANDLE_INTERVAL_MS <= tsMs);
}

/** EMA with factor 2 / (period + 1), seeded with the simple mean of the first `period` values; its first value is that mean. */
export function emaSeries(values: readonly number[], period: number): number[] {
  if (values.length < period) return [];
  const factor = 2 / (period + 1);
  let value = values.slice(0, period).reduce((sum, each) => sum + each, 0) / period;
  const series = [value];
  for (const next of values.slice(period)) {
    value += (next - value) * factor;
    series.push(value);
  }
  return series;
}

/** MACD 12-26-9: the difference of two EMAs, and the EMA of that difference. */
function macdOf(closes: readonly number[]): { line: number | null; signal: number | null } {
  const slow = emaSeries(closes, 26);
  // Both begin with their seed: the fast average has 26 − 12 = 14 values before the slow one has its first.
  const fast = emaSeries(closes, 12).slice(14);
  const line = slow.map((value, i) => (fast[i] ?? value) - value);
  return { line: line.at(-1) ?? null, signal: emaSeries(line, 9).at(-1) ?? null };
}

/** Wilder's RSI. A history without any movement gives 50; the library would say 100. */
function rsi(closes: readonly number[], period: number): number | null {
  const indicator = new RSI(period);
  for (const close of closes) indicator.add(close);
  if (closes.length <= period || !indicator.isStable) return null;
  const isFlat = closes.every((close) => close === closes[0]);
  return isFlat ? RSI_FLAT : indicator.getResult();
}

/** Wilder's ATR; the first true range is high − low. */
function atr(bars: readonly Bar[], period: number): number | null {
  const indicator = new ATR(period);
  for (const bar of bars) indicator.add(bar);
  return indicator.isStable ? indicator.getResult() : null;
}

/** Bands of the population standard deviation. Only the newest window matters, so nothing else is fed. */
function bollinger(closes: readonly number[]): { upper: number; middle: number; lower: number } | null {
  if (closes.length < BOLLINGER_PERIOD) return null;
  const indicator = new BollingerBands(BOLLINGER_PERIOD, BOLLINGER_WIDTH);
  for (const close of closes.slice(-BOLLINGER_PERIOD)) indicator.add(close);
  return indicator.getResult();
}

/** Channel of the bars before the newest: the newest itself can break it. */
function donchian(bars: readonly Bar[]): { high: number; low: number } | null {
  if (bars.length <= DONCHIAN_PERIOD) return null;
  const window = bars.slice(-DONCHIAN_PERIOD - 1, -1);
  return { high: Math.max(...window.map((bar) => bar.high)), low: Math.min(...window.map((bar) => bar.low)) };
}
