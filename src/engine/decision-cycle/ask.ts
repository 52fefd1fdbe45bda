/** Asking a model, whichever it is. */

import { canonicalJson } from '../../domain/canonical-json.ts';
import type { Answer, DecisionContext, MarketFrame } from '../../domain/decision.ts';
import { sha256 } from '../../domain/random.ts';
import type { CodedError } from '../../errors.ts';
import { renderPrompt } from '../../llm/prompt.ts';
import type { CyclePatch, Message } from '../../store/decisions.ts';
import type { Stories, Trader } from '../context.ts';

/** What came of asking, what the cycle's row shall say about it, and the conversation for the record. */
export type Asked = { readonly patch: CyclePatch; readonly messages: readonly Message[] } & (
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly code: CodedError['code']; readonly reason: string }
);

/** A built-in strategy answers the same whenever it is asked, so nothing needs to be stored in between. */
export async function askBuiltin(
  stories: Stories,
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  signal: AbortSignal,
): Promise<Asked> {
  const startedAt = performance.now();
  const { answer, raw } = await trader.model.decide(
    { context, frame, prompt: { system: '', user: '' }, seed: stories.seed },
    signal,
  );
  const latencyMs = Math.round(performance.now() - startedAt);
  return {
    kind: 'answered',
    answer,
    patch: {
      frameSlotMs: frame.slotMs,
      context,
      contextDigest: sha256(canonicalJson(context)),
      answer,
      cotTrace: answer.reasoning,
      promptTokens: 0,
      completionTokens: 0,
      costUsd: 0,
      latencyMs,
    },
    messages: conversation(trader, context, frame, raw),
  };
}

/** Longest text of an answer that is kept. */
const MAX_KEPT = 50_000;

/** What a model is told. */
export function promptMessages(prompt: { readonly system: string; readonly user: string }): Message[] {
  return [
    { role: 'system', content: prompt.system, tokens: 0 },
    { role: 'user', content: prompt.user, tokens: 0 },
  ];
}

/** What it said, as it came; only the beginning of what no answer needs. */
export function assistantMessage(raw: string, metadata?: Readonly<Record<string, unknown>>): Message {
  const content = raw.length > MAX_KEPT ? `${raw.slice(0, MAX_KEPT)}…` : raw;
  return { role: 'assistant', content, tokens: 0, ...(metadata === undefined ? {} : { metadata }) };
}

/** The messages of a cycle whose process died after the answer: a built-in strategy is asked without words. */
export function conversation(trader: Trader, context: DecisionContext, frame: MarketFrame, raw: string): Message[] {
  const said = assistantMessage(raw);
  return trader.model.deterministic ? [said] : [...promptMessages(renderPrompt(trader.prompt, context, frame)), said];
}
