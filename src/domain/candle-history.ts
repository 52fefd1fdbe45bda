/**
 * What the candles of all symbols say at a moment: closes, changes and indicators, carried on candle by candle. Averages that never
 * forget depend on where they began, so they begin at fixed moments, the epochs: whoever reads the same rows comes to the same figures,
 * however many of them he had read before, and nobody ever reads more than two epochs.
 */

import { addCandle, assertBarInterval, type Bar, endedBy, NO_CANDLES, type OpenBar } from './bars.ts';
import type { Indicators } from './decision.ts';
import { addBar, changeOver, type IndicatorState, NO_BARS, readIndicators } from './indicators.ts';
import { CANDLE_INTERVAL_MS, type Candle } from './market.ts';

/** Bars of an epoch. Figures rest on at least as many and on less than twice as many: enough for an EMA 200 to be its own. */
const EPOCH_BARS = 300;
const CLOSES = 30;
const HOUR_MS = 3_600_000;
/** Changes look back over four hours, and as far again for a price where none is known then. */
const LOOK_BACK_MS = 8 * HOUR_MS;

/** A symbol as its candles show it. Changes are fractions: 0.01 is one percent. */
export type CandleView = {
  readonly change1h: number | null;
  readonly change4h: number | null;
  readonly indicators: Indicators;
  /** Closes of the newest bars, oldest first. */
  readonly closes: readonly number[];
};

/** Bars since one moment. */
type Series = { readonly open: OpenBar; readonly state: IndicatorState; readonly closes: readonly number[] };

type SymbolState = {
  readonly epoch: number;
  /** Begun with the epoch before this one. */
  readonly mature: Series;
  /** Begun with this epoch: the mature one of the next. */
  readonly young: Series;
  /** One-minute candles that changes look back on. */
  readonly recent: readonly Candle[];
};

const EMPTY: Series = { open: NO_CANDLES, state: NO_BARS, closes: [] };

/** Never changed: adding candles gives the next history, so candles that are not certain yet can be tried. */
export class CandleHistory {
  /** Candles that opened before this are in it. */
  readonly uptoMs: number;
  readonly #intervalMs: number;
  readonly #symbols: ReadonlyMap<string, SymbolState>;

  private constructor(intervalMs: number, uptoMs: number, symbols: ReadonlyMap<string, SymbolState>) {
    this.#intervalMs = intervalMs;
    this.uptoMs = uptoMs;
    this.#symbols = symbols;
  }

  /** A history of nothing that can be asked about `tsMs` and later moments once the candles behind its `uptoMs` are added. */
  static before(tsMs: number, intervalMs: number): CandleHistory {
    assertBarInterval(intervalMs);
    const epochMs = EPOCH_BARS * intervalMs;
    const begunMs = (Math.floor(tsMs / epochMs) - 1) * epochMs;
    return new CandleHistory(intervalMs, Math.min(begunMs, tsMs - LOOK_BACK_MS), new Map());
  }

  /** With the candles (each symbol's ascending) that opened from this one's `uptoMs` on and before the given one. */
  plus(candles: ReadonlyMap<string, readonly Candle[]>, uptoMs: number): CandleHistory {
    const symbols = new Map(this.#symbols);
    for (const [symbol, own] of candles) {
      const state = this.#feed(symbols.get(symbol), own);
      if (state !== undefined) symbols.set(symbol, state);
    }
    return new CandleHistory(this.#intervalMs, uptoMs, symbols);
  }

  /** What was known at `tsMs`: bars that had ended, candles that had closed. No candle in it may have closed later. */
  view(symbol: string, tsMs: number): CandleView {
    const state = this.#symbols.get(symbol);
    const series = state === undefined ? EMPTY : seriesAt(state, this.#epochOf(tsMs));
    const ended = endedBy(series.open, this.#intervalMs, tsMs);
    const { state: indicators, closes } = ended === null ? series : withBar(series, ended);
    const recent = state?.recent ?? [];
    return {
      change1h: changeOver(recent, HOUR_MS, tsMs),
      change4h: changeOver(recent, 4 * HOUR_MS, tsMs),
      indicators: readIndicators(indicators),
      closes,
    };
  }

  #epochOf(tsMs: number): number {
    return Math.floor(tsMs / (EPOCH_BARS * this.#intervalMs));
  }

  #feed(before: SymbolState | undefined, candles: readonly Candle[]): SymbolState | undefined {
    let state = before;
    for (const candle of candles) state = this.#add(state, candle);
    const newestMs = candles.at(-1)?.openTsMs;
    if (state === undefined || newestMs === undefined) return state;
    const sinceMs = newestMs + CANDLE_INTERVAL_MS - LOOK_BACK_MS;
    const all = [...(before?.recent ?? []), ...candles];
    return { ...state, recent: all.slice(all.findIndex((candle) => candle.openTsMs >= sinceMs)) };
  }

  #add(before: SymbolState | undefined, candle: Candle): SymbolState {
    const epoch = this.#epochOf(candle.openTsMs);
    const mature = before === undefined ? EMPTY : seriesAt(before, epoch);
    const young = before?.epoch === epoch ? before.young : EMPTY;
    return {
      epoch,
      mature: withCandle(mature, candle, this.#intervalMs),
      young: withCandle(young, candle, this.#intervalMs),
      recent: before?.recent ?? [],
    };
  }
}

/** The series that is mature in an epoch. */
function seriesAt(state: SymbolState, epoch: number): Series {
  if (epoch === state.epoch) return state.mature;
  return epoch === state.epoch + 1 ? state.young : EMPTY;
}

function withCandle(series: Series, candle: Candle, intervalMs: number): Series {
  const { next, closed } = addCandle(series.open, candle, intervalMs);
  return { ...(closed === null ? series : withBar(series, closed)), open: next };
}

function withBar(series: Series, bar: Bar): Series {
  return {
    open: series.open,
    state: addBar(series.state, bar),
    closes: [...series.closes.slice(-CLOSES + 1), bar.close],
  };
}
