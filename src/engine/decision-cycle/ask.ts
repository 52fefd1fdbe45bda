/** Asking a model, whichever it is. */

import type { Answer, DecisionContext, MarketFrame } from '../../domain/decision.ts';
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

/** The messages of a cycle: what was asked (a built-in strategy is asked without words) and what came back, if anything did. */
export function conversation(
  trader: Trader,
  context: DecisionContext,
  frame: MarketFrame,
  raw: string | null,
  tokens: { readonly prompt: number; readonly completion: number } = { prompt: 0, completion: 0 },
): Message[] {
  const said: Message[] = raw === null ? [] : [{ role: 'assistant', content: raw, tokens: tokens.completion }];
  if (trader.model.deterministic) return said;
  const prompt = renderPrompt(context, frame);
  // An endpoint counts the prompt as one; it stands with the user's part.
  return [
    { role: 'system', content: prompt.system, tokens: 0 },
    { role: 'user', content: prompt.user, tokens: tokens.prompt },
    ...said,
  ];
}
