/** Answers of the read API: JSON with the time of the server, and a tag that lets a caller skip what has not changed. */

import type { Context } from 'hono';
import { sha256 } from '../domain/random.ts';
import { wrapped } from './envelope.ts';

const TAG_DIGITS = 32;

/** The text of an answer with its tag. */
export type Prepared = { readonly text: string; readonly tag: string };

/**
 * The tag covers the answer without the time of the server: else none would ever be the same as the one before. It is weak for the same
 * reason.
 */
export function prepare(body: object): Prepared {
  const text = JSON.stringify(body);
  return { text, tag: `W/"${sha256(text).slice(0, TAG_DIGITS)}"` };
}

/** Answers with `body` and, unless told otherwise, `serverTime` (wall time, ms). */
export function answer(c: Context, body: object, options?: { readonly serverTime: boolean }) {
  return answerWith(c, prepare(body), options);
}

export function answerWith(c: Context, { text, tag }: Prepared, options = { serverTime: true }): Response {
  const headers = { ETag: tag, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' };
  if (isKnown(c.req.header('if-none-match'), tag)) return wrapped(c, null, 304, headers);
  const timed = options.serverTime ? withField(text, 'serverTime', Date.now()) : text;
  return wrapped(c, timed, 200, { 'Content-Type': 'application/json', ...headers });
}

/** Whether the caller says that it has the answer already: a list of tags, or a star. Weak tags compare by their value. */
function isKnown(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const opaque = (text: string): string => text.trim().replace(/^W\//, '');
  return header.split(',').some((candidate) => candidate.trim() === '*' || opaque(candidate) === opaque(tag));
}

/** Adds a field to the text of an object, so that a large answer is written as JSON once and not twice. */
function withField(text: string, name: string, value: number): string {
  const comma = text === '{}' ? '' : ',';
  return `${text.slice(0, -1)}${comma}${JSON.stringify(name)}:${value}}`;
}
