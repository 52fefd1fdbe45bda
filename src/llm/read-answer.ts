/**
 * From a model's text to an answer. Strict: a number that comes as text, a missing field or an unknown action is no decision. The model
 * is asked once to put it right; nothing is guessed, because a guess would be traded.
 */

import { type Answer, answerSchema } from '../domain/decision.ts';
import type { Fault } from '../errors.ts';

/** More text than any answer needs; what is longer is not searched for one. */
const MAX_TEXT = 256 * 1024;
/** Objects tried inside a text that is not JSON as a whole; more than this many braces is no prose. */
const MAX_CANDIDATES = 50;

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
  const visible = withoutThoughts(text).replaceAll('\uFEFF', '').trim();
  const whole = parseJson(visible);
  if (isCutOff && whole === undefined) return { faults: [NO_ANSWER] };
  const meant = whole === undefined ? objectsIn(visible).map(parseJson).filter(meansToAnswer).at(-1) : whole;
  if (meant === undefined) return { faults: [NO_ANSWER] };
  const parsed = answerSchema.safeParse(meant);
  if (parsed.success) return { answer: parsed.data };
  return { faults: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message })) };
}

function meansToAnswer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'decisions' in value;
}

const THOUGHT = { open: '<think>', close: '</think>' };

/** The text without its thoughts. Linear, however many are opened; one that never ends hides nothing. */
function withoutThoughts(text: string): string {
  let shown = '';
  let from = 0;
  for (;;) {
    const open = text.indexOf(THOUGHT.open, from);
    const close = open === -1 ? -1 : text.indexOf(THOUGHT.close, open);
    if (close === -1) return shown + text.slice(from);
    shown += text.slice(from, open);
    from = close + THOUGHT.close.length;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not being JSON is one of the expected outcomes: the next candidate is tried, and none is a coded error.
    return undefined;
  }
}

/** Outermost balanced `{…}` stretches, in order. Braces inside JSON strings do not count. */
function objectsIn(text: string): string[] {
  const found: string[] = [];
  let start = text.indexOf('{');
  for (let tried = 0; start !== -1 && tried < MAX_CANDIDATES; tried++) {
    const end = closingBrace(text, start);
    if (end !== -1) found.push(text.slice(start, end + 1));
    start = text.indexOf('{', end === -1 ? start + 1 : end + 1);
  }
  return found;
}

function closingBrace(text: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return i;
  }
  return -1;
}
