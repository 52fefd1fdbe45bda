/** What was said between the platform and the models: reads. Decision cycles write it. */

import type { Queryable } from './database.ts';

export type ConversationLine = {
  readonly modelId: string;
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly tsMs: number;
};

/** The newest messages of each model over all its conversations, in the order in which they were said. */
export function recentMessages(
  db: Queryable,
  modelIds: readonly string[],
  perModel: number,
): Promise<ConversationLine[]> {
  return db.query<ConversationLine>(
    `SELECT m.id AS "modelId", said.role, said.content, said."tsMs" FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (
       SELECT c.id AS conversation, l.id, l.role, l.content, coalesce(l.ts_ms, (extract(epoch FROM c.started_at) * 1000)::bigint) AS "tsMs"
       FROM conversations c JOIN conversation_messages l ON l.conversation_id = c.id
       WHERE c.model_id = m.id ORDER BY c.id DESC, l.id DESC LIMIT $2
     ) said
     ORDER BY m.id, said.conversation, said.id`,
    [modelIds, perModel],
  );
}

/** Models that are asked in words, all but the built-in strategies. */
export async function speakingModelIds(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ id: string }>(`SELECT id FROM models WHERE config->>'strategy' IS NULL ORDER BY id`);
  return rows.map((row) => row.id);
}
