/** What the market said: ticks, candles, contexts, funding prints. Everything that a provider's batch brings is one transaction. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS, type MarketBatch, type Tick } from '../domain/market.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, effectsIn, insertEffects, type NewEffect } from './effects.ts';
import { RELAXED } from './relaxed.ts';

/** A batch that belongs wherever the watermark is: what a feed heard comes in whatever order. */
export const ANY_WATERMARK = -1;

export type StoredBatch = {
  /** Ticks of symbols that nobody knows: left out. */
  readonly refused: number;
  /** Ticks that were there already: left alone. */
  readonly repeated: number;
  /** Ticks older than the newest price of their symbol was: stored, but no newest price. */
  readonly late: number;
  readonly effects: EffectRow[];
};

/**
 * Stores what became known in (fromMs, watermark]: ticks and funding prints numbered in time order, candles, contexts, the newest price of
 * each symbol if newer. One statement, so a batch is there whole or not at all, and the provider's row orders all batches. Rows that are
 * there already change nothing; those of unknown symbols are refused. `effects` are written with it. Null when the provider's watermark
 * is no longer `fromMs` (nor `fromMs` ANY_WATERMARK): somebody else was faster. Null too beyond the clock of a replay: a crash of the
 * database took back that the slot has fired, and slots before it may have to be worked again on what was known then.
 *
 * It need not reach the disk before the matcher goes on: the next commit that has to takes it there, and together with everything that
 * followed from it a lost batch is simply ingested again.
 */
export async function storeBatch(
  db: Queryable,
  provider: string,
  fromMs: number | null,
  batch: MarketBatch,
  effects: readonly NewEffect[],
): Promise<StoredBatch | null> {
  const { ticks, places, fundings, fundingPlaces, count } = numbered(batch);
  const newest = newestTicks(batch.ticks);
  const symbols = new Places();
  const sources = new Places();
  const rows = await db.query<EffectRow & Omit<StoredBatch, 'effects'>>(STORE, [
    provider,
    fromMs ?? 0,
    batch.watermarkMs,
    count,
    numbers(ticks.map((tick) => symbols.of(tick.symbol))),
    numbers(ticks.map((tick) => tick.price)),
    numbers(ticks.map((tick) => tick.tsMs)),
    numbers(ticks.map((tick) => sources.of(tick.source))),
    numbers(places),
    fundings.map((funding) => funding.symbol),
    fundings.map((funding) => funding.tsMs),
    fundings.map((funding) => funding.rate),
    fundingPlaces,
    newest.map((tick) => tick.symbol),
    newest.map((tick) => tick.price),
    newest.map((tick) => tick.tsMs),
    JSON.stringify(batch.candles),
    JSON.stringify(batch.contexts),
    JSON.stringify(effects),
    EFFECT_LEASE_MS,
    symbols.names,
    sources.names,
  ]);
  const [first] = rows;
  if (first === undefined) return null;
  const { refused, repeated, late } = first;
  return { refused, repeated, late, effects: rows.filter((row) => row.id !== null) };
}

/** An array of numbers as Postgres reads it. The driver would look for something to escape in each of them. */
function numbers(list: readonly number[]): string {
  return `{${list.join(',')}}`;
}

/** Names by the place, from 1, at which each came first. */
class Places {
  readonly names: string[] = [];
  readonly #places = new Map<string, number>();

  of(name: string): number {
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.names.push(name);
      this.#places.set(name, place);
    }
    return place;
  }
}

/** One numbering for both kinds, in the order of time: the matcher must see a funding print between the ticks before and after it. */
function numbered(batch: MarketBatch) {
  const ticks = inOrder(batch.ticks);
  const fundings = inOrder(batch.fundings);
  // Of a tick and a print of the same moment the tick comes first.
  let before = 0;
  const places = ticks.map((tick, index) => {
    while ((fundings[before]?.tsMs ?? Number.POSITIVE_INFINITY) < tick.tsMs) before += 1;
    return index + before + 1;
  });
  let earlier = 0;
  const fundingPlaces = fundings.map((funding, index) => {
    while ((ticks[earlier]?.tsMs ?? Number.POSITIVE_INFINITY) <= funding.tsMs) earlier += 1;
    return index + earlier + 1;
  });
  return { ticks, places, fundings, fundingPlaces, count: ticks.length + fundings.length };
}

