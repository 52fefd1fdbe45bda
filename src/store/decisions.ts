/** Decision cycles and the lease under which one of them runs. Every step is a compare-and-set on the lease's epoch. */

import type { Answer, DecisionContext } from '../domain/decision.ts';
import type { Rejection } from '../domain/review.ts';
import type { SizedOrder } from '../domain/sizing.ts';
import { CodedError } from '../errors.ts';
import type { Database, Queryable } from './database.ts';
import { EFFECT_COLUMNS, EFFECT_LEASE_MS, type EffectRow, type NewEffect } from './effects.ts';
import { toJsonb } from './jsonb.ts';
import { RELAXED } from './relaxed.ts';

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

const CYCLE_COLUMNS = `id, model_id AS "modelId", slot_ms AS "slotMs", cycle_number AS "cycleNumber", step, context, answer, orders, rejected,
  prompt_digest AS "promptDigest", reserved_tokens AS "reservedTokens", reserved_usd AS "reservedUsd", error_code AS "errorCode", error_message AS "errorMessage"`;

/** How long a lease lasts without a step; a cycle that waits for a language model renews it. */
export const LEASE_MS = 10_000;

export type Lease = { readonly modelId: string; readonly epoch: number };

export type CycleStart =
  | { readonly kind: 'started'; readonly lease: Lease; readonly cycle: Cycle; readonly state: string }
  | { readonly kind: 'busy'; readonly retryAfterMs: number }
  | { readonly kind: 'done' };

/**
 * Takes the model's lease and the slot's row in one statement. Busy: another cycle of the model holds the lease. Done: the
 * slot's cycle has finished before.
 */
export async function beginCycle(db: Queryable, modelId: string, slotMs: number): Promise<CycleStart> {
  const rows = await db.query<Cycle & { epoch: number; state: string }>(
    `WITH ${RELAXED}, finished AS (
       SELECT 1 FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2 AND step = 'done'
     ), lease AS (
       UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $3 * interval '1 millisecond' FROM relaxed
       WHERE trader_id = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND NOT EXISTS (SELECT 1 FROM finished)
       RETURNING lease_epoch, state
     ), cycle AS (
       INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, lease_epoch, attempts)
       SELECT $1, $2, coalesce((SELECT cycle_number FROM decision_cycles WHERE model_id = $1 ORDER BY cycle_number DESC LIMIT 1), 0) + 1, lease_epoch, 1 FROM lease
       ON CONFLICT (model_id, slot_ms) DO UPDATE SET lease_epoch = excluded.lease_epoch, attempts = decision_cycles.attempts + 1
       RETURNING *
     )
     SELECT ${CYCLE_COLUMNS}, l.lease_epoch AS epoch, l.state FROM cycle CROSS JOIN lease l`.replace(
      'SELECT id, model_id',
      'SELECT cycle.id, model_id',
    ),
    [modelId, slotMs, LEASE_MS],
  );
  const row = rows[0];
  if (row) return { kind: 'started', lease: { modelId, epoch: row.epoch }, cycle: row, state: row.state };
  const [why] = await db.query<{ done: boolean; waitMs: number | null }>(
    `SELECT EXISTS (SELECT 1 FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2 AND step = 'done') AS done,
            (SELECT greatest(0, extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint FROM trader_state WHERE trader_id = $1) AS "waitMs"`,
    [modelId, slotMs],
  );
  if (why?.done) return { kind: 'done' };
  if (why?.waitMs === null || why === undefined)
    throw new CodedError('NOF0_MODEL_UNKNOWN', `no trader "${modelId}" is registered`);
  return { kind: 'busy', retryAfterMs: Math.min(1000, Math.max(50, why.waitMs + 10)) };
}

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
const PATCH_SQL = `step = coalesce(p.step, d.step), frame_slot_ms = coalesce(p."frameSlotMs", d.frame_slot_ms), prompt_digest = coalesce(p."promptDigest", d.prompt_digest),
  prompt_version = coalesce(p."promptVersion", d.prompt_version), config_digest = coalesce(p."configDigest", d.config_digest),
  context = coalesce(p.context, d.context), context_digest = coalesce(p."contextDigest", d.context_digest), llm_cached = coalesce(p."llmCached", d.llm_cached),
  answer = coalesce(p.answer, d.answer), cot_trace = coalesce(p."cotTrace", d.cot_trace),
  decisions = coalesce(p.decisions, d.decisions), rejected = coalesce(p.rejected, d.rejected), orders = coalesce(p.orders, d.orders),
  reserved_tokens = coalesce(p."reservedTokens", d.reserved_tokens), reserved_usd = coalesce(p."reservedUsd", d.reserved_usd),
  prompt_tokens = coalesce(p."promptTokens", d.prompt_tokens), completion_tokens = coalesce(p."completionTokens", d.completion_tokens),
  cost_usd = coalesce(p."costUsd", d.cost_usd), latency_ms = coalesce(p."latencyMs", d.latency_ms), success = coalesce(p.success, d.success),
  error_code = coalesce(p."errorCode", d.error_code), error_message = coalesce(p."errorMessage", d.error_message)`;
const PATCH_RECORD = `jsonb_to_record($4::jsonb) AS p(step text, "frameSlotMs" bigint, "promptDigest" text, "promptVersion" text, "configDigest" text, context jsonb, "contextDigest" text, "llmCached" boolean,
  answer jsonb, "cotTrace" text, decisions jsonb, rejected jsonb, orders jsonb, "reservedTokens" bigint, "reservedUsd" float8, "promptTokens" int, "completionTokens" int,
  "costUsd" float8, "latencyMs" int, success boolean, "errorCode" text, "errorMessage" text)`;

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

