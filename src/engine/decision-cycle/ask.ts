/** Asking a model: budget first, then the intent, then the call; the answer is stored before anything is done with it. */

import type { Answer, DecisionContext, MarketFrame } from '../../domain/decision.ts';
import { marketDay } from '../../domain/time.ts';
import { CodedError, toCoded } from '../../errors.ts';
import { renderPrompt } from '../../llm/prompt.ts';
import { type CyclePatch, type Lease, type Message, renewLease, saveStep } from '../../store/decisions.ts';
import { reserveBudget, settleBudget, type Usage } from '../../store/models.ts';
import { committed, type Stories, type Trader } from '../context.ts';

export type Asked = { readonly patch: CyclePatch; readonly messages: readonly Message[] } & (
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly code: CodedError['code']; readonly reason: string }
);

const LEASE_RENEWAL_MS = 3000;
/** Tokens are counted before a call by their usual length; a reservation may be too large, never too small by much. */
const CHARS_PER_TOKEN = 3;

export async function askModel(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  lease: Lease,
  signal: AbortSignal,
): Promise<Asked> {
  return trader.model.deterministic
    ? askBuiltin(stories, trader, context, frame, signal)
    : askEndpoint(stories, trader, context, frame, lease, signal);
}

/** A built-in strategy answers the same whenever it is asked, so nothing needs to be stored in between. */
async function askBuiltin(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  signal: AbortSignal,
): Promise<Asked> {
  const startedAt = performance.now();
  const reply = await trader.model.decide(
    { context, frame, prompt: { system: '', user: '' }, seed: stories.seed },
    signal,
  );
  return {
    kind: 'answered',
    answer: reply.answer,
    patch: {
      frameSlotMs: frame.slotMs,
      context,
      answer: reply.answer,
      cotTrace: reply.answer.reasoning,
      promptTokens: 0,
      completionTokens: 0,
      costUsd: 0,
      latencyMs: Math.round(performance.now() - startedAt),
    },
    messages: [{ role: 'assistant', content: reply.raw, tokens: 0 }],
  };
}

async function askEndpoint(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  lease: Lease,
  signal: AbortSignal,
): Promise<Asked> {
  const { db } = stories;
  const { model, participant } = trader;
  const prompt = renderPrompt(context, frame);
  const day = marketDay(context.slotMs);
  const promptTokens = Math.ceil((prompt.system.length + prompt.user.length) / CHARS_PER_TOKEN);
  const want: Usage = {
    tokens: promptTokens + model.maxCompletionTokens,
    usd: promptTokens * model.pricePerToken.promptUsd + model.maxCompletionTokens * model.pricePerToken.completionUsd,
  };
  const asked: Message[] = [
    { role: 'system', content: prompt.system, tokens: 0 },
    { role: 'user', content: prompt.user, tokens: promptTokens },
  ];
  const base: CyclePatch = {
    frameSlotMs: frame.slotMs,
    context,
    promptDigest: prompt.digest,
    promptVersion: prompt.version,
  };
  if (
    !(await reserveBudget(db, context.modelId, day, want, {
      tokens: participant.dailyTokens ?? null,
      usd: participant.dailyUsd ?? null,
    }))
  ) {
    return {
      kind: 'failed',
      code: 'NOF0_LLM_BUDGET',
      reason: `budget: the call could pass the limit of ${day}`,
      patch: base,
      messages: [],
    };
  }
  await committed(stories, 'cycle-step', () =>
    saveStep(db, lease, context.slotMs, {
      ...base,
      step: 'asking',
      reservedTokens: want.tokens,
      reservedUsd: want.usd,
    }),
  );
  const startedAt = performance.now();
  const renewal = keepLease(stories, lease, signal);
  try {
    const reply = await model.decide({ context, frame, prompt, seed: stories.seed }, renewal.signal);
    const used: Usage = { tokens: reply.promptTokens + reply.completionTokens, usd: reply.costUsd };
    const patch: CyclePatch = {
      ...base,
      answer: reply.answer,
      cotTrace: reply.answer.reasoning,
      promptTokens: reply.promptTokens,
      completionTokens: reply.completionTokens,
      costUsd: reply.costUsd,
      latencyMs: Math.round(performance.now() - startedAt),
    };
    await committed(stories, 'cycle-step', () => saveStep(db, lease, context.slotMs, { ...patch, step: 'answered' }));
    await settleBudget(db, context.modelId, day, want, used);
    return {
      kind: 'answered',
      answer: reply.answer,
      patch,
      messages: [...asked, { role: 'assistant', content: reply.raw, tokens: reply.completionTokens }],
    };
  } catch (error) {
    const hold = endsAsHold(error);
    if (hold === null) throw error;
    await settleBudget(db, context.modelId, day, want, usageOf(hold, want));
    return {
      kind: 'failed',
      code: hold.code,
      reason: hold.message,
      patch: { ...base, latencyMs: Math.round(performance.now() - startedAt) },
      messages: asked,
    };
  } finally {
    renewal.stop();
  }
}

/** What a failed call used: what it says, nothing when nobody answered, and all of it when that is not known. */
function usageOf(error: CodedError, reserved: Usage): Usage {
  const { promptTokens, completionTokens, costUsd } = error.details;
  if (typeof promptTokens === 'number' && typeof completionTokens === 'number' && typeof costUsd === 'number')
    return { tokens: promptTokens + completionTokens, usd: costUsd };
  return error.code === 'NOF0_LLM_UNAVAILABLE' ? { tokens: 0, usd: 0 } : reserved;
}

/** Renews the lease while a slow answer is awaited, and gives the call up when the lease is lost. */
function keepLease(stories: Stories, lease: Lease, signal: AbortSignal): { signal: AbortSignal; stop: () => void } {
  const lost = new AbortController();
  const timer = setInterval(() => {
    renewLease(stories.db, lease)
      .then((held) => {
        if (!held)
          lost.abort(
            new CodedError('NOF0_LEASE_LOST', `the decision lease of "${lease.modelId}" passed on during the call`),
          );
      })
      // A database that is away for a moment is no lost lease; the next step's compare-and-set decides.
      .catch(() => stories.metrics.swallowed.inc({ reason: 'lease_renewal' }));
  }, LEASE_RENEWAL_MS);
  return { signal: AbortSignal.any([signal, lost.signal]), stop: () => clearInterval(timer) };
}

/** Errors of asking that end a cycle as hold; anything else is tried again. */
function endsAsHold(error: unknown): CodedError | null {
  const coded = toCoded(error);
  return ['NOF0_LLM_UNAVAILABLE', 'NOF0_LLM_ANSWER_INVALID', 'NOF0_LLM_BUDGET'].includes(coded.code) ? coded : null;
}
