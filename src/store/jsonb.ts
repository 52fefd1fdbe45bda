/** JSON as Postgres takes it. */

/** `\u0000` and halves of a surrogate pair (which `JSON.stringify` escapes, and only those); or any other escape. */
const ESCAPES = /\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g;

/**
 * The value as text for a JSONB parameter. Text from outside may hold NUL, and cut text half a surrogate pair; Postgres refuses a
 * whole statement for either, so they become U+FFFD.
 */
export function toJsonb(value: unknown): string {
  const text = JSON.stringify(value);
  // Most text has neither, and looking at each of its escapes costs more than making it.
  if (!text.includes('\\u')) return text;
  return text.replace(ESCAPES, (all, code: string) => (code.length > 1 ? '\\ufffd' : all));
}
