/**
 * Asking a language model. Every call is an attempt with a reservation of its own: intent and reservation are stored before it, answer
 * and settlement after it, each pair in one commit.
 *
 * An endpoint that does not answer makes the job come back later, on the step before the question, as often as the arena allows: nobody
 * waits in a worker. An answer that is no decision is sent back once with what is wrong with it; then the cycle is a hold.
 */

import { lateAfterMs } from '../../domain/time.ts';
import { CodedError, toCoded } from '../../errors.ts';
import type { DecisionRequest, ModelReply } from '../../llm/decision-model.ts';
import { renderRepair } from '../../llm/prompt.ts';
import { saveStep } from '../../store/decisions.ts';
import { countCall, reserveBudget, settleBudget } from '../../store/llm-budget.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import { committed } from '../context.ts';
import { type Asked, assistantMessage, promptMessages } from './ask.ts';
import { type Call, keepLease, type OpenCall, prepare, type Spent, totals, usageOf } from './call.ts';

/** Longest wait that is worth a second call, and the first of the doubling ones between calls. */
const MAX_WAIT_MS = 60_000;
const BACKOFF_MS = 1000;

export async function askEndpoint(...given: Parameters<typeof prepare>): Promise<Asked> {
  const call = prepare(...given);
  const known = await recall(call);
  if (known !== null) return known;
  const renewal = keepLease(call.stories, call.lease, call.signal);
  try {
    const first = await attempt(call, call.request, renewal.signal);
    if (!(first instanceof CodedError)) return first;
    const later = first.code === 'NOF0_LLM_UNAVAILABLE' ? await retryLater(call, first) : null;
    if (later !== null) throw later;
    // Where no text came there is nothing to put right.
    if (typeof first.details.raw !== 'string') return failed(call, first);
    const repair = renderRepair(first.details.raw, first.faults);
    const second = await attempt(call, { ...call.request, repair }, renewal.signal);
    return second instanceof CodedError ? failed(call, second) : second;
  } finally {
    renewal.stop();
  }
}

/** An answer that was given before to exactly this request: no call, no reservation, no cost. */
async function recall(call: Call): Promise<Asked | null> {
  const { stories, trader, context, lease, base } = call;
  if (trader.model.memory === undefined) return null;
  const reply = await trader.model.memory.recall(call.request);
  stories.metrics.llmCacheReads.inc({ model: context.modelId, result: reply === null ? 'miss' : 'hit' });
  if (reply === null) return null;
  const patch = { ...base, ...answerOf(reply), llmCached: true, promptTokens: 0, completionTokens: 0, costUsd: 0 };
  await committed(stories, 'cycle-step', () =>
    saveStep(stories.db, lease, context.slotMs, { ...patch, step: 'answered' }),
  );
  const said = assistantMessage(reply.raw, { cached: true, cost_usd: 0 });
  return { kind: 'answered', answer: reply.answer, patch, messages: [...promptMessages(call.request.prompt), said] };
}

/** One call. An error that ends it as a call is returned; anything else is thrown and the intent stays. */
async function attempt(call: Call, request: DecisionRequest, signal: AbortSignal): Promise<Asked | CodedError> {
  const { stories, trader, context } = call;
  const model = context.modelId;
  const open = await reserve(call, request);
  if (open === null) {
    stories.metrics.llmCalls.inc({ model, result: 'budget' });
    return new CodedError('NOF0_LLM_BUDGET', `budget: the call could pass the limit of ${call.day}`);
  }
  if (request.repair !== undefined) call.said.push({ role: 'user', content: request.repair.asked, tokens: 0 });
  const end = stories.metrics.llmLatency.startTimer({ model });
  try {
    const reply = await crossing('call model', () => trader.model.decide(request, signal));
    open.latencyMs = Math.round(end() * 1000);
    stories.metrics.llmCalls.inc({ model, result: 'answered' });
    return await answered(call, open, reply);
  } catch (error) {
    const coded = toCoded(error);
    if (coded.code !== 'NOF0_LLM_UNAVAILABLE' && coded.code !== 'NOF0_LLM_ANSWER_INVALID') throw error;
    open.latencyMs = Math.round(end() * 1000);
    stories.metrics.llmCalls.inc({
      model,
      result: coded.code === 'NOF0_LLM_UNAVAILABLE' ? 'unavailable' : 'invalid',
    });
    await settleFailed(call, open, coded);
    return coded;
  }
}

/** Reservation and intent are one commit: no call without a reservation, no reservation without a cycle that answers for it. */
async function reserve(call: Call, request: DecisionRequest): Promise<OpenCall | null> {
  const { stories, trader, lease, context, day, base } = call;
  const limit = { tokens: trader.participant.dailyTokens ?? null, usd: trader.participant.dailyUsd ?? null };
  const want = trader.model.bound(request);
  return committed(stories, 'cycle-step', () =>
    stories.db.transaction(async (tx) => {
      if (!(await reserveBudget(tx, context.modelId, day, want, limit))) return null;
      const before = await countCall(tx, lease, context.slotMs);
      await saveStep(tx, lease, context.slotMs, {
        ...base,
        step: 'asking',
        reservedTokens: want.tokens,
        reservedUsd: want.usd,
      });
      call.calls = before.calls;
      return { want, before, latencyMs: 0 };
    }),
  );
}

