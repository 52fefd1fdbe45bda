/** Decision cycles and their steps. Every step is a compare-and-set on the epoch of the model's lease. */

import type { Answer, DecisionContext } from '../domain/decision.ts';
import type { Rejection } from '../domain/review.ts';
import type { SizedOrder } from '../domain/sizing.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, insertListed, type NewEffect } from './effects.ts';
import { toJsonb } from './jsonb.ts';
import { LEASE_MS, type Lease, leaseLost } from './leases.ts';

export type CycleStep = 'started' | 'asking' | 'answered' | 'sending' | 'guarding' | 'done';

/** One order of a cycle, from plan to result. */
export type OrderRecord = SizedOrder & {
  readonly status: 'planned' | 'filled' | 'resting' | 'rejected' | 'canceled';
  readonly oid: number | null;
  readonly filledSize: number;
  readonly avgPrice: number | null;
  readonly error: string | null;
};

/** Orders that leave together, stored before they do. */
export type OrderRequest = {
  readonly request: { readonly nonce: number; readonly expiresAtMs: number; readonly bytes: string };
  readonly legs: readonly OrderRecord[];
};

/** What was stored before anything left the process. `guard` closes positions whose stop was not placed. */
export type CycleOrders = (OrderRequest | { readonly request: null; readonly legs: readonly OrderRecord[] }) & {
  readonly guard?: OrderRequest;
};

export type Cycle = {
  readonly id: number;
  readonly modelId: string;
  readonly slotMs: number;
  readonly cycleNumber: number;
  readonly step: CycleStep;
  readonly context: DecisionContext | null;
  readonly answer: Answer | null;
  readonly orders: CycleOrders | null;
  readonly rejected: readonly Rejection[] | null;
  readonly promptDigest: string | null;
  readonly reservedTokens: number;
  readonly reservedUsd: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
};

export const CYCLE_COLUMNS = `id, model_id AS "modelId", slot_ms AS "slotMs", cycle_number AS "cycleNumber", step, context, answer, orders, rejected,
  prompt_digest AS "promptDigest", reserved_tokens AS "reservedTokens", reserved_usd AS "reservedUsd", error_code AS "errorCode", error_message AS "errorMessage"`;

export type CyclePatch = Partial<{
  step: CycleStep;
  frameSlotMs: number;
  promptDigest: string;
  promptVersion: string;
  configDigest: string;
  context: DecisionContext;
  contextDigest: string;
  answer: Answer;
  cotTrace: string;
  decisions: unknown;
  rejected: readonly Rejection[];
  orders: CycleOrders;
  reservedTokens: number;
  reservedUsd: number;
  promptTokens: number;
  completionTokens: number;
  costUsd: number;
  latencyMs: number;
  llmCached: boolean;
  success: boolean;
  errorCode: string | null;
  errorMessage: string | null;
}>;

/** Columns of a patch as SQL; JSON arrives as text. */
export const PATCH_SQL = `step = coalesce(p.step, d.step), frame_slot_ms = coalesce(p."frameSlotMs", d.frame_slot_ms), prompt_digest = coalesce(p."promptDigest", d.prompt_digest),
  prompt_version = coalesce(p."promptVersion", d.prompt_version), config_digest = coalesce(p."configDigest", d.config_digest),
  context = coalesce(p.context, d.context), context_digest = coalesce(p."contextDigest", d.context_digest), llm_cached = coalesce(p."llmCached", d.llm_cached),
  answer = coalesce(p.answer, d.answer), cot_trace = coalesce(p."cotTrace", d.cot_trace),
  decisions = coalesce(p.decisions, d.decisions), rejected = coalesce(p.rejected, d.rejected), orders = coalesce(p.orders, d.orders),
  reserved_tokens = coalesce(p."reservedTokens", d.reserved_tokens), reserved_usd = coalesce(p."reservedUsd", d.reserved_usd),
  prompt_tokens = coalesce(p."promptTokens", d.prompt_tokens), completion_tokens = coalesce(p."completionTokens", d.completion_tokens),
  cost_usd = coalesce(p."costUsd", d.cost_usd), latency_ms = coalesce(p."latencyMs", d.latency_ms), success = coalesce(p.success, d.success),
  error_code = coalesce(p."errorCode", d.error_code), error_message = coalesce(p."errorMessage", d.error_message)`;
