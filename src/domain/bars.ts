/** Bars: candles of one minute put together to a longer interval, aligned to the clock. */

import { CodedError } from '../errors.ts';
import { CANDLE_INTERVAL_MS, type Candle } from './market.ts';

/** One bar. Covers [openTsMs, openTsMs + interval); volume in base units. */
export type Bar = {
  readonly openTsMs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
};

/** The bar that candles are being put into. Never changed: a candle more gives the next one. */
export type OpenBar = {
  /** The first bar that the candles cover from its beginning; null before the first candle. */
  readonly firstWholeMs: number | null;
  readonly bar: Bar | null;
};

export const NO_CANDLES: OpenBar = { firstWholeMs: null, bar: null };

/** Throws NOF0_INPUT_INVALID when the interval is not a whole number of minutes. */
export function assertBarInterval(intervalMs: number): void {
  if (intervalMs > 0 && intervalMs % CANDLE_INTERVAL_MS === 0) return;
  throw new CodedError(
    'NOF0_INPUT_INVALID',
    `A bar interval must be a whole number of minutes, not ${intervalMs} ms; use a multiple of ${CANDLE_INTERVAL_MS}.`,
  );
}

/**
 * Puts one symbol's next 1-minute candle (ascending, no duplicates) into its bar; `closed` is the bar before, when the candle belongs to
 * another one. Minutes without a candle are skipped and a bar without any candle does not exist. The first bar is dropped when the
 * candles begin inside it: its open and extremes would be those of a fragment, and they would differ with how much history the caller
 * happened to load.
 */
export function addCandle(
  state: OpenBar,
  candle: Candle,
  intervalMs: number,
): { readonly next: OpenBar; readonly closed: Bar | null } {
  const openTsMs = Math.floor(candle.openTsMs / intervalMs) * intervalMs;
  const firstWholeMs = state.firstWholeMs ?? Math.ceil(candle.openTsMs / intervalMs) * intervalMs;
  if (openTsMs < firstWholeMs) return { next: { firstWholeMs, bar: null }, closed: null };
  if (state.bar?.openTsMs === openTsMs) return { next: { firstWholeMs, bar: extend(state.bar, candle) }, closed: null };
  const { open, high, low, close, volume } = candle;
  return { next: { firstWholeMs, bar: { openTsMs, open, high, low, close, volume } }, closed: state.bar };
}

/** The bar, if it has ended by `uptoMs`; else nothing of the future is seen. */
export function endedBy({ bar }: OpenBar, intervalMs: number, uptoMs: number): Bar | null {
  return bar !== null && bar.openTsMs + intervalMs <= uptoMs ? bar : null;
}

/** The bars that one symbol's 1-minute candles (ascending, no duplicates) make, as far as they have ended by `uptoMs`. */
export function closedBars(candles: readonly Candle[], intervalMs: number, uptoMs: number): Bar[] {
  const bars: Bar[] = [];
  let open = NO_CANDLES;
  for (const candle of candles) {
    const { next, closed } = addCandle(open, candle, intervalMs);
    if (closed !== null) bars.push(closed);
    open = next;
  }
  const last = endedBy(open, intervalMs, uptoMs);
  return last === null ? bars : [...bars, last];
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
