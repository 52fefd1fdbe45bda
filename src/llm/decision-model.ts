/** Who decides. Built-in strategies and language models stand behind the same interface. */

import type { Answer, DecisionContext, MarketFrame } from '../domain/decision.ts';

export type DecisionRequest = {
  readonly context: DecisionContext;
  readonly frame: MarketFrame;
  /** Rendered prompt of a language model; built-in strategies ignore it. */
  readonly prompt: { readonly system: string; readonly user: string };
  /** Seed of the run: hash it with a purpose, the model and the slot, never share a generator. */
  readonly seed: string;
};

export type ModelReply = {
  readonly answer: Answer;
  /** The answer as it came over the wire, for the record. */
  readonly raw: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
};

export interface DecisionModel {
  /** Kind of model, for instance `trend-follower` or the name at the endpoint. */
  readonly kind: string;
  /** A deterministic model is simply asked again after a crash; any other is never asked twice. */
  readonly deterministic: boolean;
  /** Most tokens one answer may use, prompt excluded; 0 for built-in strategies. Reserved from the budget before asking. */
  readonly maxCompletionTokens: number;
  /** Worst-case price of a request with this prompt, USD; 0 for built-in strategies. */
  readonly pricePerToken: { readonly promptUsd: number; readonly completionUsd: number };
  /**
   * Decide. Throws NOF0_LLM_UNAVAILABLE when nobody answered and NOF0_LLM_ANSWER_INVALID when the answer is no decision.
   */
  decide(request: DecisionRequest, signal: AbortSignal): Promise<ModelReply>;
}