export const PATCH_COLUMNS = `p(step text, "frameSlotMs" bigint, "promptDigest" text, "promptVersion" text, "configDigest" text, context jsonb, "contextDigest" text, "llmCached" boolean,
  answer jsonb, "cotTrace" text, decisions jsonb, rejected jsonb, orders jsonb, "reservedTokens" bigint, "reservedUsd" float8, "promptTokens" int, "completionTokens" int,
  "costUsd" float8, "latencyMs" int, success boolean, "errorCode" text, "errorMessage" text)`;
const PATCH_RECORD = `jsonb_to_record($4::jsonb) AS ${PATCH_COLUMNS}`;

/**
 * Stores a step and renews the lease, if the lease is still ours. Throws NOF0_LEASE_LOST otherwise: somebody else goes on with
 * the cycle, and this process may do nothing more.
 */
export async function saveStep(db: Queryable, lease: Lease, slotMs: number, patch: CyclePatch): Promise<void> {
  const rows = await db.query(
    `WITH lease AS (
       UPDATE trader_state SET lease_until = clock_timestamp() + $5 * interval '1 millisecond' WHERE trader_id = $1 AND lease_epoch = $3 RETURNING 1
     )
     UPDATE decision_cycles d SET ${PATCH_SQL} FROM lease, ${PATCH_RECORD}
     WHERE d.model_id = $1 AND d.slot_ms = $2 AND d.lease_epoch = $3 AND d.step <> 'done' RETURNING d.id`,
    [lease.modelId, slotMs, lease.epoch, toJsonb(patch), LEASE_MS],
  );
  if (rows.length === 0) throw leaseLost(lease);
}

/**
 * Stores a step as `saveStep` does, but only while the trader is running. False: somebody has paused it or put it into the shadow, and
 * nothing was stored.
 */
export async function saveStepIfRunning(
  db: Queryable,
  lease: Lease,
  slotMs: number,
  patch: CyclePatch,
): Promise<boolean> {
  const [row] = await db.query<{ running: boolean; saved: boolean }>(
    `WITH lease AS (
       UPDATE trader_state SET lease_until = clock_timestamp() + $5 * interval '1 millisecond' WHERE trader_id = $1 AND lease_epoch = $3 RETURNING state
     ), step AS (
       UPDATE decision_cycles d SET ${PATCH_SQL} FROM lease, ${PATCH_RECORD}
       WHERE d.model_id = $1 AND d.slot_ms = $2 AND d.lease_epoch = $3 AND d.step <> 'done' AND lease.state = 'running' RETURNING 1
     )
     SELECT lease.state = 'running' AS running, EXISTS (SELECT 1 FROM step) AS saved FROM lease`,
    [lease.modelId, slotMs, lease.epoch, toJsonb(patch), LEASE_MS],
  );
  if (row === undefined || (row.running && !row.saved)) throw leaseLost(lease);
  return row.saved;
}

/** Notes stop orders on the open positions they belong to. Returns the effects, which have to be drained. */
export function attachStops(
  db: Queryable,
  modelId: string,
  stops: readonly { readonly symbol: string; readonly slOid: number }[],
  effects: readonly NewEffect[],
): Promise<EffectRow[]> {
  return db.query<EffectRow>(
    `WITH attached AS (
       UPDATE positions p SET sl_oid = a."slOid", updated_at = now() FROM jsonb_to_recordset($2::jsonb) AS a(symbol text, "slOid" bigint)
       WHERE p.model_id = $1 AND p.symbol = a.symbol AND p.status = 'open'
     )
     ${insertListed('$3', '$4')}`,
    [modelId, toJsonb(stops), toJsonb(effects), EFFECT_LEASE_MS],
  );
}

export type Message = {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly tokens: number;
  /** What an answer cost, how long it took, and what was wrong with it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
};

/** Orders of the given slots' cycles, for finding what a fill was meant to be. */
export async function ordersOfSlots(tx: Queryable, modelId: string, slots: readonly number[]): Promise<OrderRecord[]> {
  if (slots.length === 0) return [];
  const rows = await tx.query<{ orders: CycleOrders | null }>(
    'SELECT orders FROM decision_cycles WHERE model_id = $1 AND slot_ms = ANY($2::bigint[])',
    [modelId, slots],
  );
  return rows.flatMap((row) => [...(row.orders?.legs ?? []), ...(row.orders?.guard?.legs ?? [])]);
}
