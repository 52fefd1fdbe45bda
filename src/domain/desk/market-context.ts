/** What the whole market does: sectors, breadth, volatility, and one word for all of it. Pure. */

import type { Bar } from '../bars.ts';
import { CANDLE_INTERVAL_MS } from '../market.ts';
import { isoTime, type MarketContext, type REGIMES } from './published.ts';

/** A stock of the universe at a moment. `change`: since the last close, as a fraction. */
export type Mover = { readonly sector: string | null; readonly change: number };

/** Smaller moves are none. */
const UNCHANGED = 0.0005;
const VOLATILE_VIX = 28;
const TREND = 0.006;
const DRIFT = 0.0008;
/** Share of the movers that must go the same way for a trend. */
const BROAD = 0.6;
/** Minutes of trading in a year, for annualising. */
const YEAR_MINUTES = 252 * 390;

/** `vix`: the index where the feed has one, else `realisedVolatility`. */
export function contextOf(movers: readonly Mover[], vix: number, nowMs: number): MarketContext {
  const advancing = movers.filter(({ change }) => change > UNCHANGED).length;
  const declining = movers.filter(({ change }) => change < -UNCHANGED).length;
  const sectors = [...new Set(movers.flatMap(({ sector }) => sector ?? []))].sort();
  return {
    sector_performance: Object.fromEntries(
      sectors.map((name) => [name, percent(mean(movers.filter(({ sector }) => sector === name)))]),
    ),
    market_breadth: { advancing, declining, unchanged: movers.length - advancing - declining },
    vix: Math.round(vix * 100) / 100,
    market_regime: regimeOf(mean(movers), { advancing, declining }, vix),
    timestamp: isoTime(nowMs),
  };
}

/** Annualised volatility, percent, of what the universe returns from one minute to the next; nights and pauses are no minutes. */
export function realisedVolatility(series: readonly (readonly Pick<Bar, 'openTsMs' | 'close'>[])[]): number {
  const minutes = new Map<number, { sum: number; count: number }>();
  for (const bars of series)
    bars.forEach(({ openTsMs, close }, index) => {
      const before = bars[index - 1];
      if (before === undefined || openTsMs - before.openTsMs !== CANDLE_INTERVAL_MS) return;
      const { sum, count } = minutes.get(openTsMs) ?? { sum: 0, count: 0 };
      minutes.set(openTsMs, { sum: sum + Math.log(close / before.close), count: count + 1 });
    });
  const returns = [...minutes.values()].map(({ sum, count }) => sum / count);
  if (returns.length < 2) return 0;
  const middle = returns.reduce((sum, value) => sum + value, 0) / returns.length;
  const variance = returns.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (returns.length - 1);
  return Math.sqrt(variance * YEAR_MINUTES) * 100;
}

function regimeOf(
  change: number,
  breadth: { readonly advancing: number; readonly declining: number },
  vix: number,
): (typeof REGIMES)[number] {
  if (vix >= VOLATILE_VIX) return 'volatile';
  const moving = Math.max(1, breadth.advancing + breadth.declining);
  if (change >= TREND && breadth.advancing / moving >= BROAD) return 'bullish_trend';
  if (change <= -TREND && breadth.declining / moving >= BROAD) return 'bearish_trend';
  if (change >= DRIFT) return 'bullish_consolidation';
  return change <= -DRIFT ? 'bearish_consolidation' : 'neutral';
}

function mean(movers: readonly Mover[]): number {
  return movers.length === 0 ? 0 : movers.reduce((sum, { change }) => sum + change, 0) / movers.length;
}

const percent = (fraction: number): number => Math.round(fraction * 10_000) / 100;
