/** The bodies of the stock data API, and what becomes of them. Unknown fields are ignored, known ones are checked. */

import { z } from 'zod';
import type { NewsItem } from '../../domain/desk/news.ts';
import type { Candle } from '../../domain/market.ts';

/** RFC 3339 with up to nanoseconds; Unix ms. */
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const price = z.number().positive();
const size = z.number().nonnegative();
const pageToken = z.string().min(1).max(2000).nullish();

/** What each symbol has is read symbol by symbol: one at fault does not take the others with it. */
export const barsBody = z.object({
  bars: z.record(z.string(), z.unknown()).nullable(),
  next_page_token: pageToken,
});
export const quotesBody = z.object({ quotes: z.record(z.string(), z.unknown()) });
export const newsBody = z.object({ news: z.array(z.unknown()).nullable(), next_page_token: pageToken });

/** The bars of one symbol. */
export const barsOfSymbol = z.array(
  z
    .object({ t: time, o: price, h: price, l: price, c: price, v: size })
    .refine(({ o, h, l, c }) => l <= Math.min(o, c) && h >= Math.max(o, c), 'low ≤ open, close ≤ high'),
);

/** The newest quote of one symbol. A side that nobody quotes has price 0. */
export const quoteOfSymbol = z.object({ t: time, ap: size, bp: size });

const headline = z.object({
  id: z.union([z.int(), z.string().min(1)]).transform(String),
  headline: z.string().trim().min(1),
  source: z.string().nullish(),
  url: z.string().nullish(),
  created_at: time,
  symbols: z.array(z.string()),
});

export function toCandle(symbol: string, { t, o, h, l, c, v }: z.infer<typeof barsOfSymbol>[number]): Candle {
  return { symbol, openTsMs: t, open: o, high: h, low: l, close: c, volume: v };
}

/** Beyond it a quote says nothing about what somebody would pay: single venues quote far away from the market when they are quiet. */
const MAX_SPREAD = 0.01;

/** The middle of a quote that has two sides near to each other; else null. */
export function midOf({ ap, bp }: z.infer<typeof quoteOfSymbol>): number | null {
  if (ap <= 0 || bp <= 0 || ap < bp || ap - bp > MAX_SPREAD * bp) return null;
  // Prices of stocks have at most four decimals; halves of them one more.
  return Math.round(((ap + bp) / 2) * 1e5) / 1e5;
}

const MAX_HEADLINE = 500;
const MAX_SOURCE = 100;
const MAX_URL = 1000;

/** A headline for each of the symbols that it names; null when it is none. */
export function readHeadline(row: unknown, listed: ReadonlySet<string>): NewsItem[] | null {
  const parsed = headline.safeParse(row);
  if (!parsed.success) return null;
  const { id, headline: text, source, url, created_at: tsMs, symbols } = parsed.data;
  return [...new Set(symbols)]
    .filter((symbol) => listed.has(symbol))
    .map((symbol) => ({
      ...{ id: id.slice(0, 200), symbol, tsMs },
      headline: text.slice(0, MAX_HEADLINE),
      source: (source || 'unknown').slice(0, MAX_SOURCE),
      // It becomes a link on a page: nothing but a web address may.
      url: /^https?:\/\//i.test(url ?? '') && (url ?? '').length <= MAX_URL ? (url ?? '') : '',
    }));
}
