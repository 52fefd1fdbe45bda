/** Headlines since the last time, scored, and what they come to for their stocks. */

import { NEWS_SPAN_MS, sentimentOf } from '../../domain/desk/sentiment.ts';
import { refresh } from '../../domain/published-keys.ts';
import {
  addNews,
  latestSentiment,
  newestNewsMs,
  newsBetween,
  type ScoredNews,
  type Sentiment,
  saveSentiment,
} from '../../store/desk/news.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import { done, type Outcome, type Stories, skipped } from '../context.ts';
import { commitWithEffects, deskOf } from './desk-story.ts';
import { scoreNews } from './score-news.ts';

const nameOf = ({ symbol, id }: Pick<ScoredNews, 'symbol' | 'id'>): string => `${symbol} ${id}`;

/** Run again it finds the headlines there; the sentiment of a slot is stored once. */
export async function readNews(stories: Stories, slotMs: number, signal: AbortSignal): Promise<Outcome> {
  deskOf(stories);
  const { db, market } = stories;
  const feed = market.news;
  if (feed === undefined) return skipped('this market has no headlines');
  const sinceMs = (await newestNewsMs(db)) ?? slotMs - NEWS_SPAN_MS;
  const fresh = await crossing('call news.fetch', () => feed.fetch(sinceMs, slotMs, signal));
  const listed = new Set((await market.assets(signal)).map(({ symbol }) => symbol));
  const known = await newsBetween(db, { sinceMs: slotMs - NEWS_SPAN_MS, untilMs: slotMs });
  const stored = new Set(known.map(nameOf));
  const items = fresh.filter((item) => listed.has(item.symbol) && !stored.has(nameOf(item)));
  const scored = await scoreNews(stories, items, slotMs, signal);
  const sentiment = [
    ...sentiments([...known, ...scored], slotMs),
    ...(await forgotten(stories, [...known, ...scored], slotMs)),
  ];
  signal.throwIfAborted();
  await commitWithEffects(stories, 'news-sentiment', async (tx) => {
    await addNews(tx, scored);
    return (await saveSentiment(tx, sentiment)).map((symbol) => refresh('stockSentiment', symbol));
  });
  return done({ headlines: scored.length });
}

/** Stocks about which nobody has written for a day: what was said before says nothing any more. */
async function forgotten({ db }: Stories, news: readonly ScoredNews[], tsMs: number): Promise<Sentiment[]> {
  const written = new Set(news.map(({ symbol }) => symbol));
  return (await latestSentiment(db, tsMs))
    .filter(({ symbol, newsCount }) => newsCount > 0 && !written.has(symbol))
    .map(({ symbol }) => ({ symbol, tsMs, score: 0, newsCount: 0 }));
}

function sentiments(news: readonly ScoredNews[], slotMs: number) {
  const unique = [...new Map(news.map((item) => [nameOf(item), item])).values()];
  return [...new Set(unique.map(({ symbol }) => symbol))].sort().map((symbol) => {
    const own = unique.filter((item) => item.symbol === symbol);
    return { symbol, tsMs: slotMs, score: sentimentOf(own, slotMs), newsCount: own.length };
  });
}
