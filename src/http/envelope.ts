/**
 * What goes around every answer: the name of the request, how often one may still ask, whether the cache is away, what browsers are told.
 * Answers of the read API are made with it. On all others it is put when they leave: setting a header of an answer that is made costs more
 * than many a read.
 */

import { randomUUID } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from '../telemetry/logger.ts';
import { DATA_HEADERS, secureAnswer } from './security-headers.ts';

declare module 'hono' {
  interface ContextVariableMap {
    requestId: string;
    /** How many requests the caller has left; not known of those who are not limited. */
    remaining?: string;
    /** The cache is away, the answer comes from Postgres: right, and slower. */
    isDegraded?: boolean;
    /** The answer was made with everything that goes around one. */
    isWrapped?: boolean;
  }
}

/** What callers may name their requests by. */
const GIVEN_ID = /^[\w-]{1,255}$/;

/** Names the request, sees to it that its answer has everything that goes around one, and writes a line of it. */
export function envelope(logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const started = performance.now();
    c.set('requestId', nameOf(c));
    await next();
    if (c.get('isWrapped') !== true) wrap(c);
    if (!logger.isLevelEnabled('debug')) return;
    const ms = Math.round((performance.now() - started) * 10) / 10;
    // The query stays out: nothing keeps callers from putting secrets there.
    const { method, path } = c.req;
    logger.debug({ requestId: c.get('requestId'), method, path, status: c.res.status, ms }, 'request');
  };
}

/** An answer of data that has everything that goes around one. */
export function wrapped(
  c: Context,
  body: Uint8Array<ArrayBuffer> | null,
  status: number,
  headers: Record<string, string>,
): Response {
  c.set('isWrapped', true);
  return new Response(body, { status, headers: Object.assign(headers, DATA_HEADERS, ownHeaders(c)) });
}

function wrap(c: Context): void {
  secureAnswer(c.res);
  for (const [name, value] of Object.entries(ownHeaders(c))) c.res.headers.set(name, value);
}

function ownHeaders(c: Context): Record<string, string> {
  const headers: Record<string, string> = { 'X-Request-Id': c.get('requestId') };
  const remaining = c.get('remaining');
  if (remaining !== undefined) headers['RateLimit-Remaining'] = remaining;
  if (c.get('isDegraded') === true) headers['X-Nof0-Degraded'] = 'cache';
  return headers;
}

/** The caller's name of the request if it has one, else a new one. */
function nameOf(c: Context): string {
  const given = c.req.header('x-request-id');
  return given !== undefined && GIVEN_ID.test(given) ? given : randomUUID();
}
