/** What the market said: ticks, candles, contexts, funding prints, frames. Everything a provider's batch brings is one transaction. */

import type { MarketFrame } from '../domain/decision.ts';
import type { Asset, AssetContext, Candle, MarketBatch, Tick } from '../domain/market.ts';
import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS } from '../domain/market.ts';
import type { Database, Queryable } from './database.ts';
import { EFFECT_COLUMNS, EFFECT_LEASE_MS, type EffectRow, type NewEffect } from './effects.ts';
import { RELAXED } from './relaxed.ts';

/** Registers instruments, their symbols and their provider, with effects. Changed figures are updated. */
export function saveAssets(
  db: Queryable,
  provider: string,
  assets: readonly Asset[],
  effects: readonly NewEffect[] = [],
): Promise<EffectRow[]> {
  return db.query<EffectRow>(
    `WITH listed AS (
       SELECT * FROM jsonb_to_recordset($2::jsonb) AS a(symbol text, base text, quote text, precision int, "sizeDecimals" int, "maxLeverage" float8, "onlyIsolated" boolean, "isActive" boolean,
         "assetClass" text, "tickSize" float8, sector text)
     ), named AS (
       INSERT INTO symbols (symbol, quote_currency) SELECT symbol, quote FROM listed ON CONFLICT DO NOTHING
     ), watermark AS (
       INSERT INTO ingest_cursors (provider) VALUES ($1) ON CONFLICT DO NOTHING
     ), terms AS (
     INSERT INTO market_assets (provider, symbol, base, quote, precision, size_decimals, max_leverage, only_isolated, is_active, asset_class, tick_size, sector)
     SELECT $1, symbol, base, quote, precision, "sizeDecimals", "maxLeverage", "onlyIsolated", "isActive", coalesce("assetClass", 'perpetual'), "tickSize", sector FROM listed
     ON CONFLICT (provider, symbol) DO UPDATE SET base = excluded.base, quote = excluded.quote, precision = excluded.precision, size_decimals = excluded.size_decimals,
       max_leverage = excluded.max_leverage, only_isolated = excluded.only_isolated, is_active = excluded.is_active,
       asset_class = excluded.asset_class, tick_size = excluded.tick_size, sector = excluded.sector, updated_at = now()
     ) SELECT ${EFFECT_COLUMNS} FROM add_effects($3::jsonb, $4::int)`,
    [provider, JSON.stringify(assets), JSON.stringify(effects), EFFECT_LEASE_MS],
  );
}

export type IngestCursor = { readonly lastSeq: number; readonly watermarkMs: number };

