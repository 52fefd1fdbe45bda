/** The indicators of a stock, on its minute bars. */

import { addBar, NO_BARS, readIndicators } from '../indicators.ts';
import { CANDLE_INTERVAL_MS, type Candle } from '../market.ts';
import { isoTime } from './published.ts';

/** The value of `stocks:indicators:{symbol}` as of the newest bar; null while the history is too short for all of it. */
export function stockIndicators(bars: readonly Candle[]): object | null {
  const { rsi14, macd, macdSignal, bollUpper, bollLower } = readIndicators(bars.reduce(addBar, NO_BARS));
  const newest = bars.at(-1);
  const isWhole = rsi14 !== null && macd !== null && macdSignal !== null && bollUpper !== null && bollLower !== null;
  if (!isWhole || newest === undefined) return null;
  return {
    rsi_14: rounded(rsi14, 2),
    macd: rounded(macd, 4),
    macd_signal: rounded(macdSignal, 4),
    bollinger_upper: rounded(bollUpper, 4),
    bollinger_lower: rounded(bollLower, 4),
    bollinger_width: rounded(bollUpper - bollLower, 4),
    timestamp: isoTime(newest.openTsMs + CANDLE_INTERVAL_MS),
  };
}

function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
