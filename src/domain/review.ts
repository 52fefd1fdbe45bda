/** From an answer to the orders it leads to. Pure: a recorded cycle is reviewed again with the same result. */

import type { Answer, DecisionContext, MarketFrame } from './decision.ts';
import type { GuardrailCode } from './guardrail-rules.ts';
import { judge, startUsed } from './guardrails.ts';
import { type SizedOrder, sizeDecision } from './sizing.ts';

/** A decision that was not executed, and why. */
export type Rejection = {
  readonly symbol: string;
  readonly action: string;
  readonly code: GuardrailCode;
  readonly reason: string;
};

/**
 * Judges the decisions in their order, exits first (they free margin), and sizes those that are accepted. One that is refused does not
 * keep the others from being executed: the answer as a whole was understood. `mayEnter` false: the slot is late.
 */
export function reviewDecisions(
  answer: Answer,
  context: DecisionContext,
  frame: MarketFrame,
  mayEnter: boolean,
): { readonly rejected: Rejection[]; readonly orders: SizedOrder[] } {
  const used = startUsed(context);
  const rejected: Rejection[] = [];
  const orders: SizedOrder[] = [];
  const exitsFirst = [...answer.decisions].sort(
    (a, b) => Number(b.action.startsWith('close')) - Number(a.action.startsWith('close')),
  );
  for (const decision of exitsFirst) {
    const verdict = judge(decision, context, frame, used, mayEnter);
    if (verdict.accepted) orders.push(...sizeDecision(decision, context, frame));
    else {
      const { code, reason } = verdict;
      rejected.push({ symbol: decision.symbol, action: decision.action, code, reason });
    }
  }
  return { rejected, orders };
}
