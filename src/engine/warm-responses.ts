/** Fills the cache of remembered answers from the decisions that are stored. */

import { answerSchema } from '../domain/decision.ts';
import { renderPrompt } from '../llm/prompt.ts';
import type { Queryable } from '../store/database.ts';
import { answeredCycles } from '../store/decision-reads.ts';
import { journalOfCycle } from '../store/journal.ts';
import { inputsOf } from './ask-again.ts';
import type { Trader } from './context.ts';

export type Warmed = { readonly modelId: string; readonly kept: number; readonly passedOver: number };

/**
 * The newest answers of a model, at most `limit`, each under the question it was given to. Passed over: cycles whose question would read
 * differently today, for nobody will ask it again. Null for a model that remembers nothing.
 */
export async function warmResponses(db: Queryable, trader: Trader, limit: number): Promise<Warmed | null> {
  const { participant, model, prompt, configDigest } = trader;
  const { memory } = model;
  if (memory === undefined) return null;
  const ids = await answeredCycles(db, participant.id, configDigest, limit);
  let kept = 0;
  for (const id of ids) {
    const cycle = await journalOfCycle(db, id);
    if (cycle === null || cycle.context === null || cycle.market === null) continue;
    const { context, frame } = inputsOf(cycle);
    const question = renderPrompt(prompt, context, frame);
    if (question.digest !== cycle.prompt_digest) continue;
    const answer = answerSchema.parse(cycle.answer);
    const said = cycle.messages.filter(({ role }) => role === 'assistant').at(-1);
    const reply = { answer, raw: said?.content ?? JSON.stringify(answer) };
    await memory.keep(
      { context, frame, prompt: question, seed: '' },
      { ...reply, promptTokens: 0, completionTokens: 0, costUsd: 0 },
    );
    kept++;
  }
  return { modelId: participant.id, kept, passedOver: ids.length - kept };
}