/** Takes the lease for something else than a cycle; `releaseLease` gives it back. Null while somebody holds it. */
export async function takeLease(db: Queryable, modelId: string): Promise<Lease | null> {
  const [row] = await db.query<{ epoch: number }>(
    `UPDATE trader_state SET lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE trader_id = $1 AND (lease_until IS NULL OR lease_until < clock_timestamp()) RETURNING lease_epoch AS epoch`,
    [modelId, LEASE_MS],
  );
  return row === undefined ? null : { modelId, epoch: row.epoch };
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
     SELECT ${EFFECT_COLUMNS} FROM add_effects($3::jsonb, $4)`,
    [modelId, toJsonb(stops), toJsonb(effects), EFFECT_LEASE_MS],
  );
}

/** Keeps the lease while a slow answer is awaited. False when it is lost. */
export async function renewLease(db: Queryable, lease: Lease): Promise<boolean> {
  const rows = await db.query(
    `UPDATE trader_state SET lease_until = clock_timestamp() + $3 * interval '1 millisecond' WHERE trader_id = $1 AND lease_epoch = $2 RETURNING 1`,
    [lease.modelId, lease.epoch, LEASE_MS],
  );
  return rows.length > 0;
}

/** Gives the lease back without finishing the cycle: the attempt failed, another one may begin at once. */
export async function releaseLease(db: Queryable, lease: Lease): Promise<void> {
  await db.query('UPDATE trader_state SET lease_until = NULL WHERE trader_id = $1 AND lease_epoch = $2', [
    lease.modelId,
    lease.epoch,
  ]);
}

export type Message = {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly tokens: number;
  /** What an answer cost, how long it took, and what was wrong with it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
};

/**
 * The last step: the cycle's record, the trader's state, the conversation, stop and target orders on the positions, and the
 * effects, in one statement. The lease ends with it.
 */
export async function finishCycle(
  db: Database,
  lease: Lease,
  slotMs: number,
  patch: CyclePatch,
  extras: {
    readonly decidedAtMs: number;
    readonly messages: readonly Message[];
    readonly attached: readonly { symbol: string; slOid: number | null; tpOid: number | null }[];
    readonly effects: readonly NewEffect[];
    /** What the next cycle shall remember; null: what it would remember anyway. */
    readonly history: Pick<DecisionContext['history'], 'pause' | 'cooldowns'> | null;
  },
): Promise<EffectRow[]> {
  const rows = await db.query<EffectRow>(
    `WITH trader AS (
       UPDATE trader_state SET lease_until = NULL, last_decision_at = to_timestamp($5 / 1000.0), updated_at = now(),
         metadata = metadata || coalesce($10::jsonb, '{}')
       WHERE trader_id = $1 AND lease_epoch = $3 RETURNING 1
     ), record AS (
       UPDATE decision_cycles d SET ${PATCH_SQL}, executed_at = to_timestamp($5 / 1000.0) FROM trader, ${PATCH_RECORD}
       WHERE d.model_id = $1 AND d.slot_ms = $2 AND d.lease_epoch = $3 AND d.step <> 'done' RETURNING d.id
     ), conversation AS (
       INSERT INTO conversations (model_id, decision_cycle_id, started_at) SELECT $1, id, to_timestamp($5 / 1000.0) FROM record RETURNING id
     ), messages AS (
       INSERT INTO conversation_messages (conversation_id, role, content, ts_ms, tokens, metadata)
       SELECT c.id, m.role, m.content, $5, m.tokens, coalesce(m.metadata, '{}') FROM conversation c, jsonb_to_recordset($6::jsonb) AS m(role text, content text, tokens int, metadata jsonb)
     ), attached AS (
       UPDATE positions p SET sl_oid = coalesce(a."slOid", p.sl_oid), tp_oid = coalesce(a."tpOid", p.tp_oid), updated_at = now()
       FROM record, jsonb_to_recordset($7::jsonb) AS a(symbol text, "slOid" bigint, "tpOid" bigint)
       WHERE p.model_id = $1 AND p.symbol = a.symbol AND p.status = 'open'
     )
     SELECT ${EFFECT_COLUMNS.split(', ')
       .map((column) => `e.${column}`)
       .join(', ')} FROM record, add_effects($8::jsonb, $9) e`,
    [
      lease.modelId,
      slotMs,
      lease.epoch,
      toJsonb(patch),
      extras.decidedAtMs,
      toJsonb(extras.messages),
      toJsonb(extras.attached),
      toJsonb(extras.effects),
      EFFECT_LEASE_MS,
      extras.history === null
        ? null
        : toJsonb({
            entryPause: extras.history.pause,
            cooldowns: Object.fromEntries(extras.history.cooldowns.map(({ symbol, untilMs }) => [symbol, untilMs])),
          }),
    ],
  );
  if (rows.length === 0) throw leaseLost(lease);
  return rows;
}

function leaseLost(lease: Lease): CodedError {
  return new CodedError(
    'NOF0_LEASE_LOST',
    `the decision lease of "${lease.modelId}" (epoch ${lease.epoch}) passed to another process`,
  );
}

/** Orders of the given slots' cycles, for finding what a fill was meant to be. */
export async function ordersOfSlots(tx: Queryable, modelId: string, slots: readonly number[]): Promise<OrderRecord[]> {
  if (slots.length === 0) return [];
  const rows = await tx.query<{ orders: CycleOrders | null }>(
    'SELECT orders FROM decision_cycles WHERE model_id = $1 AND slot_ms = ANY($2::bigint[])',
    [modelId, slots],
  );
  return rows.flatMap((row) => [...(row.orders?.legs ?? []), ...(row.orders?.guard?.legs ?? [])]);
}
