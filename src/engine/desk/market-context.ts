/** The market as a whole at a slot, from what was known then. */

import { contextOf, realisedVolatility } from '../../domain/desk/market-context.ts';
import { refresh } from '../../domain/published-keys.ts';
import { saveContext } from '../../store/desk/days.ts';
import { closesBefore, lastBars, listStocks } from '../../store/desk/stocks.ts';
import { done, type Outcome, type Stories } from '../context.ts';
import { commitWithEffects, deskOf, inSession } from './desk-story.ts';

/** The index whose level is the market's volatility; without it in the feed the realised one stands for it. */
const VOLATILITY_INDEX = 'VIX';
const VOLATILITY_BARS = 60;

export async function describeMarket(stories: Stories, slotMs: number): Promise<Outcome> {
  deskOf(stories);
  const { db, market } = stories;
  return inSession(stories, slotMs, async (session) => {
    const listed = await listStocks(db, market.provider);
    const symbols = listed.map(({ symbol }) => symbol);
    const [bars, closes] = await Promise.all([
      lastBars(db, market.provider, symbols, slotMs, VOLATILITY_BARS),
      closesBefore(db, market.provider, session.openMs),
    ]);
    const stocks = listed.filter(({ isActive }) => isActive);
    const movers = stocks.flatMap(({ symbol, sector }) => {
      const price = bars.get(symbol)?.at(-1)?.close;
      const before = closes.get(symbol);
      return price === undefined || before === undefined ? [] : [{ sector, change: price / before - 1 }];
    });
    const vix =
      bars.get(VOLATILITY_INDEX)?.at(-1)?.close ??
      realisedVolatility(stocks.map(({ symbol }) => bars.get(symbol) ?? []));
    await commitWithEffects(stories, 'market-context', async (tx) => {
      await saveContext(tx, slotMs, contextOf(movers, vix, slotMs));
      return [refresh('marketContext')];
    });
    return done({ stocks: movers.length });
  });
}
