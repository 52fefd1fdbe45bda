/** Imported open positions and prices. Both show the present: an older file changes nothing, nor one about what happens here itself. */

import type { Queryable } from './database.ts';
import { type Merged, mergedOf } from './import-staging.ts';

const POSITION_FIGURES = [
  'side',
  'entry_price',
  'quantity',
  'leverage',
  'confidence',
  'entry_ts_ms',
  'commission',
  'entry_oid',
  'sl_oid',
  'tp_oid',
  'stop_loss',
  'take_profit',
  'risk_usd',
  'invalidation_condition',
  'wait_for_fill',
  'slippage',
  'index_col',
  'closed_pnl',
];
const figures = (of: (name: string) => string): string => POSITION_FIGURES.map(of).join(', ');

/** Staged rows: `{model_id, positions: [row of the table, …]}`. What a model no longer lists is closed at the file's time. */
export async function mergePositions(tx: Queryable, tsMs: number): Promise<Merged> {
  const kept = await tx.query<{ here: number; older: number }>(
    `SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM fills WHERE model_id = row->>'model_id')) AS here,
            count(*) FILTER (WHERE EXISTS (SELECT 1 FROM imports WHERE model_id = row->>'model_id' AND kind = 'positions' AND ts_ms > $1::bigint)) AS older
     FROM import_rows`,
    [tsMs],
  );
  await tx.query(
    `DELETE FROM import_rows WHERE EXISTS (SELECT 1 FROM fills WHERE model_id = row->>'model_id')
       OR EXISTS (SELECT 1 FROM imports WHERE model_id = row->>'model_id' AND kind = 'positions' AND ts_ms > $1::bigint)`,
    [tsMs],
  );
  // Closed first: there is at most one open row of a symbol.
  const closed = await tx.query<{ modelId: string }>(
    `UPDATE positions p SET status = 'closed', exit_ts_ms = $1, updated_at = now() FROM import_rows
     WHERE p.model_id = row->>'model_id' AND p.status = 'open'
       AND NOT EXISTS (SELECT 1 FROM json_array_elements(row->'positions') AS listed WHERE listed->>'id' = p.id)
     RETURNING p.model_id AS "modelId"`,
    [tsMs],
  );
  const rows = await tx.query<{ modelId: string; added: number; changed: number }>(
    `WITH remembered AS (
       INSERT INTO imports (model_id, kind, payload, ts_ms) SELECT row->>'model_id', 'positions', '{}', $1::bigint FROM import_rows
       ON CONFLICT (model_id, kind) DO UPDATE SET ts_ms = excluded.ts_ms, updated_at = now()
     ), written AS (
       INSERT INTO positions (id, model_id, symbol, status, ${figures((name) => name)})
       SELECT p.id, p.model_id, p.symbol, 'open', ${figures((name) => `p.${name}`)}
       FROM import_rows, json_array_elements(row->'positions') AS listed, json_populate_record(NULL::positions, listed) AS p
       ON CONFLICT (id) DO UPDATE SET ${figures((name) => `${name} = excluded.${name}`)}, status = 'open', exit_ts_ms = NULL, updated_at = now()
       WHERE positions.status <> 'open' OR (${figures((name) => `positions.${name}`)}) IS DISTINCT FROM (${figures((name) => `excluded.${name}`)})
       RETURNING model_id, xmax = 0 AS added
     )
     SELECT model_id AS "modelId", count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed FROM written GROUP BY model_id`,
    [tsMs],
  );
  const gone = closed.map(({ modelId }) => ({ modelId, added: 0, changed: 1 }));
  const merged = mergedOf([...rows, ...gone], {
    'of models that trade here': kept[0]?.here ?? 0,
    'older than what is here': kept[0]?.older ?? 0,
  });
  return { ...merged, models: [...new Set(merged.models)] };
}

/** Staged prices become the newest of the provider, unless a market of this run provides them. */
export async function mergePrices(tx: Queryable, provider: string): Promise<Merged> {
  const fed = await tx.query('SELECT 1 FROM ingest_cursors WHERE provider = $1 AND watermark_ms > 0', [provider]);
  if (fed.length > 0) {
    const rows = await tx.query<{ count: number }>('SELECT count(*) AS count FROM import_rows');
    return mergedOf([], { 'because this run has a market of its own': rows[0]?.count ?? 0 });
  }
  await tx.query(
    `INSERT INTO symbols (symbol) SELECT DISTINCT row->>'symbol' FROM import_rows ORDER BY 1 ON CONFLICT DO NOTHING`,
  );
  const rows = await tx.query<{ added: boolean }>(
    `INSERT INTO price_latest (provider, symbol, price, ts_ms)
     SELECT $1, p.symbol, p.price, p.ts_ms FROM import_rows, json_populate_record(NULL::price_latest, row) AS p ORDER BY p.symbol
     ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, ts_ms = excluded.ts_ms, updated_at = now()
     WHERE price_latest.ts_ms < excluded.ts_ms
     RETURNING xmax = 0 AS added`,
    [provider],
  );
  const added = rows.filter((row) => row.added).length;
  return { added, changed: rows.length - added, models: [], kept: {} };
}