/** Answer and settlement are one commit, too. */
async function answered(call: Call, open: OpenCall, reply: ModelReply): Promise<Asked> {
  const { stories, trader, lease, context, day } = call;
  const used = { tokens: reply.promptTokens + reply.completionTokens, usd: reply.costUsd };
  call.base = { ...call.base, ...totals(call, open, reply) };
  const patch = { ...call.base, ...answerOf(reply) };
  await committed(stories, 'cycle-step', () =>
    stories.db.transaction(async (tx) => {
      await saveStep(tx, lease, context.slotMs, { ...patch, step: 'answered' });
      await settleBudget(tx, context.modelId, day, open.want, used);
    }),
  );
  countSpent(call, reply);
  keepSaid(call, open, reply.raw, reply);
  await trader.model.memory?.keep(call.request, reply);
  return { kind: 'answered', answer: reply.answer, patch, messages: call.said };
}

/** What the call used is settled; a call of which nobody knows what it used has used all that was reserved. */
async function settleFailed(call: Call, open: OpenCall, error: CodedError): Promise<void> {
  const { stories, lease, context, day } = call;
  const spent = usageOf(error, open.want);
  call.base = { ...call.base, ...totals(call, open, spent) };
  await committed(stories, 'cycle-step', () =>
    stories.db.transaction(async (tx) => {
      await saveStep(tx, lease, context.slotMs, call.base);
      await settleBudget(tx, context.modelId, day, open.want, spent.used);
    }),
  );
  countSpent(call, spent);
  const { raw } = error.details;
  if (typeof raw === 'string') keepSaid(call, open, raw, spent, error);
}

function countSpent({ stories, context: { modelId: model } }: Call, spent: Spent): void {
  const { llmTokens, llmCost } = stories.metrics;
  llmTokens.inc({ model, kind: 'prompt' }, spent.promptTokens);
  llmTokens.inc({ model, kind: 'completion' }, spent.completionTokens);
  llmCost.inc({ model }, spent.costUsd);
}

/** Keeps what was said for the conversation. */
function keepSaid(call: Call, open: OpenCall, raw: string, spent: Spent, error?: CodedError): void {
  // An endpoint counts the prompt as one; it stands with the user's part.
  const asked = call.said.at(-1);
  if (asked !== undefined) call.said[call.said.length - 1] = { ...asked, tokens: spent.promptTokens };
  const metadata = {
    cost_usd: spent.costUsd,
    latency_ms: open.latencyMs,
    ...(error === undefined ? {} : { error: error.code, faults: error.faults.slice(0, 20) }),
  };
  call.said.push({ ...assistantMessage(raw, metadata), tokens: spent.completionTokens });
}

function answerOf({ answer }: ModelReply) {
  return { answer, cotTrace: answer.reasoning, reservedTokens: 0, reservedUsd: 0 };
}

/**
 * What makes the job come back for another call; the cycle stands where it stood before the question. Null when nobody is asked again in
 * this slot, because the endpoint will not answer, has been asked often enough, or would answer too late.
 */
async function retryLater(call: Call, error: CodedError): Promise<CodedError | null> {
  const { stories, trader, context, lease } = call;
  const { retry, retryAfterMs } = error.details;
  const waitMs = typeof retryAfterMs === 'number' ? retryAfterMs + jitter(BACKOFF_MS) : jitter(backoff(call.calls));
  const interval = trader.participant.decision ?? stories.pace.decision;
  const isTooLate = stories.clock.now(context.slotMs) + waitMs > lateAfterMs(context.slotMs, interval);
  const allowed = 1 + (trader.participant.endpoint?.retries ?? 0);
  if (retry !== true || call.calls >= allowed || waitMs > MAX_WAIT_MS || isTooLate) return null;
  await committed(stories, 'cycle-step', () => saveStep(stories.db, lease, context.slotMs, { step: 'started' }));
  return new CodedError('NOF0_LLM_UNAVAILABLE', error.message, { details: { ...error.details, retryAfterMs: waitMs } });
}

const backoff = (calls: number): number => BACKOFF_MS * 2 ** calls;
/** Full jitter: models that met the same outage do not come back together. */
const jitter = (limitMs: number): number => Math.ceil(Math.random() * limitMs);

function failed(call: Call, error: CodedError): Asked {
  // What was never asked is no conversation.
  const messages = call.calls === 0 ? [] : call.said;
  return { kind: 'failed', code: error.code, reason: error.message, patch: call.base, messages };
}
