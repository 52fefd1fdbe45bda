/**
 * Technical indicators over closed bars, fed one bar after the other. A state is never changed: adding a bar gives the next one, at a
 * cost that does not depend on how many came before. The newest bar may thus be looked at before it is certain, and forgotten again.
 */

import type { Bar } from './bars.ts';
import type { Indicators } from './decision.ts';
import { CANDLE_INTERVAL_MS, type Candle } from './market.ts';

const BOLLINGER_PERIOD = 20;
const BOLLINGER_WIDTH = 2;
const DONCHIAN_PERIOD = 20;
/** The newest bar and those that it is compared with. */
const WINDOW = 21;
/** RSI of a market that never moved: neither side is stronger. The formula has 0/0 there. */
const RSI_FLAT = 50;

/** An average that follows its values: the plain mean of the first `period` of them, then a weighted step towards each one. */
type Smoothed = { readonly period: number; readonly weight: number; readonly count: number; readonly value: number };

export type IndicatorState = {
  /** The newest bars, oldest first. */
  readonly window: readonly Bar[];
  readonly ema12: Smoothed;
  readonly ema20: Smoothed;
  readonly ema26: Smoothed;
  readonly ema50: Smoothed;
  readonly ema200: Smoothed;
  readonly macdSignal: Smoothed;
  readonly gain7: Smoothed;
  readonly loss7: Smoothed;
  readonly gain14: Smoothed;
  readonly loss14: Smoothed;
  readonly trueRange14: Smoothed;
};

/** Exponential: weight 2 / (n + 1). */
const ema = (period: number): Smoothed => ({ period, weight: 2 / (period + 1), count: 0, value: 0 });
/** Wilder's (New Concepts in Technical Trading Systems, 1978): weight 1 / n. */
const wilder = (period: number): Smoothed => ({ period, weight: 1 / period, count: 0, value: 0 });

/** Before the first bar. */
export const NO_BARS: IndicatorState = {
  window: [],
  ema12: ema(12),
  ema20: ema(20),
  ema26: ema(26),
  ema50: ema(50),
  ema200: ema(200),
  macdSignal: ema(9),
  gain7: wilder(7),
  loss7: wilder(7),
  gain14: wilder(14),
  loss14: wilder(14),
  trueRange14: wilder(14),
};

/** The state after one more closed bar. */
export function addBar(state: IndicatorState, bar: Bar): IndicatorState {
  const { close } = bar;
  const before = state.window.at(-1);
  const ema12 = smooth(state.ema12, close);
  const ema26 = smooth(state.ema26, close);
  const line = macdLine(ema12, ema26);
  return {
    window: [...state.window.slice(-WINDOW + 1), bar],
    ema12,
    ema26,
    ema20: smooth(state.ema20, close),
    ema50: smooth(state.ema50, close),
    ema200: smooth(state.ema200, close),
    macdSignal: line === null ? state.macdSignal : smooth(state.macdSignal, line),
    ...moves(state, before === undefined ? null : close - before.close),
    trueRange14: smooth(state.trueRange14, trueRange(bar, before)),
  };
}

/** All indicators as of the newest bar; each is null until its whole look-back is covered. */
export function readIndicators(state: IndicatorState): Indicators {
  const line = macdLine(state.ema12, state.ema26);
  const signal = smoothedValue(state.macdSignal);
  const bands = bollinger(state.window);
  const channel = donchian(state.window);
  return {
    ema20: smoothedValue(state.ema20),
    ema50: smoothedValue(state.ema50),
    ema200: smoothedValue(state.ema200),
    macd: line,
    macdSignal: signal,
    macdHistogram: line === null || signal === null ? null : line - signal,
    rsi7: rsi(state.gain7, state.loss7),
    rsi14: rsi(state.gain14, state.loss14),
    atr14: smoothedValue(state.trueRange14),
    bollUpper: bands?.upper ?? null,
    bollMiddle: bands?.middle ?? null,
    bollLower: bands?.lower ?? null,
    donchianHigh20: channel?.high ?? null,
    donchianLow20: channel?.low ?? null,
    volumeRatio5: volumeRatio(state.window, 5),
    volumeRatio20: volumeRatio(state.window, 20),
  };
}

