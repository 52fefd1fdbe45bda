/** Candles that are not there, and how far somebody has looked. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS } from '../domain/market.ts';
import type { Queryable } from './database.ts';

/** Both ends are opens and belong to the gap. */
export type CandleGap = { readonly fromOpenMs: number; readonly toOpenMs: number; readonly candles: number };

/** Stretches of a symbol's one-minute candles that are not there, oldest first. */
export function candleGaps(
  db: Queryable,
  provider: string,
  symbol: string,
  range: { readonly fromMs: number; readonly toMs: number },
): Promise<CandleGap[]> {
  return db.query<CandleGap>(
    `WITH missing AS (
       SELECT g AS t, g / ${CANDLE_INTERVAL_MS} - row_number() OVER (ORDER BY g) AS island
       FROM generate_series($3::bigint, $4::bigint, ${CANDLE_INTERVAL_MS}) g
       WHERE NOT EXISTS (SELECT 1 FROM price_candles WHERE provider = $1 AND symbol = $2 AND interval = '${CANDLE_INTERVAL}' AND open_ts_ms = g)
     )
     SELECT min(t) AS "fromOpenMs", max(t) AS "toOpenMs", count(*) AS candles FROM missing GROUP BY island ORDER BY min(t)`,
    [
      provider,
      symbol,
      Math.ceil(range.fromMs / CANDLE_INTERVAL_MS) * CANDLE_INTERVAL_MS,
      Math.floor(range.toMs / CANDLE_INTERVAL_MS - 1) * CANDLE_INTERVAL_MS,
    ],
  );
}

export type CandleCheck = { readonly symbol: string; readonly checkedMs: number };

/** Up to where each active symbol has been looked at; at first, its oldest candle. Symbols without any candle are left out. */
export function candleChecks(db: Queryable, provider: string): Promise<CandleCheck[]> {
  return db.query<CandleCheck>(
    `SELECT a.symbol, coalesce(c.checked_ms, o.open_ts_ms) AS "checkedMs"
     FROM market_assets a
     LEFT JOIN candle_checks c ON c.provider = a.provider AND c.symbol = a.symbol AND c.interval = '${CANDLE_INTERVAL}'
     CROSS JOIN LATERAL (
       SELECT open_ts_ms FROM price_candles WHERE provider = a.provider AND symbol = a.symbol AND interval = '${CANDLE_INTERVAL}' ORDER BY open_ts_ms LIMIT 1
     ) o
     WHERE a.provider = $1 AND a.is_active ORDER BY a.symbol`,
    [provider],
  );
}

/** Everything that opens before `checkedMs` has been looked at, and `missing` more of it nobody has. Never moves back. */
export async function moveCandleCheck(
  db: Queryable,
  provider: string,
  check: CandleCheck & { readonly beforeMs: number; readonly missing: number },
): Promise<void> {
  await db.query(
    `INSERT INTO candle_checks AS c (provider, symbol, interval, checked_ms, missing) VALUES ($1, $2, '${CANDLE_INTERVAL}', $3, $4)
     ON CONFLICT (provider, symbol, interval) DO UPDATE SET checked_ms = excluded.checked_ms, missing = c.missing + excluded.missing, updated_at = now()
     WHERE c.checked_ms = $5`,
    [provider, check.symbol, check.checkedMs, check.missing, check.beforeMs],
  );
}
