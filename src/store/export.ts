/** Whole histories, oldest first, a group of rows at a time: memory does not grow with them. */

import type { StoredTrade } from '../domain/published.ts';
import type { Database } from './database.ts';
import { type DecisionSummary, SUMMARY_COLUMNS } from './decision-reads.ts';
import { SNAPSHOT_COLUMNS, type Snapshot } from './equity.ts';
import { TRADE_COLUMNS } from './trades.ts';

/** Market ms: from the first on, before the second. */
export type ExportFilter = {
  readonly modelId: string | undefined;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
};

const GROUP_ROWS = 1000;

type Take<T> = (rows: readonly T[]) => Promise<void>;

export function eachTrade(db: Database, filter: ExportFilter, take: Take<StoredTrade>): Promise<void> {
  return each(
    db,
    'trades',
    `SELECT ${TRADE_COLUMNS} FROM trades t WHERE voided_at IS NULL AND ${within('exit_ts_ms')} ORDER BY exit_ts_ms, id`,
    filter,
    take,
  );
}

export function eachSnapshot(db: Database, filter: ExportFilter, take: Take<Snapshot>): Promise<void> {
  return each(
    db,
    'equity',
    `SELECT ${SNAPSHOT_COLUMNS} FROM account_equity_snapshots WHERE ${within('ts_ms')} ORDER BY ts_ms, model_id`,
    filter,
    take,
  );
}

export function eachDecision(db: Database, filter: ExportFilter, take: Take<DecisionSummary>): Promise<void> {
  return each(
    db,
    'decisions',
    `SELECT ${SUMMARY_COLUMNS} FROM decision_cycles WHERE step = 'done' AND ${within('slot_ms')} ORDER BY slot_ms, model_id`,
    filter,
    take,
  );
}

const within = (column: string) =>
  `($1::text IS NULL OR model_id = $1) AND ($2::bigint IS NULL OR ${column} >= $2) AND ($3::bigint IS NULL OR ${column} < $3)`;

/**
 * Reads through a cursor, so that all rows are those of one moment. The transaction stays open while they are written out; it locks
 * nothing.
 */
async function each<T extends object>(
  db: Database,
  name: string,
  text: string,
  filter: ExportFilter,
  take: Take<T>,
): Promise<void> {
  await db.transaction(async (tx) => {
    const values = [filter.modelId ?? null, filter.sinceMs ?? null, filter.untilMs ?? null];
    await tx.query(`DECLARE export_${name} NO SCROLL CURSOR FOR ${text}`, values);
    for (;;) {
      const rows = await tx.query<T>(`FETCH ${GROUP_ROWS} FROM export_${name}`);
      if (rows.length > 0) await take(rows);
      if (rows.length < GROUP_ROWS) return;
    }
  });
}
