/** The baseline: what a model's start equity would have become, held in one asset from the first model's beginning on. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS } from '../domain/market.ts';
import type { Queryable } from './database.ts';
import { CURVE_POINTS, type CurvePoint } from './equity.ts';

export type BaselineHour = {
  readonly baseline: string;
  /** Whole hours since the baseline began; −1 is its beginning. */
  readonly hour: number;
  readonly tsMs: number;
  readonly equityUsd: number;
  readonly initialEquityUsd: number;
  readonly inceptionTsMs: number;
};

/** The newest price that was known at a moment (`$x.at_ms`): a tick's, else the close of a candle that had ended. */
const PRICE_AT = `CROSS JOIN LATERAL (
       (SELECT price, ts_ms FROM price_ticks WHERE symbol = $3 AND provider = $2 AND ts_ms <= x.at_ms ORDER BY ts_ms DESC LIMIT 1)
       UNION ALL
       (SELECT c, open_ts_ms + ${CANDLE_INTERVAL_MS} - 1 FROM price_candles
        WHERE provider = $2 AND symbol = $3 AND interval = '${CANDLE_INTERVAL}' AND open_ts_ms <= x.at_ms - ${CANDLE_INTERVAL_MS} ORDER BY open_ts_ms DESC LIMIT 1)
       ORDER BY ts_ms DESC LIMIT 1
     ) known`;

/**
 * Adds the hours up to a moment; the hour that is running has the price of now. It begins with the first of the models, at the price
 * known then, and not at all where there is none. Run twice it changes nothing.
 */
export async function extendBaseline(
  db: Queryable,
  baseline: string,
  market: { readonly provider: string; readonly symbol: string },
  modelIds: readonly string[],
  nowMs: number,
): Promise<void> {
  await db.query(
    `INSERT INTO baseline_hours (baseline, hour, ts_ms, price, equity_usd)
     SELECT $1, -1, x.at_ms, known.price, x.equity FROM (
       SELECT inception_ts_ms AS at_ms, initial_equity_usd AS equity FROM accounts WHERE model_id = ANY($4::text[]) ORDER BY inception_ts_ms, model_id LIMIT 1
     ) x ${PRICE_AT} WHERE NOT EXISTS (SELECT 1 FROM baseline_hours WHERE baseline = $1) AND known.price > 0
     ON CONFLICT DO NOTHING`,
    [baseline, market.provider, market.symbol, modelIds],
  );
  await db.query(
    `WITH first AS (
       SELECT ts_ms, price, equity_usd FROM baseline_hours WHERE baseline = $1 AND hour = -1
     ), x AS (
       SELECT hours.hour, least($4::bigint, first.ts_ms + (hours.hour + 1) * 3600000 - 1) AS at_ms, first.price AS base, first.equity_usd AS equity
       FROM first, generate_series(greatest(0, (SELECT max(hour) FROM baseline_hours WHERE baseline = $1)), ($4::bigint - first.ts_ms) / 3600000) AS hours(hour)
     )
     INSERT INTO baseline_hours AS b (baseline, hour, ts_ms, price, equity_usd)
     SELECT $1, x.hour, x.at_ms, known.price, x.equity * known.price / x.base FROM x ${PRICE_AT}
     ON CONFLICT (baseline, hour) DO UPDATE SET ts_ms = excluded.ts_ms, price = excluded.price, equity_usd = excluded.equity_usd WHERE b.ts_ms < excluded.ts_ms`,
    [baseline, market.provider, market.symbol, nowMs],
  );
}

const COLUMNS = `b.baseline, b.hour, b.ts_ms AS "tsMs", b.equity_usd AS "equityUsd", f.equity_usd AS "initialEquityUsd", f.ts_ms AS "inceptionTsMs"`;
/** Hours with their beginning. A model of the same name (an import brings the original's baseline along) speaks for itself. */
const HOURS = `baseline_hours b JOIN baseline_hours f ON f.baseline = b.baseline AND f.hour = -1 AND NOT EXISTS (SELECT 1 FROM models WHERE id = b.baseline)`;

/** Where each baseline began. */
export function baselines(db: Queryable): Promise<BaselineHour[]> {
  return db.query<BaselineHour>(`SELECT ${COLUMNS} FROM ${HOURS} WHERE b.hour = -1 ORDER BY b.baseline`);
}

/** The hours of the baselines between two, both included, oldest first. */
export function baselineHours(db: Queryable, fromHour: number, toHour: number): Promise<BaselineHour[]> {
  return db.query<BaselineHour>(
    `SELECT ${COLUMNS} FROM ${HOURS} WHERE b.hour BETWEEN $1 AND $2 AND b.hour >= 0 ORDER BY b.hour, b.baseline`,
    [fromHour, toHour],
  );
}

/** The newest hours of baselines, oldest first. */
export function baselineHoursOf(db: Queryable, ids: readonly string[], hours: number): Promise<BaselineHour[]> {
  return db.query<BaselineHour>(
    `SELECT ${COLUMNS} FROM ${HOURS} WHERE b.baseline = ANY($1::text[]) AND b.hour >= 0
       AND b.hour > (SELECT max(hour) FROM baseline_hours WHERE baseline = b.baseline) - $2::int ORDER BY b.baseline, b.hour`,
    [ids, hours],
  );
}

/** Curves of baselines, oldest point first, thinned like those of the models. */
export function baselineCurves(db: Queryable, ids: readonly string[]): Promise<CurvePoint[]> {
  return db.query<CurvePoint>(
    `SELECT b.baseline AS "modelId", b.ts_ms AS timestamp, b.equity_usd AS value FROM ${HOURS}
     CROSS JOIN LATERAL (SELECT max(hour) AS last, max(hour) / ${CURVE_POINTS} + 1 AS stretch FROM baseline_hours WHERE baseline = b.baseline) span
     WHERE b.baseline = ANY($1::text[]) AND b.hour >= 0 AND (b.hour % span.stretch = 0 OR b.hour = span.last) ORDER BY b.baseline, b.hour`,
    [ids],
  );
}
