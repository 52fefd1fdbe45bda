/**
 * Rows of a file on their way into the tables. They wait in a temporary table of the transaction, so a file comes in whole or not at
 * all, no lock is held while it is being read, and memory stays bounded.
 */

import type { Queryable } from './database.ts';
import { toJsonb } from './jsonb.ts';

/** What a merge did. `models`: those whose rows changed. `kept`: rows that were left out because this system knows better, by reason. */
export type Merged = {
  readonly added: number;
  readonly changed: number;
  readonly models: readonly string[];
  readonly kept: Readonly<Record<string, number>>;
};

/** Each row is read once: as plain text it is stored four times as fast as taken apart. */
export async function openStaging(tx: Queryable): Promise<void> {
  await tx.query('CREATE TEMP TABLE import_rows (row JSON NOT NULL) ON COMMIT DROP');
}

export async function stageRows(tx: Queryable, rows: readonly object[]): Promise<void> {
  await tx.query('INSERT INTO import_rows SELECT value FROM json_array_elements($1::json)', [toJsonb(rows)]);
}

/** A model that a file names, with the earliest moment it is known at, ms; null: the file tells none. */
export type NamedModel = { readonly id: string; readonly sinceMs: number | null };

/** What every model of the original began with; a file of inceptions corrects it. */
export const USUAL_INITIAL_USD = 10_000;

/**
 * Registers models that are not here yet and locks the accounts of all of them until the commit. An imported model has no trader:
 * one comes with its entry in the arena file. Its inception is the earliest moment that any file tells.
 */
export async function registerImported(
  tx: Queryable,
  provider: string,
  models: readonly NamedModel[],
  nowMs: number,
): Promise<void> {
  const json = JSON.stringify([...models].sort((a, b) => (a.id < b.id ? -1 : 1)));
  await tx.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider)
     SELECT id, id, 'import', $2 FROM jsonb_to_recordset($1::jsonb) AS m(id text) ON CONFLICT DO NOTHING`,
    [json, provider],
  );
  // Remembered for good: what came before the model's first fill here was imported, also when it takes part one day.
  await tx.query(
    `INSERT INTO imports (model_id, kind, payload, ts_ms) SELECT id, 'registered', '{}', $2 FROM jsonb_to_recordset($1::jsonb) AS m(id text)
     ON CONFLICT DO NOTHING`,
    [json, nowMs],
  );
  await tx.query(
    `INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms)
     SELECT id, $2, coalesce("sinceMs", $3) FROM jsonb_to_recordset($1::jsonb) AS m(id text, "sinceMs" bigint)
     ON CONFLICT DO NOTHING`,
    [json, USUAL_INITIAL_USD, nowMs],
  );
  await tx.query('SELECT 1 FROM accounts WHERE model_id = ANY($1) ORDER BY model_id FOR UPDATE', [
    models.map((model) => model.id),
  ]);
  await tx.query(
    `UPDATE accounts a SET inception_ts_ms = m."sinceMs" FROM jsonb_to_recordset($1::jsonb) AS m(id text, "sinceMs" bigint)
     WHERE a.model_id = m.id AND m."sinceMs" < a.inception_ts_ms
       AND EXISTS (SELECT 1 FROM models WHERE id = m.id AND exchange_provider = 'import')
       AND NOT EXISTS (SELECT 1 FROM imports WHERE model_id = m.id AND kind = 'since-inception')`,
    [json],
  );
}

/** Counts the versions of accounts up: their trading state has changed. */
export async function touchAccounts(tx: Queryable, modelIds: readonly string[]): Promise<void> {
  await tx.query('UPDATE accounts SET version = version + 1, updated_at = now() WHERE model_id = ANY($1)', [modelIds]);
}

/** Adds up what a merge reports by model. */
export function mergedOf(
  rows: readonly { modelId: string; added: number; changed: number }[],
  kept: Record<string, number> = {},
): Merged {
  return {
    added: rows.reduce((sum, row) => sum + row.added, 0),
    changed: rows.reduce((sum, row) => sum + row.changed, 0),
    models: rows.map((row) => row.modelId),
    kept: Object.fromEntries(Object.entries(kept).filter(([, count]) => count > 0)),
  };
}
