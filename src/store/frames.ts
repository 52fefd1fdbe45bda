/** Frames: what every model of a slot saw. Written once, never changed. */

import type { MarketFrame } from '../domain/decision.ts';
import type { Queryable } from './database.ts';
import { RELAXED } from './relaxed.ts';

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
