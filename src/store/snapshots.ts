/** Snapshots of many models at once: everything they are made of in one statement, and all that is written in another. */

import type { EquityWatch } from '../domain/breakers.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, insertEffects, type NewEffect } from './effects.ts';
import { ACCOUNT_COLUMNS, type Account, type NewSnapshot, STORE_SNAPSHOTS } from './equity.ts';
import { toJsonb } from './jsonb.ts';
import { onePlan } from './one-plan.ts';
import { MARKED_POSITIONS, type MarkedPosition } from './positions.ts';
import { RELAXED } from './relaxed.ts';
import { TRADER_COLUMNS, type TraderRow } from './trader-state.ts';

/** What a snapshot is made of, all of one moment. */
export type SnapshotBasis = {
  readonly owner: Account;
  /** Newest `seq` of the exchange that the ledger has. */
  readonly syncedSeq: number;
  /** How far the market has been ingested. */
  readonly watermarkMs: number;
  readonly positions: readonly MarkedPosition[];
  /** Null of a model that does not trade here. */
  readonly trader: TraderRow | null;
  readonly watch: EquityWatch | null;
  /** The hour that the model's metrics stand at; null while there are none. */
  readonly metrics: { readonly hour: number; readonly sharpe: number } | null;
};

/** What the models' snapshots are made of, in their order; null for a model without an account. */
export async function snapshotBases(
  db: Queryable,
  provider: string,
  modelIds: readonly string[],
): Promise<(SnapshotBasis | null)[]> {
  const rows = await db.query<Account & TraderRow & Omit<SnapshotBasis, 'owner' | 'trader'>>(
    `SELECT o.*, t.*, e.metrics, p.positions, coalesce(c.watermark_ms, 0) AS "watermarkMs"
     FROM (SELECT ${ACCOUNT_COLUMNS}, synced_seq AS "syncedSeq" FROM accounts WHERE model_id = ANY(${onePlan('$2::text[]')})) o
     LEFT JOIN LATERAL (SELECT ${TRADER_COLUMNS}, metadata->'breakers' AS watch FROM trader_state WHERE trader_id = o."modelId") t ON TRUE
     LEFT JOIN LATERAL (
       SELECT json_build_object('hour', hour, 'sharpe', (metrics->>'sharpe')::float8) AS metrics FROM equity_metrics WHERE model_id = o."modelId"
     ) e ON TRUE
     LEFT JOIN ingest_cursors c ON c.provider = $1
     CROSS JOIN LATERAL (SELECT coalesce(json_agg(m), '[]') AS positions FROM (${MARKED_POSITIONS} WHERE p.model_id = o."modelId" AND p.status = 'open' ORDER BY p.symbol) m) p`,
    [provider, modelIds],
  );
  const bases = new Map(rows.map((row) => [row.modelId, basisOf(row)]));
  return modelIds.map((id) => bases.get(id) ?? null);
}

function basisOf(row: Account & TraderRow & Omit<SnapshotBasis, 'owner' | 'trader'>): SnapshotBasis {
  const { syncedSeq, watermarkMs, positions, watch, metrics } = row;
  return { owner: row, syncedSeq, watermarkMs, positions, trader: row.traderId === null ? null : row, watch, metrics };
}

/** A snapshot with what it was made of. `watch`: what the breakers remember after it; null where there are none. */
export type SnapshotWrite = {
  readonly snapshot: NewSnapshot;
  readonly basis: SnapshotBasis;
  readonly watch: EquityWatch | null;
  readonly effects: readonly NewEffect[];
};

/**
 * Writes snapshots of different models, what their breakers remember, and their effects (the same one of several snapshots once), in one
 * statement. It waits for nobody: a snapshot whose account or trader is held by somebody, or is no longer what it was made of, is left out.
 * `written` are the models of the others.
 */
export async function writeSnapshots(
  db: Queryable,
  writes: readonly SnapshotWrite[],
): Promise<{ written: ReadonlySet<string>; effects: EffectRow[] }> {
  const rows = await db.query<EffectRow & { written: string[] }>(WRITE, [
    toJsonb(
      writes.map(({ snapshot, basis, watch, effects }) => ({
        ...snapshot,
        version: basis.owner.version,
        state: basis.trader?.state ?? null,
        before: basis.watch,
        after: watch,
        effects,
      })),
    ),
    EFFECT_LEASE_MS,
  ]);
  return { written: new Set(rows[0]?.written ?? []), effects: rows.filter((row) => row.id !== null) };
}

/** The snapshots commit without waiting for the disk: what was lost with a crash is taken again (docs/adr/0008-relaxed-commits.md). */
const WRITE = `WITH ${RELAXED},
  given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g("modelId" text, version bigint, state text, before jsonb, after jsonb, effects jsonb, "tsMs" bigint, "equityUsd" float8,
      "realizedPnl" float8, "unrealizedPnl" float8, "cumPnlPct" float8, "sharpeRatio" float8, "marginUsed" float8, positions jsonb, "hourlyMarker" int, "minuteMarker" int)
  ),
  owners AS (
    SELECT a.model_id FROM accounts a JOIN given g ON g."modelId" = a.model_id AND g.version = a.version, relaxed FOR UPDATE OF a SKIP LOCKED
  ),
  traders AS (
    SELECT t.trader_id FROM trader_state t JOIN given g ON g."modelId" = t.trader_id JOIN owners o ON o.model_id = t.trader_id
    WHERE g.after IS NOT NULL AND t.state = g.state AND t.metadata->'breakers' IS NOT DISTINCT FROM g.before FOR UPDATE OF t SKIP LOCKED
  ),
  watched AS (
    UPDATE trader_state t SET metadata = t.metadata || jsonb_build_object('breakers', g.after) FROM given g, traders
    WHERE t.trader_id = traders.trader_id AND t.trader_id = g."modelId" RETURNING t.trader_id
  ),
  sound AS MATERIALIZED (
    SELECT g.* FROM given g JOIN owners o ON o.model_id = g."modelId" WHERE g.after IS NULL OR g."modelId" IN (SELECT trader_id FROM watched)
  ),
  saved AS (
    ${STORE_SNAPSHOTS('sound')}
  ),
  promised AS (${insertEffects('(SELECT DISTINCT effect FROM sound, jsonb_array_elements(sound.effects) AS effect) once', 'effect', '$2::int')})
  SELECT w.written, e.* FROM (SELECT coalesce(array_agg("modelId"), '{}') AS written FROM sound) w LEFT JOIN promised e ON TRUE`;