function inOrder<T extends { readonly tsMs: number }>(rows: readonly T[]): readonly T[] {
  const sorted = rows.every((row, index) => index === 0 || (rows[index - 1]?.tsMs ?? 0) <= row.tsMs);
  return sorted ? rows : rows.toSorted((a, b) => a.tsMs - b.tsMs);
}

function newestTicks(ticks: readonly Tick[]): Tick[] {
  const latest = new Map<string, Tick>();
  for (const tick of ticks) if (tick.tsMs >= (latest.get(tick.symbol)?.tsMs ?? 0)) latest.set(tick.symbol, tick);
  return [...latest.values()];
}

/** An oracle price older than this says less about a funding print than the newest tick does. */
const ORACLE_FRESH_MS = 600_000;

const HOUR_MS = 3_600_000;

/**
 * The newest close that was known `backMs` before the context `x`, of the candles that come with the batch and of those that are there. Of
 * two for the same minute the stored one stays.
 */
const closeKnown = (backMs: number): string => `LATERAL (
      (SELECT c.close, c."openTsMs" AS open_ts_ms, 1 AS rank FROM fresh_candles c
       WHERE c.symbol = x.symbol AND c."openTsMs" <= x."tsMs" - ${backMs + CANDLE_INTERVAL_MS} ORDER BY 2 DESC LIMIT 1)
      UNION ALL
      (SELECT c, open_ts_ms, 0 FROM price_candles
       WHERE provider = $1 AND symbol = x.symbol AND interval = '${CANDLE_INTERVAL}' AND open_ts_ms <= x."tsMs" - ${backMs + CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT 1)
      ORDER BY open_ts_ms DESC, rank LIMIT 1
    )`;

/** What `changeOver` says of the same candles. */
const change = (name: string, spanMs: number): string =>
  `CASE WHEN ${name}.open_ts_ms < newest.open_ts_ms AND ${name}.open_ts_ms >= x."tsMs" - ${2 * spanMs} AND ${name}.close > 0
      THEN newest.close / ${name}.close - 1 END`;

