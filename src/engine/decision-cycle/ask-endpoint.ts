/** Asking a language model: the intent and its budget are stored before the call, the answer and what it cost after it. */

import type { DecisionContext, MarketFrame } from '../../domain/decision.ts';
import { marketDay } from '../../domain/time.ts';
import { CodedError, toCoded } from '../../errors.ts';
import type { ModelReply } from '../../llm/decision-model.ts';
import { renderPrompt } from '../../llm/prompt.ts';
import { type CyclePatch, type Lease, renewLease, saveStep } from '../../store/decisions.ts';
import { reserveBudget, settleBudget, type Usage } from '../../store/models.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import { committed, type Stories, type Trader } from '../context.ts';
import { type Asked, conversation } from './ask.ts';

const LEASE_RENEWAL_MS = 3000;
/** Tokens are counted before a call by their usual length; a reservation may be too large, never too small by much. */
const CHARS_PER_TOKEN = 3;

/** One call: everything that is known before the model is asked. */
type Call = {
  readonly stories: Stories;
  readonly trader: Trader;
  readonly lease: Lease;
  readonly context: DecisionContext;
  readonly frame: MarketFrame;
  readonly prompt: ReturnType<typeof renderPrompt>;
  readonly day: string;
  /** The most it can use: the prompt and the longest answer. */
  readonly want: Usage;
  readonly base: CyclePatch;
};

export async function askEndpoint(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  lease: Lease,
  signal: AbortSignal,
): Promise<Asked> {
  const call = prepare(stories, trader, context, frame, lease);
  if (!(await reserve(call))) {
    return {
      kind: 'failed',
      code: 'NOF0_LLM_BUDGET',
      reason: `budget: the call could pass the limit of ${call.day}`,
      patch: call.base,
      messages: [],
    };
  }
  const startedAt = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedAt);
  const renewal = keepLease(stories, lease, signal);
  try {
    const request = { context, frame, prompt: call.prompt, seed: stories.seed };
    return await answered(
      call,
      await crossing('call model', () => trader.model.decide(request, renewal.signal)),
      elapsedMs(),
    );
  } catch (error) {
    const hold = endsAsHold(error);
    if (hold === null) throw error;
    await settleBudget(stories.db, context.modelId, call.day, call.want, usageOf(hold, call.want));
    return {
      kind: 'failed',
      code: hold.code,
      reason: hold.message,
      patch: { ...call.base, latencyMs: elapsedMs() },
      messages: conversation(trader, context, frame, null),
    };
  } finally {
    renewal.stop();
  }
}

function prepare(stories: Stories, trader: Trader, context: DecisionContext, frame: MarketFrame, lease: Lease): Call {
  const prompt = renderPrompt(context, frame);
  const { maxCompletionTokens, pricePerToken } = trader.model;
  const promptTokens = Math.ceil((prompt.system.length + prompt.user.length) / CHARS_PER_TOKEN);
  const want = {
    tokens: promptTokens + maxCompletionTokens,
    usd: promptTokens * pricePerToken.promptUsd + maxCompletionTokens * pricePerToken.completionUsd,
  };
  const base: CyclePatch = {
    frameSlotMs: frame.slotMs,
    context,
    promptDigest: prompt.digest,
    promptVersion: prompt.version,
  };
  return { stories, trader, lease, context, frame, prompt, day: marketDay(context.slotMs), want, base };
}

/** Reservation and intent are one commit: no call without a reservation, no reservation without a cycle that answers for it. */
function reserve({ stories, trader, lease, context, day, want, base }: Call): Promise<boolean> {
  const limit = { tokens: trader.participant.dailyTokens ?? null, usd: trader.participant.dailyUsd ?? null };
  return committed(stories, 'cycle-step', () =>
    stories.db.transaction(async (tx) => {
      if (!(await reserveBudget(tx, context.modelId, day, want, limit))) return false;
      await saveStep(tx, lease, context.slotMs, {
        ...base,
        step: 'asking',
        reservedTokens: want.tokens,
        reservedUsd: want.usd,
      });
      return true;
    }),
  );
}

/** Answer and settlement are one commit, too. */
async function answered(call: Call, reply: ModelReply, latencyMs: number): Promise<Asked> {
  const { stories, trader, lease, context, frame, day, want, base } = call;
  const { answer, promptTokens, completionTokens, costUsd } = reply;
  const patch: CyclePatch = {
    ...base,
    answer,
    cotTrace: answer.reasoning,
    promptTokens,
    completionTokens,
    costUsd,
    latencyMs,
  };
  await committed(stories, 'cycle-step', () =>
    stories.db.transaction(async (tx) => {
      await saveStep(tx, lease, context.slotMs, { ...patch, step: 'answered' });
      await settleBudget(tx, context.modelId, day, want, { tokens: promptTokens + completionTokens, usd: costUsd });
    }),
  );
  return {
    kind: 'answered',
    answer,
    patch,
    messages: conversation(trader, context, frame, reply.raw, { prompt: promptTokens, completion: completionTokens }),
  };
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
  return ['NOF0_LLM_UNAVAILABLE', 'NOF0_LLM_ANSWER_INVALID'].includes(coded.code) ? coded : null;
}
