/** Where headlines come from: invented ones, or those of a recording. */

import { sessionBefore, sessionOf } from '../../domain/desk/calendar.ts';
import type { NewsItem } from '../../domain/desk/news.ts';
import { uniform } from '../../domain/random.ts';
import type { NewsFeed } from '../market-data.ts';

/** Headlines that are known from the start. */
export function recordedNews(items: readonly NewsItem[]): NewsFeed {
  const ordered = items.toSorted((a, b) => a.tsMs - b.tsMs || (a.id < b.id ? -1 : 1));
  return {
    fetch: async (fromMs, toMs, signal) => {
      signal?.throwIfAborted();
      return ordered.filter(({ tsMs }) => tsMs > (fromMs ?? 0) && tsMs <= toMs);
    },
  };
}

const PHRASES = [
  'beats estimates as profit rises',
  'shares surge on record quarter',
  'raises its outlook for the year',
  'upgraded on strong growth',
  'announces a partnership in cloud services',
  'holds its annual meeting of shareholders',
  'presents at an industry conference',
  'misses estimates as sales drop',
  'downgraded on weak demand',
  'warns of slowdown in orders',
  'faces a lawsuit over its products',
] as const;
const SOURCES = ['Market Wire', 'Daily Ledger', 'The Exchange'] as const;
const A_DAY = 4;

/** Invented headlines about the symbols: on the evening before a session, and during it. */
export function inventNews(seed: string, day: string, symbols: readonly string[]): NewsFeed {
  const last = sessionOf(day);
  if (last === null) return recordedNews([]);
  const fromMs = sessionBefore(day).closeMs;
  return recordedNews(
    symbols.flatMap((symbol) =>
      Array.from({ length: A_DAY }, (_, i) => {
        const of = (what: string) => uniform(seed, 'news', symbol, day, i, what);
        const tsMs = Math.floor((fromMs + of('time') * (last.closeMs - fromMs)) / 1000) * 1000;
        const id = `${symbol.toLowerCase()}-${day}-${i}`;
        return {
          ...{ id, symbol, tsMs, url: `https://example.com/news/${id}` },
          headline: `${symbol} ${PHRASES[Math.floor(of('phrase') * PHRASES.length)] ?? PHRASES[0]}`,
          source: SOURCES[Math.floor(of('source') * SOURCES.length)] ?? SOURCES[0],
        };
      }),
    ),
  );
}
