/** Looks for candles that are missing in what is stored, and asks the market for them, a bounded piece at a time. */

import { CANDLE_INTERVAL_MS } from '../domain/market.ts';
import { type CandleCheck, candleChecks, candleGaps, moveCandleCheck } from '../store/candle-gaps.ts';
import { fillGap, hasPast } from './backfill.ts';
import { done, type Outcome, type Stories, skipped } from './context.ts';

/** The newest candles are left alone for so long: whoever ingests them may only be late. */
export const SETTLED_MS = 10 * CANDLE_INTERVAL_MS;
/** One look at a symbol. */
const WINDOW_MS = 24 * 60 * CANDLE_INTERVAL_MS;

type Filled = { readonly missing: number; readonly stored: number; readonly left: number };

/**
 * Goes on where the last run ended, symbol by symbol, and ends when everything has been looked at or `mostCandles` have been asked for.
 * What a market has no candle for is asked for once: the place up to which a symbol was looked at moves on behind it. It moves only when
 * the answer is stored, so a run that dies in the middle is done again from there.
 */
export async function fillGaps(
  stories: Stories,
  asOfMs: number,
  signal: AbortSignal,
  mostCandles = stories.config.arena.gaps.candlesPerRun,
): Promise<Outcome> {
  if (!hasPast(stories)) return skipped(`a ${stories.market.provider} market cannot be asked for its past`);
  const settled = stories.clock.now(asOfMs) - SETTLED_MS;
  const untilMs = Math.floor(settled / CANDLE_INTERVAL_MS) * CANDLE_INTERVAL_MS;
  const labels = { provider: stories.market.provider };
  let total: Filled = { missing: 0, stored: 0, left: mostCandles };
  for (const check of await candleChecks(stories.db, stories.market.provider)) {
    let at = check;
    while (at.checkedMs < untilMs && total.left > 0) {
      signal.throwIfAborted();
      const step = await fillWindow(stories, at, Math.min(untilMs, at.checkedMs + WINDOW_MS), total.left, signal);
      at = { ...at, checkedMs: step.checkedMs };
      stories.metrics.candlesFilled.inc(labels, step.stored);
      stories.metrics.candlesMissing.inc(labels, step.missing - step.stored);
      total = { missing: total.missing + step.missing, stored: total.stored + step.stored, left: step.left };
    }
  }
  return done({ missing: total.missing, stored: total.stored, complete: total.left > 0 });
}

/** One symbol up to `untilMs`, or to the candle with which the rest of what may be asked for is used up. */
async function fillWindow(
  stories: Stories,
  { symbol, checkedMs }: CandleCheck,
  untilMs: number,
  mostCandles: number,
  signal: AbortSignal,
): Promise<Filled & { readonly checkedMs: number }> {
  const { db, market } = stories;
  let [left, missing, stored, reachedMs] = [mostCandles, 0, 0, untilMs];
  for (const gap of await candleGaps(db, market.provider, symbol, { fromMs: checkedMs, toMs: untilMs })) {
    const candles = Math.min(gap.candles, left);
    const toOpenMs = gap.fromOpenMs + (candles - 1) * CANDLE_INTERVAL_MS;
    await fillGap(stories, symbol, { fromOpenMs: gap.fromOpenMs, toOpenMs }, signal, (count) => {
      stored += count;
    });
    missing += candles;
    left -= candles;
    if (left > 0) continue;
    reachedMs = toOpenMs + CANDLE_INTERVAL_MS;
    break;
  }
  await moveCandleCheck(db, market.provider, {
    ...{ symbol, checkedMs: reachedMs, beforeMs: checkedMs },
    missing: missing - stored,
  });
  return { checkedMs: reachedMs, missing, stored, left };
}