/**
 * Change of the close over `spanMs` before `uptoMs`, as a fraction (0.01 = one percent), from ascending 1-minute candles.
 * Compares the newest close known at `uptoMs` with the last one known `spanMs` earlier, which may lie one more span back. Null when no
 * candle is there, and when no candle closed inside the span: the market is then silent, not unchanged.
 */
export function changeOver(candles: readonly Candle[], spanMs: number, uptoMs: number): number | null {
  const newest = lastKnownAt(candles, uptoMs);
  const reference = lastKnownAt(candles, uptoMs - spanMs);
  if (newest === undefined || reference === undefined || newest === reference) return null;
  if (reference.openTsMs < uptoMs - 2 * spanMs) return null;
  return reference.close > 0 ? newest.close / reference.close - 1 : null;
}

function lastKnownAt(candles: readonly Candle[], tsMs: number): Candle | undefined {
  return candles.findLast((candle) => candle.openTsMs + CANDLE_INTERVAL_MS <= tsMs);
}

function smooth(average: Smoothed, next: number): Smoothed {
  const { period, weight } = average;
  const count = average.count + 1;
  // Until the period is full `value` is the sum of what came.
  if (count < period) return { period, weight, count, value: average.value + next };
  const value = count === period ? (average.value + next) / period : average.value + (next - average.value) * weight;
  return { period, weight, count, value };
}

function smoothedValue({ count, period, value }: Smoothed): number | null {
  return count < period ? null : value;
}

/** MACD 12-26: the difference of the two averages. */
function macdLine(fast: Smoothed, slow: Smoothed): number | null {
  const [a, b] = [smoothedValue(fast), smoothedValue(slow)];
  return a === null || b === null ? null : a - b;
}

/** `change` null: the first bar has none. */
function moves(state: IndicatorState, change: number | null) {
  const { gain7, loss7, gain14, loss14 } = state;
  if (change === null) return { gain7, loss7, gain14, loss14 };
  const [up, down] = [Math.max(change, 0), Math.max(-change, 0)];
  return {
    gain7: smooth(gain7, up),
    loss7: smooth(loss7, down),
    gain14: smooth(gain14, up),
    loss14: smooth(loss14, down),
  };
}

function rsi(gain: Smoothed, loss: Smoothed): number | null {
  const [up, down] = [smoothedValue(gain), smoothedValue(loss)];
  if (up === null || down === null) return null;
  return up + down === 0 ? RSI_FLAT : (100 * up) / (up + down);
}

/** The first bar has no close before it: its range is its own height. */
function trueRange({ high, low }: Bar, before: Bar | undefined): number {
  if (before === undefined) return high - low;
  return Math.max(high, before.close) - Math.min(low, before.close);
}

/** Bands of the population standard deviation around the mean of the newest closes. */
function bollinger(window: readonly Bar[]): { upper: number; middle: number; lower: number } | null {
  const closes = window.slice(-BOLLINGER_PERIOD).map((bar) => bar.close);
  if (closes.length < BOLLINGER_PERIOD) return null;
  const middle = meanOf(closes);
  const width = BOLLINGER_WIDTH * Math.sqrt(meanOf(closes.map((close) => (close - middle) ** 2)));
  return { upper: middle + width, middle, lower: middle - width };
}

/** Channel of the bars before the newest: the newest itself can break it. */
function donchian(window: readonly Bar[]): { high: number; low: number } | null {
  if (window.length <= DONCHIAN_PERIOD) return null;
  const before = window.slice(-DONCHIAN_PERIOD - 1, -1);
  return { high: Math.max(...before.map((bar) => bar.high)), low: Math.min(...before.map((bar) => bar.low)) };
}

/** Volume of the newest bar as a multiple of the mean of `period` bars before it. Null where nothing was traded in those. */
function volumeRatio(window: readonly Bar[], period: number): number | null {
  const newest = window.at(-1);
  if (newest === undefined || window.length <= period) return null;
  const usual = meanOf(window.slice(-period - 1, -1).map((bar) => bar.volume));
  return usual > 0 ? newest.volume / usual : null;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
