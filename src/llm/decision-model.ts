/** Who decides. Built-in strategies and language models stand behind the same interface. */

import type { Answer, DecisionContext, MarketFrame, Usage } from '../domain/decision.ts';

/** What was said before, in a question that puts an answer right that was none. */
export type Repair = {
  /** The answer that could not be used, as it came. */
  readonly said: string;
  /** What is wrong with it, in words for the model. */
  readonly asked: string;
};

export type DecisionRequest = {
  readonly context: DecisionContext;
  readonly frame: MarketFrame;
  /** Rendered prompt of a language model; built-in strategies ignore it. */
  readonly prompt: { readonly system: string; readonly user: string };
  /** Present when the model is asked a second time, after an answer that was no decision. */
  readonly repair?: Repair;
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

/** Answers by the question they were given to. Never fails: what is not known is asked. */
export interface ResponseMemory {
  /** The answer that was given to exactly this question before, free of charge; null when there is none. */
  recall(request: DecisionRequest): Promise<ModelReply | null>;
  keep(request: DecisionRequest, reply: ModelReply): Promise<void>;
}

export interface DecisionModel {
  /** Kind of model, for instance `trend-follower` or the id of the participant behind an endpoint. */
  readonly kind: string;
  /** A deterministic model is simply asked again after a crash; any other is never asked twice. */
  readonly deterministic: boolean;
  /** The most that one call with this request may use: reserved from the budget before it is made. Nothing for built-in strategies. */
  bound(request: DecisionRequest): Usage;
  /**
   * One call. Throws NOF0_LLM_UNAVAILABLE when nobody answered (`details`: `retry` whether another call may help, `retryAfterMs` when
   * the endpoint named a time, `spent` false when the call certainly cost nothing) and NOF0_LLM_ANSWER_INVALID when the answer is no
   * decision (`details`: `raw` if there was a text, `promptTokens`, `completionTokens`, `costUsd` if they are known).
   */
  decide(request: DecisionRequest, signal: AbortSignal): Promise<ModelReply>;
  /** Answers given before; absent where every question is asked. */
  readonly memory?: ResponseMemory;
}

/** Says of headlines what they mean for their stocks. */
export type HeadlineScorer = {
  /** Headlines of one question. */
  readonly atOnce: number;
  /** The most that a question may use: a token is at least a byte. */
  bound(headlines: readonly string[]): Usage;
  /**
   * −1 (bad for the stock) to 1 (good) for each, in their order. Throws NOF0_LLM_UNAVAILABLE, and NOF0_LLM_ANSWER_INVALID with `used` in
   * its details for an answer that has to be paid all the same.
   */
  score(
    headlines: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly scores: number[]; readonly used: Usage }>;
};
