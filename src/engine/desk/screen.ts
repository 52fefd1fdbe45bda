/** The universe → the watchlist → ranked candidates, and entry signals of the best. Everything it sees was known at the slot. */

import { closedBars } from '../../domain/bars.ts';
import type { Session } from '../../domain/desk/calendar.ts';
import { type Candidate, rankCandidates, type Screened, watchlistOf } from '../../domain/desk/screening.ts';
import { refresh } from '../../domain/published-keys.ts';
import { latestSentiment } from '../../store/desk/news.ts';
import { addSignals, enteredSince, type SignalRow, saveScan } from '../../store/desk/signals.ts';
import { closesBefore, lastBars, listStocks } from '../../store/desk/stocks.ts';
import { openPositions } from '../../store/positions.ts';
import { type Desk, done, type Outcome, type Stories } from '../context.ts';
import { mayEnter } from './desk-package.ts';
import { commitWithEffects, deskOf, inSession } from './desk-story.ts';

/** Bars of the screen that its slowest signal needs, with some to spare. */
const BARS = 60;
const MINUTE_MS = 60_000;
/** A bar is current until the next but one has begun: a stock that is not traded has none. */
const CURRENT_BARS = 3;

/** Run again for the same slot it changes nothing: a scan is known by its time. */
export async function screenStocks(stories: Stories, slotMs: number): Promise<Outcome> {
  const desk = deskOf(stories);
  return inSession(stories, slotMs, async (session) => {
    const stocks = await screened(stories, desk, session, slotMs);
    const watchlist = watchlistOf(stocks, desk.settings.watchlist);
    const candidates = rankCandidates(stocks, watchlist, desk.settings.candidates);
    const entries = mayEnter(desk, slotMs) ? await entrySignals(stories, desk, candidates, slotMs) : [];
    await commitWithEffects(stories, 'equity-screen', async (tx) => {
      const isNew = await saveScan(tx, slotMs, watchlist, candidates);
      const added = isNew ? await addSignals(tx, entries) : [];
      return [
        refresh('watchlist'),
        refresh('candidates'),
        refresh('systemState'),
        ...added.map(({ type, symbol }) => refresh('stockSignal', type, symbol)),
      ];
    });
    return done({ watched: watchlist.length, candidates: candidates.length, entries: entries.length });
  });
}

async function screened(stories: Stories, desk: Desk, session: Session, slotMs: number): Promise<Screened[]> {
  const { db, market } = stories;
  const { barInterval } = desk.settings;
  const listed = (await listStocks(db, market.provider)).filter(({ isActive }) => isActive);
  const symbols = listed.map(({ symbol }) => symbol);
  const [bars, closes, sentiment] = await Promise.all([
    lastBars(db, market.provider, symbols, slotMs, Math.ceil((BARS * barInterval) / MINUTE_MS)),
    closesBefore(db, market.provider, session.openMs),
    latestSentiment(db, slotMs),
  ]);
  const moods = new Map(sentiment.map(({ symbol, score }) => [symbol, score]));
  return symbols.flatMap((symbol) => {
    const minutes = bars.get(symbol) ?? [];
    const price = minutes.at(-1)?.close;
    const before = closes.get(symbol);
    if (price === undefined) return [];
    const own = closedBars(minutes, barInterval, slotMs);
    const newestMs = own.at(-1)?.openTsMs ?? 0;
    return [
      {
        symbol,
        price,
        bars: own,
        isCurrent: newestMs >= session.openMs && newestMs + CURRENT_BARS * barInterval > slotMs,
        change: before === undefined ? null : price / before - 1,
        sentiment: moods.get(symbol) ?? 0,
      },
    ];
  });
}

/** The best candidates, unless they are held already or were signalled a short while ago. */
async function entrySignals(
  { db, market }: Stories,
  desk: Desk,
  candidates: readonly Candidate[],
  slotMs: number,
): Promise<SignalRow[]> {
  const held = (await openPositions(db, market.provider, [desk.modelId])).map(({ symbol }) => symbol);
  const resting = new Set([...held, ...(await enteredSince(db, slotMs - desk.settings.cooldown))]);
  return candidates
    .filter(({ symbol, score }) => score >= desk.settings.minScore && !resting.has(symbol))
    .map(({ symbol, score, price, signals: [reason = 'breakout'], macd, rsi }) => ({
      ...{ type: 'entry' as const, symbol, tsMs: slotMs, reason, price, confidence: score, positionId: null },
      indicators: { macd: rounded(macd, 4), rsi: rounded(rsi, 2) },
    }));
}

function rounded(value: number | null, decimals: number): number | null {
  return value === null ? null : Number(value.toFixed(decimals));
}
