/** Whole decision cycles with everything that belongs to them. */

import { JOURNAL_VERSION, type JournalRecord, journalSchema } from '../domain/journal.ts';
import type { Queryable } from './database.ts';

const RECORD = `d.id, d.model_id AS trader_id, d.slot_ms AS cycle_ts_ms, d.cycle_number, (extract(epoch FROM d.executed_at) * 1000)::bigint AS executed_at_ms,
  coalesce(d.success, false) AS success, d.error_code, d.error_message, d.prompt_version, d.prompt_digest, d.config_digest, f.digest AS market_digest, d.context_digest, d.llm_cached,
  d.prompt_tokens, d.completion_tokens, d.cost_usd, d.latency_ms, d.context, f.payload AS market, d.answer, d.cot_trace, d.decisions, d.rejected, d.orders,
  coalesce((SELECT jsonb_agg(jsonb_build_object('role', m.role, 'content', m.content, 'tokens', m.tokens) ORDER BY m.id)
    FROM conversations c JOIN conversation_messages m ON m.conversation_id = c.id WHERE c.decision_cycle_id = d.id), '[]') AS messages`;
const FROM = `decision_cycles d LEFT JOIN models o ON o.id = d.model_id
  LEFT JOIN market_frames f ON f.market_provider = o.market_provider AND f.slot_ms = d.frame_slot_ms`;

/** The record of a finished cycle by model and slot; null when there is none. */
export async function journalOfSlot(db: Queryable, modelId: string, slotMs: number): Promise<JournalRecord | null> {
  return read(
    await db.query(`SELECT ${RECORD} FROM ${FROM} WHERE d.model_id = $1 AND d.slot_ms = $2 AND d.step = 'done'`, [
      modelId,
      slotMs,
    ]),
  );
}

/** The record of a finished cycle by its id; null when there is none. */
export async function journalOfCycle(db: Queryable, id: number): Promise<JournalRecord | null> {
  return read(await db.query(`SELECT ${RECORD} FROM ${FROM} WHERE d.id = $1 AND d.step = 'done'`, [id]));
}

function read([row]: object[]): JournalRecord | null {
  return row === undefined ? null : journalSchema.parse({ version: JOURNAL_VERSION, ...row });
}
