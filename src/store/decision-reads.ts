/** Finished decision cycles, as they are shown. */

import type { Rejection } from '../domain/review.ts';
import type { Queryable } from './database.ts';
import type { CycleOrders, CycleStep } from './decisions.ts';

export type DecisionSummary = {
  readonly modelId: string;
  readonly slotMs: number;
  readonly cycleNumber: number;
  readonly step: CycleStep;
  readonly success: boolean;
  readonly decisions: readonly { symbol: string; action: string; confidence: number }[] | null;
  readonly rejected: readonly Rejection[] | null;
  readonly orders: CycleOrders | null;
  readonly cotTrace: string | null;
  readonly promptDigest: string | null;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly costUsd: number | null;
  readonly latencyMs: number | null;
  readonly llmCalls: number;
  readonly llmCached: boolean;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly executedAtMs: number | null;
};

export const SUMMARY_COLUMNS = `model_id AS "modelId", slot_ms AS "slotMs", cycle_number AS "cycleNumber", step, success, decisions, rejected, orders, cot_trace AS "cotTrace",
  prompt_digest AS "promptDigest", prompt_tokens AS "promptTokens", completion_tokens AS "completionTokens", cost_usd AS "costUsd",
  latency_ms AS "latencyMs", llm_calls AS "llmCalls", llm_cached AS "llmCached", error_code AS "errorCode", error_message AS "errorMessage", (extract(epoch FROM executed_at) * 1000)::bigint AS "executedAtMs"`;

/** The newest finished cycle of each model. */
export function lastDecisions(db: Queryable, modelIds: readonly string[]): Promise<DecisionSummary[]> {
  return db.query<DecisionSummary>(
    `SELECT d.* FROM unnest($1::text[]) AS m(id)
     CROSS JOIN LATERAL (SELECT ${SUMMARY_COLUMNS} FROM decision_cycles WHERE model_id = m.id AND step = 'done' ORDER BY slot_ms DESC LIMIT 1) d`,
    [modelIds],
  );
}

/** Finished cycles, newest first, of one model or of all, before a slot. */
export function listDecisions(
  db: Queryable,
  filter: { modelId?: string | undefined; beforeSlotMs?: number | undefined; limit: number },
): Promise<DecisionSummary[]> {
  return db.query<DecisionSummary>(
    `SELECT ${SUMMARY_COLUMNS} FROM decision_cycles
     WHERE step = 'done' AND ($1::text IS NULL OR model_id = $1) AND ($2::bigint IS NULL OR slot_ms < $2)
     ORDER BY slot_ms DESC, model_id LIMIT $3`,
    [filter.modelId ?? null, filter.beforeSlotMs ?? null, filter.limit],
  );
}

/** Ids of the newest cycles of a model that ended with an answer to words, under exactly these settings. */
export async function answeredCycles(
  db: Queryable,
  modelId: string,
  configDigest: string,
  limit: number,
): Promise<number[]> {
  const rows = await db.query<{ id: number }>(
    `SELECT id FROM decision_cycles WHERE model_id = $1 AND config_digest = $2 AND step = 'done' AND answer IS NOT NULL AND prompt_digest IS NOT NULL
     ORDER BY slot_ms DESC LIMIT $3`,
    [modelId, configDigest, limit],
  );
  return rows.map(({ id }) => id);
}

/** The id of a model's finished cycle by its number, or of its newest one; null when there is none. */
export async function cycleIdOf(db: Queryable, modelId: string, cycleNumber: number | null): Promise<number | null> {
  const [row] = await db.query<{ id: number }>(
    `SELECT id FROM decision_cycles WHERE model_id = $1 AND step = 'done' AND ($2::int IS NULL OR cycle_number = $2) ORDER BY slot_ms DESC LIMIT 1`,
    [modelId, cycleNumber],
  );
  return row?.id ?? null;
}
