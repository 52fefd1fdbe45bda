/** Imported trades. They have no fills here; `exit_reason` says that they were imported. */

import type { Queryable } from './database.ts';
import { type Merged, mergedOf } from './import-staging.ts';

/** Columns that a file tells, beside the key. */
const FIGURES = [
  'model_id',
  'symbol',
  'side',
  'trade_type',
  'quantity',
  'leverage',
  'confidence',
  'entry_price',
  'entry_ts_ms',
  'entry_oid',
  'entry_tid',
  'entry_sz',
  'entry_crossed',
  'entry_commission_dollars',
  'entry_closed_pnl',
  'entry_liquidation',
  'exit_price',
  'exit_ts_ms',
  'exit_oid',
  'exit_tid',
  'exit_sz',
  'exit_crossed',
  'exit_commission_dollars',
  'exit_closed_pnl',
  'exit_liquidation',
  'exit_plan',
  'realized_gross_pnl',
  'realized_net_pnl',
  'total_commission_dollars',
] as const;

const list = (of: (column: string) => string): string => FIGURES.map(of).join(', ');

/** Merges the staged trades: new ones are added, those with other figures become a revision, trades of this system's own are left alone. */
export async function mergeTrades(tx: Queryable): Promise<Merged> {
  await tx.query(
    `INSERT INTO symbols (symbol) SELECT DISTINCT row->>'symbol' FROM import_rows ORDER BY 1 ON CONFLICT DO NOTHING`,
  );
  const rows = await tx.query<{ modelId: string; added: number; changed: number }>(
    `WITH written AS (
       INSERT INTO trades (id, exit_reason, ${list((name) => name)})
       SELECT t.id, 'import', ${list((name) => `t.${name}`)} FROM import_rows, json_populate_record(NULL::trades, row) AS t
       ON CONFLICT (id) DO UPDATE SET ${list((name) => `${name} = excluded.${name}`)}, revision = trades.revision + 1
       WHERE trades.exit_reason = 'import' AND (${list((name) => `trades.${name}`)}) IS DISTINCT FROM (${list((name) => `excluded.${name}`)})
       RETURNING model_id, xmax = 0 AS added
     )
     SELECT model_id AS "modelId", count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed
     FROM written GROUP BY model_id ORDER BY model_id`,
  );
  return mergedOf(rows);
}
