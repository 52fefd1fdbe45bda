/**
 * From a model's text to an answer. Strict: a number that comes as text, a missing field or an unknown action is no decision. The model
 * is asked once to put it right; nothing is guessed, because a guess would be traded.
 */

import { type Answer, answerSchema } from '../domain/decision.ts';
import type { Fault } from '../errors.ts';
import { findObject } from './find-object.ts';

/** More text than any answer needs; what is longer is not searched for one. */
const MAX_TEXT = 256 * 1024;

const NO_ANSWER: Fault = { path: '', expected: 'a JSON object with "reasoning" and "decisions"' };

/**
 * The answer in a text: the text itself, or the last object inside it that means to be one (prose, fences, thoughts around it). The last
 * one counts even if it is at fault: a draft before it is what the model has thought better of. `isCutOff`: the model ran out of tokens, so
 * that only a text which is whole can be an answer.
 */
export function readAnswer(
  text: string,
  isCutOff = false,
): { readonly answer: Answer } | { readonly faults: readonly Fault[] } {
  if (text.length > MAX_TEXT) return { faults: [{ path: '', expected: `at most ${MAX_TEXT} characters` }] };
  const meant = findObject(text, meansToAnswer, isCutOff);
  if (meant === undefined) return { faults: [NO_ANSWER] };
  const parsed = answerSchema.safeParse(meant);
  if (parsed.success) return { answer: parsed.data };
  return { faults: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message })) };
}

function meansToAnswer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'decisions' in value;
}
