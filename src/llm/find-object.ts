/** A JSON object in what a model says: prose, fences and thoughts may stand around it. */

/** Objects tried inside a text that is not JSON as a whole; more than this many braces is no prose. */
const MAX_CANDIDATES = 50;

/**
 * The text as JSON, else the last object inside it that `isMeant`: a draft before it is what the model has thought better of. Undefined
 * where there is none. `isCutOff`: the model ran out of tokens, so that only a text which is whole counts.
 */
export function findObject(text: string, isMeant: (value: unknown) => boolean, isCutOff: boolean): unknown {
  const visible = withoutThoughts(text).replaceAll('\uFEFF', '').trim();
  const whole = parseJson(visible);
  if (whole !== undefined || isCutOff) return whole;
  return objectsIn(visible).map(parseJson).filter(isMeant).at(-1);
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
