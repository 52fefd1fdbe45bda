/** Headlines and what they came to. */

import type { NewsItem } from '../../domain/desk/news.ts';
import type { Queryable } from '../database.ts';

export type ScoredNews = NewsItem & { readonly score: number };
export type Sentiment = {
  readonly symbol: string;
  readonly tsMs: number;
  readonly score: number;
  readonly newsCount: number;
};

/** Up to which moment headlines have been fetched; null when there is none yet. */
export async function newestNewsMs(db: Queryable): Promise<number | null> {
  const rows = await db.query<{ tsMs: number | null }>('SELECT max(ts_ms) AS "tsMs" FROM desk_news');
  return rows[0]?.tsMs ?? null;
}

/** Stores headlines; one that is known already stays as it is. */
export async function addNews(tx: Queryable, news: readonly ScoredNews[]): Promise<void> {
  if (news.length === 0) return;
  await tx.query(
    `INSERT INTO desk_news (symbol, id, headline, source, url, ts_ms, score)
     SELECT symbol, id, headline, source, url, "tsMs", score
     FROM jsonb_to_recordset($1::jsonb) AS n(symbol text, id text, headline text, source text, url text, "tsMs" bigint, score float8) ON CONFLICT DO NOTHING`,
    [JSON.stringify(news)],
  );
}

/** Headlines of (sinceMs, untilMs] of all stocks or of some, newest first. */
export function newsBetween(
  db: Queryable,
  range: { readonly sinceMs: number; readonly untilMs: number },
  symbols: readonly string[] | null = null,
): Promise<ScoredNews[]> {
  return db.query<ScoredNews>(
    `SELECT symbol, id, headline, source, url, ts_ms AS "tsMs", score FROM desk_news
     WHERE ts_ms > $1 AND ts_ms <= $2 AND ($3::text[] IS NULL OR symbol = ANY($3)) ORDER BY ts_ms DESC, id`,
    [range.sinceMs, range.untilMs, symbols],
  );
}

/** Stores the sentiment of stocks at a moment where it differs from what it was. Returns the symbols whose it is. */
export async function saveSentiment(tx: Queryable, rows: readonly Sentiment[]): Promise<string[]> {
  if (rows.length === 0) return [];
  const saved = await tx.query<{ symbol: string }>(
    `INSERT INTO desk_sentiment (symbol, ts_ms, score, news_count)
     SELECT n.symbol, n."tsMs", n.score, n."newsCount" FROM jsonb_to_recordset($1::jsonb) AS n(symbol text, "tsMs" bigint, score float8, "newsCount" int)
     LEFT JOIN LATERAL (SELECT score, news_count FROM desk_sentiment s WHERE s.symbol = n.symbol AND s.ts_ms < n."tsMs" ORDER BY ts_ms DESC LIMIT 1) o ON TRUE
     WHERE (o.score, o.news_count) IS DISTINCT FROM (n.score, n."newsCount") ON CONFLICT DO NOTHING RETURNING symbol`,
    [JSON.stringify(rows)],
  );
  return saved.map(({ symbol }) => symbol);
}

/** The newest sentiment of each stock, or the newest before a moment. */
export function latestSentiment(db: Queryable, beforeMs: number | null = null): Promise<Sentiment[]> {
  return db.query<Sentiment>(
    `SELECT DISTINCT ON (symbol) symbol, ts_ms AS "tsMs", score, news_count AS "newsCount" FROM desk_sentiment
     WHERE $1::bigint IS NULL OR ts_ms < $1 ORDER BY symbol, ts_ms DESC`,
    [beforeMs],
  );
}