/** The price of a funding print is the newest oracle price at or before it, else the newest tick's. */
const STORE = `WITH ${RELAXED},
  known AS (SELECT symbol FROM market_assets WHERE provider = $1),
  ticks AS MATERIALIZED (
    SELECT s.symbol, t.price, t.ts_ms, o.source, t.place
    FROM unnest($5::int[], $6::float8[], $7::bigint[], $8::int[], $9::int[]) AS t(symbol_at, price, ts_ms, source_at, place)
    JOIN (SELECT symbol, n FROM unnest($21::text[]) WITH ORDINALITY AS l(symbol, n) JOIN known USING (symbol)) s ON s.n = t.symbol_at
    JOIN unnest($22::text[]) WITH ORDINALITY AS o(source, n) ON o.n = t.source_at
  ),
  refused AS (SELECT cardinality($5::int[]) - count(*) AS n FROM ticks),
  cursor AS (
    UPDATE ingest_cursors c SET last_seq = c.last_seq + $4, watermark_ms = greatest(c.watermark_ms, $3), refused = c.refused + refused.n, updated_at = now()
    FROM refused, relaxed WHERE c.provider = $1 AND ($2::bigint = ${ANY_WATERMARK} OR c.watermark_ms = $2)
      AND NOT EXISTS (SELECT 1 FROM runs WHERE market_now_ms < $3)
    RETURNING c.last_seq - $4 AS base, refused.n AS refused
  ),
  stored AS (
    INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq, source)
    SELECT $1, t.symbol, t.price, t.ts_ms, base + t.place, t.source FROM cursor, ticks t ON CONFLICT DO NOTHING RETURNING 1
  ),
  late AS (SELECT count(*) AS n FROM ticks t JOIN price_latest l ON l.provider = $1 AND l.symbol = t.symbol AND t.ts_ms < l.ts_ms),
  fundings AS (
    INSERT INTO funding_rates (provider, symbol, ts_ms, rate, oracle_price, seq)
    SELECT $1, f.symbol, f.ts_ms, f.rate, coalesce(o.price, k.price), base + f.place
    FROM cursor, unnest($10::text[], $11::bigint[], $12::float8[], $13::int[]) AS f(symbol, ts_ms, rate, place) JOIN known USING (symbol)
    CROSS JOIN LATERAL (
      (SELECT price, ts_ms FROM ticks WHERE symbol = f.symbol AND ts_ms <= f.ts_ms ORDER BY ts_ms DESC LIMIT 1)
      UNION ALL
      (SELECT price, ts_ms FROM price_ticks WHERE symbol = f.symbol AND provider = $1 AND ts_ms <= f.ts_ms ORDER BY ts_ms DESC LIMIT 1)
      ORDER BY ts_ms DESC LIMIT 1
    ) k
    LEFT JOIN LATERAL (
      (SELECT "oraclePrice" AS price, "tsMs" AS ts_ms FROM jsonb_to_recordset($18::jsonb) AS c(symbol text, "tsMs" bigint, "oraclePrice" float8)
       WHERE symbol = f.symbol AND "tsMs" <= f.ts_ms AND "tsMs" > f.ts_ms - ${ORACLE_FRESH_MS} AND "oraclePrice" IS NOT NULL ORDER BY "tsMs" DESC LIMIT 1)
      UNION ALL
      (SELECT oracle_price, ts_ms FROM market_asset_ctx
       WHERE provider = $1 AND symbol = f.symbol AND ts_ms <= f.ts_ms AND ts_ms > f.ts_ms - ${ORACLE_FRESH_MS} AND oracle_price IS NOT NULL ORDER BY ts_ms DESC LIMIT 1)
      ORDER BY ts_ms DESC LIMIT 1
    ) o ON TRUE
    ON CONFLICT DO NOTHING
  ),
  latest AS (
    INSERT INTO price_latest (provider, symbol, price, ts_ms)
    SELECT $1, t.symbol, t.price, t.ts_ms FROM cursor, unnest($14::text[], $15::float8[], $16::bigint[]) AS t(symbol, price, ts_ms) JOIN known USING (symbol)
    ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, ts_ms = excluded.ts_ms, updated_at = now() WHERE price_latest.ts_ms < excluded.ts_ms
  ),
  fresh_candles AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($17::jsonb) AS c(symbol text, "openTsMs" bigint, open float8, high float8, low float8, close float8, volume float8)
  ),
  candles AS (
    INSERT INTO price_candles (provider, symbol, interval, open_ts_ms, o, h, l, c, volume)
    SELECT $1, c.symbol, '${CANDLE_INTERVAL}', c."openTsMs", c.open, c.high, c.low, c.close, c.volume
    FROM cursor, fresh_candles c JOIN known USING (symbol) ON CONFLICT DO NOTHING
  ),
  contexts AS (
    INSERT INTO market_asset_ctx (provider, symbol, ts_ms, mark_price, mid_price, oracle_price, funding_rate, open_interest, volume_24h, change_1h, change_4h)
    SELECT $1, x.symbol, x."tsMs", x."markPrice", x."midPrice", x."oraclePrice", x."fundingRate", x."openInterest", x."volume24h",
      ${change('hour', HOUR_MS)}, ${change('four', 4 * HOUR_MS)}
    FROM cursor, jsonb_to_recordset($18::jsonb) AS x(symbol text, "tsMs" bigint, "markPrice" float8, "midPrice" float8, "oraclePrice" float8, "fundingRate" float8, "openInterest" float8, "volume24h" float8)
    JOIN known USING (symbol)
    LEFT JOIN ${closeKnown(0)} newest ON TRUE
    LEFT JOIN ${closeKnown(HOUR_MS)} hour ON TRUE
    LEFT JOIN ${closeKnown(4 * HOUR_MS)} four ON TRUE
    ON CONFLICT DO NOTHING
  ),
  promised AS (${insertEffects(`cursor, ${effectsIn('$19::jsonb')}`, 'place', '$20::int')})
  SELECT cursor.refused, (SELECT count(*) FROM ticks) - (SELECT count(*) FROM stored) AS repeated, late.n AS late, e.*
  FROM cursor CROSS JOIN late LEFT JOIN promised e ON TRUE`;
