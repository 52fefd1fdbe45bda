/** What the stock market said since the last time; while the exchange sleeps nobody asks it. */

import { openSession } from '../../domain/desk/calendar.ts';
import { CANDLE_INTERVAL_MS } from '../../domain/market.ts';
import { type Outcome, type Stories, skipped } from '../context.ts';
import { ingestPrices } from '../ingest-prices.ts';
import { deskOf } from './desk-story.ts';

/** Outside a session once a minute, which brings the last bars of the day and lets the market's clock go on. */
export async function ingestStocks(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<Outcome> {
  const { ingest } = deskOf(stories).settings.schedules;
  const isAsleep = !stories.clock.repeats && openSession(asOfMs) === null;
  if (isAsleep && asOfMs % CANDLE_INTERVAL_MS >= ingest) return skipped('no session runs');
  return ingestPrices(stories, asOfMs, signal);
}
