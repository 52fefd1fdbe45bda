/** Answers of the read API: JSON with the time of the server, and a tag that lets a caller skip what has not changed. */

import type { Context } from 'hono';
import { sha256 } from '../domain/random.ts';
import { wrapped } from './envelope.ts';

const TAG_DIGITS = 32;
const EMPTY_OBJECT = '{}'.length;

/** An answer as it is sent, but for the time of the server, and its tag. */
export type Prepared = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: string;
  /** The bytes with the time of the server, as they were sent last: callers of the same millisecond get the same. */
  timed: { readonly atMs: number; readonly bytes: Uint8Array<ArrayBuffer> } | null;
};

/**
 * The tag covers the answer without the time of the server: else none would ever be the same as the one before. It is weak for the same
 * reason.
 */
export function prepare(body: object): Prepared {
  const text = JSON.stringify(body);
  return { bytes: Buffer.from(text), tag: `W/"${sha256(text).slice(0, TAG_DIGITS)}"`, timed: null };
}

/** Answers with `body` and, unless told otherwise, `serverTime` (wall time, ms). */
export function answer(c: Context, body: object, options?: { readonly serverTime: boolean }): Response {
  return answerWith(c, prepare(body), options);
}

export function answerWith(c: Context, prepared: Prepared, options = { serverTime: true }): Response {
  const { tag } = prepared;
  const headers = { ETag: tag, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' };
  if (isKnown(c.req.header('if-none-match'), tag)) return wrapped(c, null, 304, headers);
  const bytes = options.serverTime ? withServerTime(prepared, Date.now()) : prepared.bytes;
  return wrapped(c, bytes, 200, { 'Content-Type': 'application/json', ...headers });
}

/** Whether the caller says that it has the answer already: a list of tags, or a star. Weak tags compare by their value. */
function isKnown(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const opaque = (text: string): string => text.trim().replace(/^W\//, '');
  return header.split(',').some((candidate) => candidate.trim() === '*' || opaque(candidate) === opaque(tag));
}

/** Adds the field to the bytes of an object, so that a large answer is written as JSON once and not twice. */
function withServerTime(prepared: Prepared, nowMs: number): Uint8Array<ArrayBuffer> {
  if (prepared.timed?.atMs === nowMs) return prepared.timed.bytes;
  const { length } = prepared.bytes;
  const field = `${length > EMPTY_OBJECT ? ',' : ''}"serverTime":${nowMs}}`;
  const bytes = Buffer.allocUnsafe(length - 1 + field.length);
  bytes.set(prepared.bytes.subarray(0, -1));
  bytes.write(field, length - 1, 'latin1');
  prepared.timed = { atMs: nowMs, bytes };
  return bytes;
}
