/** Equity over time as it is drawn: at most so many points, each one look into an index, so a curve costs the same at any age. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS } from '../domain/market.ts';
import type { Queryable } from './database.ts';

export type GridPoint = { readonly modelId: string; readonly tsMs: number; readonly equityUsd: number };
export type Span = { readonly fromMs: number; readonly toMs: number };

/** From the first model's beginning, or a later moment, to the newest snapshot. Null: nothing has been recorded. */
export async function equitySpan(db: Queryable, sinceMs: number | null): Promise<Span | null> {
  const [row] = await db.query<{ fromMs: number | null; toMs: number | null }>(
    `SELECT greatest(min(a.inception_ts_ms), $1::bigint) AS "fromMs", max(newest.ts_ms) AS "toMs" FROM accounts a
     LEFT JOIN LATERAL (SELECT ts_ms FROM account_equity_snapshots WHERE model_id = a.model_id ORDER BY ts_ms DESC LIMIT 1) newest ON TRUE`,
    [sinceMs],
  );
  return row?.fromMs == null || row.toMs === null ? null : { fromMs: row.fromMs, toMs: row.toMs };
}

/** The last snapshot of each step of the span, named by the end of the step: all models have the same moments. Oldest first. */
export function equityGrid(db: Queryable, { fromMs, toMs }: Span, stepMs: number): Promise<GridPoint[]> {
  return db.query<GridPoint>(
    `SELECT a.model_id AS "modelId", at AS "tsMs", s.equity_usd AS "equityUsd" FROM accounts a
     CROSS JOIN LATERAL generate_series($2::bigint, greatest($1::bigint, a.inception_ts_ms), -$3::bigint) AS at
     CROSS JOIN LATERAL (SELECT equity_usd FROM account_equity_snapshots
       WHERE model_id = a.model_id AND ts_ms <= at AND ts_ms > at - $3::bigint ORDER BY ts_ms DESC LIMIT 1) s
     ORDER BY at, a.model_id`,
    [fromMs, toMs, stepMs],
  );
}

export type HeldPoint = { readonly tsMs: number; readonly price: number };
export type Held = {
  /** What the first model began with, USD, and the price then. */
  readonly equityUsd: number;
  readonly price: number;
  readonly tsMs: number;
  readonly points: readonly HeldPoint[];
};

/**
 * The price of what the baseline holds at each of the moments, as far as one is known: a tick's, a candle's, or the one that the
 * baseline itself kept. Null before the baseline has begun, and where a model of the same name (an import's) speaks for itself.
 */
export async function heldPrices(
  db: Queryable,
  { id, symbol }: { readonly id: string; readonly symbol: string },
  momentsMs: readonly number[],
): Promise<Held | null> {
  const [first] = await db.query<{ tsMs: number; price: number; equityUsd: number }>(
    `SELECT ts_ms AS "tsMs", price, equity_usd AS "equityUsd" FROM baseline_hours
     WHERE baseline = $1 AND hour = -1 AND NOT EXISTS (SELECT 1 FROM models WHERE id = $1)`,
    [id],
  );
  if (first === undefined) return null;
  const points = await db.query<HeldPoint>(
    `WITH market AS (SELECT market_provider AS provider FROM models WHERE exchange_provider <> 'import' ORDER BY id LIMIT 1)
     SELECT x.at AS "tsMs", known.price FROM unnest($3::bigint[]) AS x(at) CROSS JOIN market CROSS JOIN LATERAL (
       (SELECT price, ts_ms FROM price_ticks WHERE symbol = $2 AND provider = market.provider AND ts_ms <= x.at ORDER BY ts_ms DESC LIMIT 1)
       UNION ALL
       (SELECT c, open_ts_ms + ${CANDLE_INTERVAL_MS} - 1 FROM price_candles WHERE provider = market.provider AND symbol = $2
          AND interval = '${CANDLE_INTERVAL}' AND open_ts_ms <= x.at - ${CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT 1)
       UNION ALL
       (SELECT price, ts_ms FROM baseline_hours WHERE baseline = $1 AND ts_ms <= x.at ORDER BY hour DESC LIMIT 1)
       ORDER BY ts_ms DESC LIMIT 1
     ) known ORDER BY x.at`,
    [id, symbol, momentsMs.filter((at) => at >= first.tsMs)],
  );
  return { ...first, points };
}
