/** The HTTP application of a run: the arena page, reads, probes, metrics, dashboard. Making it opens nothing; `server.ts` listens. */

import { randomUUID } from 'node:crypto';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { requestId } from 'hono/request-id';
import type { Resources } from '../resources.ts';
import type { Logger } from '../telemetry/logger.ts';
import { Access } from './access.ts';
import { controlRoutes } from './control.ts';
import { DASHBOARD_PATH, dashboardRoutes } from './dashboard.ts';
import { errorHandler, unknownRoute } from './failure.ts';
import { indexPage } from './index-page.ts';
import { OPERATION_ADDRESSES, operationRoutes } from './operations.ts';
import { OPS_PATH, opsPage, opsRoutes } from './ops.ts';
import { pageRoutes } from './page.ts';
import { rateLimit } from './rate-limit.ts';
import { readRoutes } from './routes.ts';
import { secureAnswer } from './security-headers.ts';

export type ApiOptions = {
  /** Where the application will listen: what is open to whom depends on it. Default: the configured one. */
  readonly host?: string;
  /** Aborted when the server closes: streams end, and work for a caller stops at its next step. */
  readonly closing?: AbortSignal;
};

export function createApi(resources: Resources, options: ApiOptions = {}): Hono {
  const { logger, config } = resources;
  const access = new Access(config.http, options.host ?? config.http.host);
  const closing = options.closing ?? new AbortController().signal;
  const app = new Hono();
  app.use(requestId({ headerName: '', generator: nameOf }));
  app.use(logRequests(logger));
  // Probes and scrapes come before the limit: they are asked most when everything else is.
  app.route('/', operationRoutes(resources));
  app.use(rateLimit(config.http));
  app.get('/api', access.reads, (c) => c.html(indexPage(resources, access.hasControls)));
  app.route('/', pageRoutes(access));
  app.route('/api', readRoutes(resources, access, closing));
  if (access.hasControls) {
    app.route('/api/control', controlRoutes(resources, access, closing));
    app.route('/api/ops', opsRoutes(resources, access));
    app.route(OPS_PATH, opsPage(access));
    app.route(DASHBOARD_PATH, dashboardRoutes(resources, access));
  }
  app.notFound(unknownRoute);
  app.onError(errorHandler(logger));
  return app;
}

/** Probes and metrics alone, for processes that schedule or work. */
export function createProbes(resources: Resources): Hono {
  const { logger } = resources;
  const app = new Hono();
  app.use(requestId({ headerName: '', generator: nameOf }));
  app.use(logRequests(logger));
  app.get('/', (c) => c.text(OPERATION_ADDRESSES.map(([path, what]) => `${path}  ${what}\n`).join('')));
  app.route('/', operationRoutes(resources));
  app.notFound(unknownRoute);
  app.onError(errorHandler(logger));
  return app;
}

/** What callers may name their requests by. */
const GIVEN_ID = /^[\w-]{1,255}$/;

/** The caller's name of the request if it has one, else a new one. */
function nameOf(c: Context): string {
  const given = c.req.header('x-request-id');
  return given !== undefined && GIVEN_ID.test(given) ? given : randomUUID();
}

/** One line a request. The query stays out: nothing keeps callers from putting secrets there. */
function logRequests(logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const started = performance.now();
    await next();
    // On the answer itself: headers that are set before it are copied into it one by one, at every request.
    c.res.headers.set('X-Request-Id', c.get('requestId'));
    secureAnswer(c);
    if (!logger.isLevelEnabled('debug')) return;
    const ms = Math.round((performance.now() - started) * 10) / 10;
    const { method, path } = c.req;
    logger.debug({ requestId: c.get('requestId'), method, path, status: c.res.status, ms }, 'request');
  };
}
