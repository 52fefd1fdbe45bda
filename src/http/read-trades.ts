/** Trades, page by page, newest first. */

import type { z } from 'zod';
import { type PublishedTrade, publishedTrade } from '../domain/published.ts';
import type { Target } from '../domain/published-keys.ts';
import { listTrades, RECENT_TRADES } from '../store/trades.ts';
import type { Reader } from './known-models.ts';
import { type tradesQuery, writeTradeCursor } from './query.ts';

type Query = z.infer<typeof tradesQuery>;
type Page = { readonly trades: PublishedTrade[]; readonly more: boolean };

/** A page; `nextCursor` is there when older trades are. Throws NOF0_MODEL_UNKNOWN. */
export async function readTrades(reader: Reader, query: Query) {
  if (query.model_id !== undefined) await reader.knownModels.assert(query.model_id);
  const ids = await reader.knownModels.ids();
  const page = (await recentPage(reader, ids, query)) ?? (await storedPage(reader, query));
  const last = page.trades.at(-1);
  if (!page.more || last === undefined) return { trades: page.trades };
  return { trades: page.trades, nextCursor: writeTradeCursor({ exitTsMs: exitTsMs(last), id: last.id }) };
}

/** The recent lists that answer a query; null when they cannot. */
export function recentKeys(all: readonly string[], query: Query): Target[] | null {
  const { symbol, since, cursor, limit } = query;
  if (symbol !== undefined || since !== undefined || cursor !== undefined || limit > RECENT_TRADES) return null;
  if (query.model_id !== undefined && !all.includes(query.model_id)) return null;
  const ids = query.model_id === undefined ? all : [query.model_id];
  return ids.map((id) => ({ family: 'tradesRecent', ids: [id] }));
}

/**
 * The first page from the recent lists of the models; null when they cannot answer the query. A page that ends among trades of
 * the same moment is left to Postgres: which of them comes first is the database's order of ids, and the next page needs it.
 */
async function recentPage({ publisher }: Reader, all: readonly string[], query: Query): Promise<Page | null> {
  const { limit } = query;
  const keys = recentKeys(all, query);
  if (keys === null) return null;
  const lists = await publisher.readMany(keys);
  const merged = lists.flatMap((list) => list.map((text) => JSON.parse(text) as PublishedTrade)).sort(newestFirst);
  const last = merged[limit - 1];
  const neighbours = [merged[limit - 2], merged[limit]];
  if (last !== undefined && neighbours.some((other) => other?.exit_time === last.exit_time)) return null;
  const more = merged.length > limit || lists.some((list) => list.length >= RECENT_TRADES);
  return { trades: merged.slice(0, limit), more };
}

async function storedPage({ db }: Reader, query: Query): Promise<Page> {
  const rows = await listTrades(db, {
    modelId: query.model_id,
    symbol: query.symbol,
    sinceMs: query.since === undefined ? undefined : Math.round(query.since * 1000),
    after: query.cursor,
    limit: query.limit + 1,
  });
  return { trades: rows.slice(0, query.limit).map(publishedTrade), more: rows.length > query.limit };
}

function newestFirst(a: PublishedTrade, b: PublishedTrade): number {
  return b.exit_time - a.exit_time || (a.id < b.id ? -1 : Number(a.id > b.id));
}

function exitTsMs(trade: PublishedTrade): number {
  return Math.round(trade.exit_time * 1000);
}
