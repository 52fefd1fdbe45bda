/** Closed candles of one symbol, page by page. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS, type Candle } from '../../domain/market.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { candlesBody, toCandle } from './bodies.ts';

/** Time-range answers hold at most this many rows. */
const PAGE_ROWS = 500;

/**
 * Candles that were closed in (fromMs, toMs], oldest first. The last row of an answer is usually still open: it is left out by its
 * time, not by its place. Both times are the provider's. `onPage` hears of every page, for whoever stores them one by one.
 */
export async function closedCandles(
  client: HyperliquidClient,
  symbol: string,
  { fromMs, toMs }: { fromMs: number; toMs: number },
  signal?: AbortSignal,
  onPage?: (candles: readonly Candle[]) => Promise<void>,
): Promise<Candle[]> {
  const candles: Candle[] = [];
  // Closed after fromMs: opened after fromMs − interval.
  let next = Math.floor((fromMs - CANDLE_INTERVAL_MS) / CANDLE_INTERVAL_MS) * CANDLE_INTERVAL_MS + CANDLE_INTERVAL_MS;
  const lastOpen = Math.floor((toMs - CANDLE_INTERVAL_MS) / CANDLE_INTERVAL_MS) * CANDLE_INTERVAL_MS;
  while (next <= lastOpen) {
    const endTime = Math.min(lastOpen, next + (PAGE_ROWS - 1) * CANDLE_INTERVAL_MS);
    const req = { coin: symbol, interval: CANDLE_INTERVAL, startTime: next, endTime };
    const rows = await client.info({ type: 'candleSnapshot', req }, candlesBody, 'market', signal);
    const page = rows
      .filter((bar) => bar.s === symbol && bar.i === CANDLE_INTERVAL && bar.t >= next && bar.t <= endTime)
      .map(toCandle)
      .sort((a, b) => a.openTsMs - b.openTsMs);
    candles.push(...page);
    if (page.length > 0) await onPage?.(page);
    next = endTime + CANDLE_INTERVAL_MS;
  }
  return candles;
}