/** How far the provider has been ingested. */
export async function ingestCursor(db: Queryable, provider: string): Promise<IngestCursor | null> {
  const rows = await db.query<IngestCursor>(
    `SELECT last_seq AS "lastSeq", watermark_ms AS "watermarkMs" FROM ingest_cursors WHERE provider = $1`,
    [provider],
  );
  return rows[0] ?? null;
}

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
 * is no longer `fromMs` (nor `fromMs` ANY_WATERMARK): somebody else was faster.
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
  candles AS (
    INSERT INTO price_candles (provider, symbol, interval, open_ts_ms, o, h, l, c, volume)
    SELECT $1, c.symbol, '${CANDLE_INTERVAL}', c."openTsMs", c.open, c.high, c.low, c.close, c.volume
    FROM cursor, jsonb_to_recordset($17::jsonb) AS c(symbol text, "openTsMs" bigint, open float8, high float8, low float8, close float8, volume float8)
    JOIN known USING (symbol) ON CONFLICT DO NOTHING
  ),
  contexts AS (
    INSERT INTO market_asset_ctx (provider, symbol, ts_ms, mark_price, mid_price, oracle_price, funding_rate, open_interest, volume_24h)
    SELECT $1, c.symbol, c."tsMs", c."markPrice", c."midPrice", c."oraclePrice", c."fundingRate", c."openInterest", c."volume24h"
    FROM cursor, jsonb_to_recordset($18::jsonb) AS c(symbol text, "tsMs" bigint, "markPrice" float8, "midPrice" float8, "oraclePrice" float8, "fundingRate" float8, "openInterest" float8, "volume24h" float8)
    JOIN known USING (symbol) ON CONFLICT DO NOTHING
  )
  SELECT cursor.refused, (SELECT count(*) FROM ticks) - (SELECT count(*) FROM stored) AS repeated, late.n AS late, e.*
  FROM cursor CROSS JOIN late LEFT JOIN LATERAL (SELECT ${EFFECT_COLUMNS} FROM add_effects($19::jsonb, $20::int)) e ON TRUE`;

const DAY_MS = 86_400_000;
const DUPLICATE_TABLE = '42P07';
/** Days that this process has seen a partition for. */
const knownDays = new WeakMap<object, Set<number>>();

/** Makes the partitions that the ticks need. Cheap after the first tick of a day. */
export async function ensurePartitions(db: Database, ticks: readonly Tick[]): Promise<void> {
  const seen = knownDays.get(db) ?? new Set<number>();
  knownDays.set(db, seen);
  const days = [...new Set(ticks.map((tick) => Math.floor(tick.tsMs / DAY_MS)))].filter((day) => !seen.has(day));
  for (const day of days) {
    await db.query('SELECT ensure_tick_partitions($1, $1)', [day * DAY_MS]).catch((error: unknown) => {
      // Another process met the new day at the same moment and was faster: that is what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === DUPLICATE_TABLE)) throw error;
    });
    seen.add(day);
  }
}

/** Makes the partitions of a stretch of market time. Returns how many there were not. */
export async function makePartitions(db: Queryable, fromMs: number, toMs: number): Promise<number> {
  const [row] = await db.query<{ made: number }>('SELECT ensure_tick_partitions($1, $2) AS made', [fromMs, toMs]);
  return row?.made ?? 0;
}

const NO_PARTITION = '23514';

/** Runs a statement that stores ticks; once more when a partition that this process has seen was archived since. */
export async function withPartitions<T>(db: Database, ticks: readonly Tick[], store: () => Promise<T>): Promise<T> {
  await ensurePartitions(db, ticks);
  try {
    return await store();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === NO_PARTITION)) throw error;
    knownDays.delete(db);
    await ensurePartitions(db, ticks);
    return store();
  }
}

export type SymbolTerms = { readonly symbol: string; readonly sizeDecimals: number; readonly maxLeverage: number };

/** The instruments of one provider or of all. */
export function marketAssets(
  db: Queryable,
  provider: string | null,
): Promise<(Asset & { readonly provider: string })[]> {
  return db.query(
    `SELECT provider, symbol, base, quote, precision, size_decimals AS "sizeDecimals", max_leverage AS "maxLeverage", only_isolated AS "onlyIsolated", is_active AS "isActive"
     FROM market_assets WHERE $1::text IS NULL OR provider = $1 ORDER BY provider, symbol`,
    [provider],
  );
}

/** Candles of a provider with fromMs ≤ open < toMs, oldest first. */
export async function candlesBetween(
  db: Queryable,
  provider: string,
  fromMs: number,
  toMs: number,
): Promise<Map<string, Candle[]>> {
  // Arrays cost a tenth of as many rows on the way through the driver.
  const rows = await db.query<{
    symbol: string;
    t: string[];
    o: number[];
    h: number[];
    l: number[];
    c: number[];
    v: number[];
  }>(
    `SELECT symbol, array_agg(open_ts_ms::float8 ORDER BY open_ts_ms) AS t, array_agg(o ORDER BY open_ts_ms) AS o, array_agg(h ORDER BY open_ts_ms) AS h,
            array_agg(l ORDER BY open_ts_ms) AS l, array_agg(c ORDER BY open_ts_ms) AS c, array_agg(volume ORDER BY open_ts_ms) AS v
     FROM price_candles WHERE provider = $1 AND interval = '${CANDLE_INTERVAL}' AND symbol = ANY(ARRAY(SELECT symbol FROM market_assets WHERE provider = $1))
       AND open_ts_ms >= $2 AND open_ts_ms < $3 GROUP BY symbol`,
    [provider, fromMs, toMs],
  );
  return new Map(
    rows.map((row) => [
      row.symbol,
      row.t.map((t, i) => ({
        symbol: row.symbol,
        openTsMs: Number(t),
        open: row.o[i] ?? 0,
        high: row.h[i] ?? 0,
        low: row.l[i] ?? 0,
        close: row.c[i] ?? 0,
        volume: row.v[i] ?? 0,
      })),
    ]),
  );
}

/** How many candles of a provider opened in [fromMs, toMs). Answered from the index alone. */
export async function countCandles(db: Queryable, provider: string, fromMs: number, toMs: number): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `SELECT count(*) AS count FROM price_candles WHERE provider = $1 AND interval = '${CANDLE_INTERVAL}'
       AND symbol = ANY(ARRAY(SELECT symbol FROM market_assets WHERE provider = $1)) AND open_ts_ms >= $2 AND open_ts_ms < $3`,
    [provider, fromMs, toMs],
  );
  return row?.count ?? 0;
}

/**
 * The newest context and price of each symbol at or before a moment. The price is the newest tick's; where none is old enough (the first
 * slot of a run lies before its first tick) the close of the newest candle that was known then.
 */
export function marketAsOf(
  db: Queryable,
  provider: string,
  tsMs: number,
): Promise<
  (AssetContext & {
    price: number;
    priceTsMs: number;
    sizeDecimals: number;
    tickSize: number | null;
    maxLeverage: number;
  })[]
> {
  return db.query(
    `SELECT a.symbol, a.size_decimals AS "sizeDecimals", a.tick_size AS "tickSize", a.max_leverage AS "maxLeverage", k.price, k."priceTsMs", c.ts_ms AS "tsMs", c.mark_price AS "markPrice",
            c.mid_price AS "midPrice", c.oracle_price AS "oraclePrice", c.funding_rate AS "fundingRate", c.open_interest AS "openInterest", c.volume_24h AS "volume24h"
     FROM market_assets a
     CROSS JOIN LATERAL (
       (SELECT price, ts_ms AS "priceTsMs" FROM price_ticks WHERE symbol = a.symbol AND provider = $1 AND ts_ms <= $2 ORDER BY ts_ms DESC LIMIT 1)
       UNION ALL
       (SELECT c, open_ts_ms + ${CANDLE_INTERVAL_MS} - 1 FROM price_candles
        WHERE provider = $1 AND symbol = a.symbol AND interval = '${CANDLE_INTERVAL}' AND open_ts_ms <= $2::bigint - ${CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT 1)
       ORDER BY "priceTsMs" DESC LIMIT 1
     ) k
     LEFT JOIN LATERAL (SELECT * FROM market_asset_ctx WHERE provider = $1 AND symbol = a.symbol AND ts_ms <= $2 ORDER BY ts_ms DESC LIMIT 1) c ON TRUE
     WHERE a.provider = $1 AND a.is_active ORDER BY a.symbol`,
    [provider, tsMs],
  );
}

export type StoredFrame = { readonly digest: string; readonly frame: MarketFrame };

export async function readFrame(db: Queryable, provider: string, slotMs: number): Promise<StoredFrame | null> {
  const rows = await db.query<{ digest: string; payload: MarketFrame }>(
    'SELECT digest, payload FROM market_frames WHERE market_provider = $1 AND slot_ms = $2',
    [provider, slotMs],
  );
  return rows[0] ? { digest: rows[0].digest, frame: rows[0].payload } : null;
}

/** Stored frames of these slots; a slot without one is left out. */
export async function readFrames(
  db: Queryable,
  provider: string,
  slots: readonly number[],
): Promise<Map<number, StoredFrame>> {
  const rows = await db.query<{ slotMs: number; digest: string; payload: MarketFrame }>(
    'SELECT slot_ms AS "slotMs", digest, payload FROM market_frames WHERE market_provider = $1 AND slot_ms = ANY($2::bigint[])',
    [provider, slots],
  );
  return new Map(rows.map(({ slotMs, digest, payload }) => [slotMs, { digest, frame: payload }]));
}

/** Slots of the newest frames, newest first. */
export async function newestFrameSlots(db: Queryable, provider: string, limit: number): Promise<number[]> {
  const rows = await db.query<{ slotMs: number }>(
    'SELECT slot_ms AS "slotMs" FROM market_frames WHERE market_provider = $1 ORDER BY slot_ms DESC LIMIT $2',
    [provider, limit],
  );
  return rows.map(({ slotMs }) => slotMs);
}

/** The slot's frame if there is one, and how far the market is known. */
export async function findFrame(
  db: Queryable,
  provider: string,
  slotMs: number,
): Promise<{ readonly stored: StoredFrame | null; readonly watermarkMs: number }> {
  const [row] = await db.query<{ digest: string | null; payload: MarketFrame; watermarkMs: number | null }>(
    `SELECT f.digest, f.payload, (SELECT watermark_ms FROM ingest_cursors WHERE provider = $1) AS "watermarkMs"
     FROM (SELECT $2::bigint AS slot_ms) s LEFT JOIN market_frames f ON f.market_provider = $1 AND f.slot_ms = s.slot_ms`,
    [provider, slotMs],
  );
  const stored = row?.digest ? { digest: row.digest, frame: row.payload } : null;
  return { stored, watermarkMs: row?.watermarkMs ?? 0 };
}

/**
 * Stores the frame unless the slot has one; returns the one that is stored, whoever wrote it, in the form that it is stored in. Processes
 * remember it, so it waits for the disk: `relaxed` only where one that was lost would come out the same.
 */
export async function keepFrame(
  db: Queryable,
  frame: MarketFrame,
  digest: string,
  { relaxed = false } = {},
): Promise<StoredFrame> {
  const [mine] = await db.query<{ digest: string; payload: MarketFrame }>(
    `${relaxed ? `WITH ${RELAXED}` : 'WITH relaxed AS (SELECT)'} INSERT INTO market_frames (market_provider, slot_ms, digest, payload)
     SELECT $1, $2, $3, $4::jsonb FROM relaxed ON CONFLICT DO NOTHING RETURNING digest, payload`,
    [frame.provider, frame.slotMs, digest, JSON.stringify(frame)],
  );
  if (mine) return { digest: mine.digest, frame: mine.payload };
  return (await readFrame(db, frame.provider, frame.slotMs)) ?? { digest, frame };
}
