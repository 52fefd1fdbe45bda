/** What the desk sees and acts upon: watchlists, candidates, signals. Times are market time. */

import type { SignalName, SignalType } from '../../domain/desk/published.ts';
import type { Queryable } from '../database.ts';

export type CandidateRow = {
  readonly symbol: string;
  readonly score: number;
  readonly price: number;
  readonly signals: readonly SignalName[];
};

export type SignalRow = {
  readonly type: SignalType;
  readonly symbol: string;
  readonly tsMs: number;
  readonly reason: string;
  readonly price: number;
  readonly indicators: { readonly macd: number | null; readonly rsi: number | null };
  readonly confidence: number;
  /** Of an exit: the position it is about. */
  readonly positionId: string | null;
  /** Nobody need be asked about what has happened already. */
  readonly isDecided?: boolean;
};

const SIGNAL = `type, symbol, ts_ms AS "tsMs", reason, price, indicators, confidence, position_id AS "positionId"`;

/** Stores what a scan came to. A scan that is run again changes nothing. False: it was there. */
export async function saveScan(
  tx: Queryable,
  tsMs: number,
  watchlist: readonly string[],
  candidates: readonly CandidateRow[],
): Promise<boolean> {
  const rows = await tx.query(
    `WITH scan AS (INSERT INTO desk_watchlists (ts_ms, symbols) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1 AS done),
     ranked AS (
       INSERT INTO desk_candidates (ts_ms, symbol, rank, score, price, signals)
       SELECT $1, c.symbol, c.rank, c.score, c.price, ARRAY(SELECT jsonb_array_elements_text(c.signals))
       FROM scan, jsonb_to_recordset($3::jsonb) AS c(symbol text, rank int, score float8, price float8, signals jsonb)
     ) SELECT done FROM scan`,
    [tsMs, watchlist, JSON.stringify(candidates.map((candidate, index) => ({ ...candidate, rank: index + 1 })))],
  );
  return rows.length > 0;
}

/** Stores signals. One that is there already changes nothing; of a position each reason is signalled once. Returns the new ones. */
export function addSignals(
  tx: Queryable,
  signals: readonly SignalRow[],
): Promise<{ type: SignalType; symbol: string }[]> {
  if (signals.length === 0) return Promise.resolve([]);
  return tx.query(
    `INSERT INTO desk_signals (type, symbol, ts_ms, reason, price, indicators, confidence, position_id, decided_slot_ms)
     SELECT s.type, s.symbol, s."tsMs", s.reason, s.price, s.indicators, s.confidence, s."positionId", CASE WHEN s."isDecided" THEN 0 END
     FROM jsonb_to_recordset($1::jsonb) AS s(type text, symbol text, "tsMs" bigint, reason text, price float8, indicators jsonb, confidence float8, "positionId" text, "isDecided" boolean)
     WHERE s."positionId" IS NULL OR NOT EXISTS (SELECT 1 FROM desk_signals d WHERE d.position_id = s."positionId" AND d.reason = s.reason)
     ON CONFLICT DO NOTHING RETURNING type, symbol`,
    [JSON.stringify(signals)],
  );
}

/** Symbols that were signalled as entries since a moment. */
export async function enteredSince(db: Queryable, sinceMs: number): Promise<string[]> {
  const rows = await db.query<{ symbol: string }>(
    `SELECT DISTINCT symbol FROM desk_signals WHERE type = 'entry' AND ts_ms >= $1`,
    [sinceMs],
  );
  return rows.map(({ symbol }) => symbol);
}

/**
 * Puts what nobody has decided on before the cycle of a slot: entries that were signalled before the slot and not long ago, and all
 * exits. Older entries are passed over. Returns how many are asked about.
 */
export async function putBefore(tx: Queryable, slotMs: number, freshSinceMs: number): Promise<number> {
  const rows = await tx.query<{ asked: boolean }>(
    `UPDATE desk_signals SET decided_slot_ms = CASE WHEN type = 'exit' OR ts_ms >= $2 THEN $1::bigint ELSE 0 END
     WHERE decided_slot_ms IS NULL AND (ts_ms < $1 OR (type = 'exit' AND ts_ms = $1)) RETURNING decided_slot_ms > 0 AS asked`,
    [slotMs, freshSinceMs],
  );
  return rows.filter(({ asked }) => asked).length;
}

/** The signals that the cycle of a slot is asked about. */
export function signalsOf(db: Queryable, slotMs: number): Promise<SignalRow[]> {
  return db.query<SignalRow>(
    `SELECT ${SIGNAL} FROM desk_signals WHERE decided_slot_ms = $1 ORDER BY type DESC, confidence DESC, symbol`,
    [slotMs],
  );
}

export type Scan = { readonly tsMs: number; readonly symbols: readonly string[] };

/** The newest scan, or the newest before a moment. */
export async function latestScan(db: Queryable, beforeMs: number | null = null): Promise<Scan | null> {
  const rows = await db.query<Scan>(
    `SELECT ts_ms AS "tsMs", symbols FROM desk_watchlists WHERE $1::bigint IS NULL OR ts_ms < $1 ORDER BY ts_ms DESC LIMIT 1`,
    [beforeMs],
  );
  return rows[0] ?? null;
}

/** Candidates of a scan, best first. */
export function candidatesOf(db: Queryable, scanMs: number): Promise<CandidateRow[]> {
  return db.query<CandidateRow>(
    'SELECT symbol, score, price, signals FROM desk_candidates WHERE ts_ms = $1 ORDER BY rank',
    [scanMs],
  );
}

/** The newest signal of each type and symbol since a moment. */
export function newestSignals(db: Queryable, sinceMs: number): Promise<SignalRow[]> {
  return db.query<SignalRow>(
    `SELECT DISTINCT ON (type, symbol) ${SIGNAL} FROM desk_signals WHERE ts_ms >= $1 ORDER BY type, symbol, ts_ms DESC`,
    [sinceMs],
  );
}
