/**
 * A stored decision, asked again on exactly its inputs: of another model, or with another prompt. Nothing of the arena changes by it: no
 * cycle, no order, no budget, only a line in the audit log.
 */

import { type Answer, answerSchema, type DecisionContext, type MarketFrame } from '../domain/decision.ts';
import type { JournalRecord } from '../domain/journal.ts';
import type { PromptTemplate } from '../domain/prompt-template.ts';
import { sha256 } from '../domain/random.ts';
import { CodedError, toCoded } from '../errors.ts';
import type { DecisionModel, DecisionRequest, ModelReply } from '../llm/decision-model.ts';
import { renderPrompt, renderRepair } from '../llm/prompt.ts';
import { audit } from '../store/audit.ts';
import type { Queryable } from '../store/database.ts';
import type { Trader } from './context.ts';
import { contextDigest } from './decision-cycle/call.ts';
import { frameDigest } from './market-frame.ts';

/** What a model said, and what that took. */
export type Said = {
  readonly model: string;
  readonly promptVersion: string | null;
  /** Null when there was none; then `error` says why. */
  readonly answer: Answer | null;
  readonly error: string | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
  readonly latencyMs: number;
  /** The answer was remembered: nobody was asked. */
  readonly isCached: boolean;
};

export type AskedAgain = {
  readonly cycle: {
    readonly id: number;
    readonly modelId: string;
    readonly cycleNumber: number;
    readonly slotMs: number;
  };
  readonly stored: Said;
  readonly again: Said;
};

export type Inputs = { readonly context: DecisionContext; readonly frame: MarketFrame };

/**
 * Throws NOF0_INPUT_INVALID for a cycle that ended before anybody was asked, and NOF0_DIGEST_MISMATCH when a stored input is not the one
 * that the decision was made on. A model that does not answer is part of the result.
 */
export async function askAgain(
  { db, seed, who }: { readonly db: Queryable; readonly seed: string; readonly who: string },
  cycle: JournalRecord,
  { trader, prompt }: { readonly trader: Trader; readonly prompt: PromptTemplate },
  signal: AbortSignal,
): Promise<AskedAgain> {
  const { context, frame } = inputsOf(cycle);
  const rendered = renderPrompt(prompt, context, frame);
  const isInWords = !trader.model.deterministic;
  const request = { context, frame, prompt: isInWords ? rendered : { system: '', user: '' }, seed };
  const again: Said = {
    model: trader.participant.id,
    promptVersion: isInWords ? prompt.version : null,
    ...(await question(trader.model, request, signal)),
  };
  await audit(db, {
    who,
    what: 'ask',
    target: `cycle:${cycle.id}`,
    after: {
      with: again.model,
      promptVersion: again.promptVersion,
      promptDigest: isInWords ? rendered.digest : null,
      answerDigest: again.answer === null ? null : sha256(JSON.stringify(again.answer)),
      costUsd: again.costUsd,
      error: again.error,
    },
  });
  const { id, trader_id: modelId, cycle_number: cycleNumber, cycle_ts_ms: slotMs } = cycle;
  return { cycle: { id, modelId, cycleNumber, slotMs }, stored: storedAnswer(cycle), again };
}

/** Context and frame of a stored cycle, after comparing both with their digests. */
export function inputsOf(cycle: JournalRecord): Inputs {
  const { id, context, market: frame } = cycle;
  if (context === null || frame === null) {
    const why = cycle.error_message === null ? '' : `: ${cycle.error_message}`;
    throw new CodedError('NOF0_INPUT_INVALID', `cycle ${id} has no inputs, it ended before anybody was asked${why}`);
  }
  assertDigest(`the context of cycle ${id}`, contextDigest(context), cycle.context_digest ?? null);
  assertDigest(`the market frame of cycle ${id}`, frameDigest(frame), cycle.market_digest);
  return { context, frame };
}

function assertDigest(what: string, is: string, stored: string | null): void {
  if (is === stored) return;
  const was = stored === null ? 'it was stored without one' : `it was ${stored.slice(0, 12)}…`;
  throw new CodedError('NOF0_DIGEST_MISMATCH', `${what} has the digest ${is.slice(0, 12)}…; ${was}`);
}

function storedAnswer(cycle: JournalRecord): Said {
  return {
    model: cycle.trader_id,
    promptVersion: cycle.prompt_version,
    answer: cycle.answer === null ? null : answerSchema.parse(cycle.answer),
    error: cycle.answer === null ? (cycle.error_message ?? 'no answer') : null,
    promptTokens: cycle.prompt_tokens ?? 0,
    completionTokens: cycle.completion_tokens ?? 0,
    costUsd: cycle.cost_usd ?? 0,
    latencyMs: cycle.latency_ms ?? 0,
    isCached: cycle.llm_cached ?? false,
  };
}

type Spent = { promptTokens: number; completionTokens: number; costUsd: number };

/** The question as a cycle asks it, with one repair; without its retries, for somebody is watching. */
async function question(
  model: DecisionModel,
  request: DecisionRequest,
  signal: AbortSignal,
): Promise<Omit<Said, 'model' | 'promptVersion'>> {
  const startedAt = performance.now();
  const spent: Spent = { promptTokens: 0, completionTokens: 0, costUsd: 0 };
  const said = (answer: Answer | null, error: string | null, isCached = false) => ({
    ...{ answer, error, ...spent, isCached },
    latencyMs: Math.round(performance.now() - startedAt),
  });
  const remembered = await model.memory?.recall(request);
  if (remembered) return said(remembered.answer, null, true);
  try {
    const reply = await withRepair(model, request, signal, spent);
    await model.memory?.keep(request, reply);
    return said(reply.answer, null);
  } catch (error) {
    const coded = toCoded(error);
    if (coded.code !== 'NOF0_LLM_UNAVAILABLE' && coded.code !== 'NOF0_LLM_ANSWER_INVALID') throw error;
    return said(null, `${coded.code} ${coded.message}`);
  }
}

async function withRepair(
  model: DecisionModel,
  request: DecisionRequest,
  signal: AbortSignal,
  spent: Spent,
): Promise<ModelReply> {
  try {
    const reply = await model.decide(request, signal);
    add(spent, reply);
    return reply;
  } catch (error) {
    const { code, details, faults } = toCoded(error);
    add(spent, details);
    if (request.repair !== undefined || code !== 'NOF0_LLM_ANSWER_INVALID' || typeof details.raw !== 'string')
      throw error;
    return withRepair(model, { ...request, repair: renderRepair(details.raw, faults) }, signal, spent);
  }
}

function add(spent: Spent, call: { readonly [Name in keyof Spent]?: unknown }): void {
  for (const name of ['promptTokens', 'completionTokens', 'costUsd'] as const) {
    const value = call[name];
    if (typeof value === 'number') spent[name] += value;
  }
}
