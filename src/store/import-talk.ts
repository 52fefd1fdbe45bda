/** Imported analytics and conversations. */

import type { Queryable } from './database.ts';
import { type Merged, mergedOf } from './import-staging.ts';

type Counted = { readonly modelId: string; readonly added: number; readonly changed: number };

/** Keeps the staged payloads; the analytics of a model without cycles show them. */
export async function mergeAnalytics(tx: Queryable, tsMs: number): Promise<Merged> {
  const rows = await tx.query<Counted>(
    `WITH written AS (
       INSERT INTO imports (model_id, kind, payload, ts_ms) SELECT row->>'model_id', 'analytics', row->'payload', $1::bigint FROM import_rows
       ON CONFLICT (model_id, kind) DO UPDATE SET payload = excluded.payload, ts_ms = excluded.ts_ms, updated_at = now()
       WHERE imports.payload IS DISTINCT FROM excluded.payload AND imports.ts_ms <= excluded.ts_ms
       RETURNING model_id, xmax = 0 AS added
     )
     SELECT model_id AS "modelId", count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed FROM written GROUP BY model_id`,
    [tsMs],
  );
  return mergedOf(rows);
}

/** What another system says about a model; null when nothing was imported. */
export async function importedPayload(db: Queryable, modelId: string, kind: 'analytics'): Promise<unknown> {
  const rows = await db.query<{ payload: unknown }>('SELECT payload FROM imports WHERE model_id = $1 AND kind = $2', [
    modelId,
    kind,
  ]);
  return rows[0]?.payload ?? null;
}

/**
 * Adds staged messages (`{model_id, messages: [{key, role, content, ts_ms}, …]}`) that are not there yet to one conversation a model.
 * `key` identifies a message whatever else its file holds.
 */
export async function mergeConversations(tx: Queryable, tsMs: number): Promise<Merged> {
  await tx.query(
    `WITH wanted AS (
       SELECT row->>'model_id' AS model_id FROM import_rows i
       WHERE NOT EXISTS (SELECT 1 FROM imports WHERE model_id = i.row->>'model_id' AND kind = 'conversations')
     ), opened AS (
       INSERT INTO conversations (model_id, started_at)
       SELECT w.model_id, to_timestamp(coalesce((SELECT min((m->>'ts_ms')::bigint) FROM import_rows, json_array_elements(row->'messages') AS m
         WHERE row->>'model_id' = w.model_id), $1::bigint) / 1000.0) FROM wanted w
       RETURNING id, model_id
     )
     INSERT INTO imports (model_id, kind, payload, ts_ms) SELECT model_id, 'conversations', jsonb_build_object('conversation_id', id), $1::bigint FROM opened`,
    [tsMs],
  );
  const rows = await tx.query<Counted>(
    `WITH written AS (
       INSERT INTO conversation_messages (conversation_id, role, content, ts_ms, metadata)
       SELECT (known.payload->>'conversation_id')::bigint, m->>'role', m->>'content', (m->>'ts_ms')::bigint, jsonb_build_object('import', m->>'key')
       FROM import_rows JOIN imports known ON known.model_id = row->>'model_id' AND known.kind = 'conversations'
       CROSS JOIN LATERAL json_array_elements(row->'messages') WITH ORDINALITY AS said(m, position)
       WHERE NOT EXISTS (SELECT 1 FROM conversation_messages old
         WHERE old.conversation_id = (known.payload->>'conversation_id')::bigint AND old.metadata->>'import' = m->>'key')
       ORDER BY row->>'model_id', said.position
       RETURNING conversation_id
     )
     SELECT c.model_id AS "modelId", count(*) AS added, 0 AS changed FROM written w JOIN conversations c ON c.id = w.conversation_id GROUP BY c.model_id`,
  );
  return mergedOf(rows);
}
