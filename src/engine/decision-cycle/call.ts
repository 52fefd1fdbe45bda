/** What a question to a language model works with, and what it uses. */

import { canonicalJson } from '../../domain/canonical-json.ts';
import type { DecisionContext, MarketFrame, Usage } from '../../domain/decision.ts';
import { sha256 } from '../../domain/random.ts';
import { marketDay } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import type { DecisionRequest } from '../../llm/decision-model.ts';
import { renderPrompt } from '../../llm/prompt.ts';
import type { CyclePatch, Message } from '../../store/decisions.ts';
import { type Lease, renewLease } from '../../store/leases.ts';
import type { CycleSpending } from '../../store/llm-budget.ts';
import type { Stories, Trader } from '../context.ts';
import { promptMessages } from './ask.ts';

const LEASE_RENEWAL_MS = 3000;

/** Everything that is known before the model is asked, and what has been said since. */
export type Call = {
  readonly stories: Stories;
  readonly trader: Trader;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly context: DecisionContext;
  readonly request: DecisionRequest;
  /** Market day whose budget pays. */
  readonly day: string;
  /** Calls reserved in this cycle so far. */
  calls: number;
  /** What the cycle's row shall say whatever becomes of the answer. */
  base: CyclePatch;
  readonly said: Message[];
};

/** A call that is reserved and not settled. */
export type OpenCall = { readonly want: Usage; readonly before: CycleSpending; latencyMs: number };

export function prepare(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  lease: Lease,
  signal: AbortSignal,
): Call {
  const prompt = renderPrompt(trader.prompt, context, frame);
  return {
    stories,
    trader,
    lease,
    signal,
    context,
    request: { context, frame, prompt, seed: stories.seed },
    day: marketDay(context.slotMs),
    calls: 0,
    base: {
      frameSlotMs: frame.slotMs,
      context,
      contextDigest: contextDigest(context),
      promptDigest: prompt.digest,
      promptVersion: prompt.version,
    },
    said: promptMessages(prompt),
  };
}

export function contextDigest(context: DecisionContext): string {
  return sha256(canonicalJson(context));
}

/** What a call has used, as far as it is known. */
export type Spent = { readonly promptTokens: number; readonly completionTokens: number; readonly costUsd: number };

/** What the cycle has cost with this call; its reservation is over. */
export function totals({ base }: Call, { before, latencyMs }: OpenCall, spent: Spent): CyclePatch {
  return {
    latencyMs: (base.latencyMs ?? 0) + latencyMs,
    promptTokens: before.promptTokens + spent.promptTokens,
    completionTokens: before.completionTokens + spent.completionTokens,
    costUsd: before.costUsd + spent.costUsd,
    reservedTokens: 0,
    reservedUsd: 0,
  };
}

/** What a failed call used: what it says, nothing when it certainly cost nothing, and all of it when that is not known. */
export function usageOf(error: CodedError, reserved: Usage): Spent & { readonly used: Usage } {
  const { promptTokens, completionTokens, costUsd, spent } = error.details;
  if (typeof promptTokens === 'number' && typeof completionTokens === 'number' && typeof costUsd === 'number')
    return {
      promptTokens,
      completionTokens,
      costUsd,
      used: { tokens: promptTokens + completionTokens, usd: costUsd },
    };
  const used = spent === false ? { tokens: 0, usd: 0 } : reserved;
  return { promptTokens: 0, completionTokens: 0, costUsd: used.usd, used };
}

/** Renews the lease while a slow answer is awaited, and gives the call up when the lease is lost. */
export function keepLease(
  stories: Stories,
  lease: Lease,
  signal: AbortSignal,
): { signal: AbortSignal; stop: () => void } {
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
