/** Stocks of the desk: what is traded, and what it cost. Bars are the candles that every market has. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS, type Candle } from '../../domain/market.ts';
import type { Queryable } from '../database.ts';

export type Stock = { readonly symbol: string; readonly sector: string | null; readonly isActive: boolean };

/** Stocks and indices of a provider. */
export function listStocks(db: Queryable, provider: string): Promise<Stock[]> {
  return db.query<Stock>(
    `SELECT symbol, sector, is_active AS "isActive" FROM market_assets WHERE provider = $1 ORDER BY symbol`,
    [provider],
  );
}

/** The last closed bars of each symbol that were known at a moment, oldest first. */
export async function lastBars(
  db: Queryable,
  provider: string,
  symbols: readonly string[],
  knownAtMs: number,
  count: number,
): Promise<Map<string, Candle[]>> {
  // Arrays cost a tenth of as many rows on the way through the driver.
  const rows = await db.query<{ symbol: string } & Record<'t' | 'o' | 'h' | 'l' | 'c' | 'v', number[]>>(
    `SELECT s.symbol, array_agg(b.open_ts_ms::float8 ORDER BY b.open_ts_ms) AS t, array_agg(b.o ORDER BY b.open_ts_ms) AS o,
            array_agg(b.h ORDER BY b.open_ts_ms) AS h, array_agg(b.l ORDER BY b.open_ts_ms) AS l, array_agg(b.c ORDER BY b.open_ts_ms) AS c,
            array_agg(b.volume ORDER BY b.open_ts_ms) AS v
     FROM unnest($2::text[]) AS s(symbol) CROSS JOIN LATERAL (
       SELECT * FROM price_candles WHERE provider = $1 AND symbol = s.symbol AND interval = '${CANDLE_INTERVAL}'
         AND open_ts_ms <= $3::bigint - ${CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT $4
     ) b GROUP BY s.symbol`,
    [provider, symbols, knownAtMs, count],
  );
  return new Map(
    rows.map(({ symbol, t, o, h, l, c, v }) => [
      symbol,
      t.map((openTsMs, i) => ({
        ...{ symbol, openTsMs, open: o[i] ?? 0, high: h[i] ?? 0, low: l[i] ?? 0, close: c[i] ?? 0 },
        volume: v[i] ?? 0,
      })),
    ]),
  );
}

/** Of each symbol the last close before a moment, which is what a day's change is measured by. */
export async function closesBefore(db: Queryable, provider: string, tsMs: number): Promise<Map<string, number>> {
  const rows = await db.query<{ symbol: string; close: number }>(
    `SELECT a.symbol, b.c AS close FROM market_assets a CROSS JOIN LATERAL (
       SELECT c FROM price_candles WHERE provider = $1 AND symbol = a.symbol AND interval = '${CANDLE_INTERVAL}'
         AND open_ts_ms <= $2::bigint - ${CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT 1
     ) b WHERE a.provider = $1`,
    [provider, tsMs],
  );
  return new Map(rows.map(({ symbol, close }) => [symbol, close]));
}
