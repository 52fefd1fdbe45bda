/** The routes of the public read API, made of the table of endpoints. */

import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import type { Resources } from '../resources.ts';
import type { Access } from './access.ts';
import { answer, answerWith } from './answer.ts';
import { ENDPOINTS } from './endpoints.ts';
import { methodUnknown } from './failure.ts';
import { KnownModels, type Reader } from './known-models.ts';
import { openApiDocument } from './openapi.ts';
import { PreparedAnswers } from './prepared-answers.ts';
import { parseQuery } from './query.ts';
import { readSource } from './read-source.ts';
import { streamRoute } from './stream.ts';
import { STREAM_PATH } from './stream-topics.ts';

const PREFLIGHT_AGE_S = 600;
/** What pages of other origins may know of an answer. */
const EXPOSED = ['ETag', 'X-Request-Id', 'X-Nof0-Degraded', 'Retry-After'];
const ALLOWED = ['Authorization', 'If-None-Match', 'Last-Event-ID', 'X-Request-Id'];

/** Addresses of the read API with the queries they understand, for the index page. */
export const READ_ADDRESSES: readonly (readonly [path: string, about: string])[] = [
  ...ENDPOINTS.filter(({ path }) => !path.includes('{')).map(({ path, about, query }) => {
    const names = Object.keys(query.shape);
    return [`/api${path}`, names.length === 0 ? about : `${about} (${names.join(', ')})`] as const;
  }),
  [`/api${STREAM_PATH}`, 'server-sent events (topics)'],
  ['/api/openapi.json', 'description of this API (OpenAPI 3.1)'],
];

/** `closing`: aborted when the server closes; streams end then. */
export function readRoutes(resources: Resources, access: Access, closing: AbortSignal): Hono {
  const reader: Reader = { ...resources, knownModels: new KnownModels(resources.db) };
  const prepared = new PreparedAnswers(reader);
  const { corsOrigins } = resources.config.http;
  const routes = new Hono();
  const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins];
  // What has nothing to do is left out: each one takes its part of every request.
  const reads: MiddlewareHandler[] = [...(access.hasOpenReads ? [] : [access.reads]), considerate(resources)];
  if (corsOrigins.length > 0)
    reads.unshift(
      cors({
        origin,
        allowMethods: ['GET', 'HEAD'],
        allowHeaders: ALLOWED,
        exposeHeaders: EXPOSED,
        maxAge: PREFLIGHT_AGE_S,
      }),
    );
  const add = (path: string, handler: (c: Context) => Response | Promise<Response>, ...own: MiddlewareHandler[]) => {
    for (const middleware of [...reads, ...own]) routes.use(path, middleware);
    routes.get(path, handler);
    routes.all(path, methodUnknown('GET, HEAD'));
  };
  const source = readSource(resources);
  for (const endpoint of ENDPOINTS) {
    const { serverTime } = endpoint;
    add(
      endpoint.path.replace(/\{(\w+)\}/g, ':$1'),
      async (c) => {
        const query = parseQuery(c, endpoint.query);
        return answerWith(c, await prepared.of(endpoint, query, c.req.param() as Record<string, string>), {
          serverTime,
        });
      },
      ...(source === null ? [] : [source]),
    );
  }
  add('/openapi.json', (c) => answer(c, openApiDocument(), { serverTime: false }));
  add(STREAM_PATH, streamRoute(resources, closing));
  return routes;
}

const gzip = compress({ encoding: 'gzip' });

/** Says when the cache is away. Compresses for those who take it; for the others looking at the answer would cost more than sending it. */
function considerate({ publisher }: Resources): MiddlewareHandler {
  return (c, next) => {
    if (!publisher.available) c.set('isDegraded', true);
    return c.req.header('accept-encoding')?.includes('gzip') ? gzip(c, next) : next();
  };
}
