/** Bars: candles of one minute put together to a longer interval, aligned to the clock. */

import { CodedError } from '../errors.ts';
import { CANDLE_INTERVAL_MS, type Candle } from './market.ts';

/** One closed bar. Covers [openTsMs, openTsMs + interval); volume in base units. */
export type Bar = {
  readonly openTsMs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
};

/**
 * Closed bars of `intervalMs` from one symbol's 1-minute candles (ascending, no duplicates). Only bars that ended at or
 * before `uptoMs` appear, so nothing of the future is seen. Minutes without a candle are skipped and a bar without any
 * candle does not exist. The first bar is dropped when the candles begin inside it: its open and extremes would be those
 * of a fragment, and they would differ with how much history the caller happened to load.
 *
 * Throws NOF0_INPUT_INVALID when the interval is not a whole number of minutes.
 */
export function aggregate(candles: readonly Candle[], intervalMs: number, uptoMs: number): Bar[] {
  if (!(intervalMs > 0) || intervalMs % CANDLE_INTERVAL_MS !== 0) {
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `A bar interval must be a whole number of minutes, not ${intervalMs} ms; use a multiple of ${CANDLE_INTERVAL_MS}.`,
    );
  }
  const first = candles[0];
  const firstWhole = first === undefined ? 0 : Math.ceil(first.openTsMs / intervalMs) * intervalMs;
  const bars: Bar[] = [];
  for (const candle of candles) {
    const openTsMs = Math.floor(candle.openTsMs / intervalMs) * intervalMs;
    if (openTsMs < firstWhole || openTsMs + intervalMs > uptoMs) continue;
    const last = bars.at(-1);
    if (last !== undefined && last.openTsMs === openTsMs) bars[bars.length - 1] = extend(last, candle);
    else bars.push(begin(openTsMs, candle));
  }
  return bars;
}

function begin(openTsMs: number, candle: Candle): Bar {
  const { open, high, low, close, volume } = candle;
  return { openTsMs, open, high, low, close, volume };
}

function extend(bar: Bar, candle: Candle): Bar {
  return {
    openTsMs: bar.openTsMs,
    open: bar.open,
    high: Math.max(bar.high, candle.high),
    low: Math.min(bar.low, candle.low),
    close: candle.close,
    volume: bar.volume + candle.volume,
  };
}
