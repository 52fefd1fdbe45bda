/** The HTTP application of a run: reads, probes, metrics, dashboard. Making it opens nothing; `server.ts` listens. */

import { Hono, type MiddlewareHandler } from 'hono';
import { requestId } from 'hono/request-id';
import type { Resources } from '../resources.ts';
import type { Logger } from '../telemetry/logger.ts';
import { DASHBOARD_PATH, dashboardRoutes, isLoopback } from './dashboard.ts';
import { errorHandler, unknownRoute } from './failure.ts';
import { indexPage } from './index-page.ts';
import { OPERATION_ADDRESSES, operationRoutes } from './operations.ts';
import { readRoutes } from './routes.ts';

/** `host`: where the application will listen; the dashboard exists on loopback alone. Default: the configured one. */
export function createApi(resources: Resources, options: { readonly host?: string } = {}): Hono {
  const { logger } = resources;
  const hasDashboard = isLoopback(options.host ?? resources.config.http.host);
  const app = new Hono();
  app.use(requestId());
  app.use(logRequests(logger));
  app.get('/', (c) => c.html(indexPage(resources, hasDashboard)));
  app.route('/', operationRoutes(resources));
  app.route('/api', readRoutes(resources));
  if (hasDashboard) app.route(DASHBOARD_PATH, dashboardRoutes(resources.queues));
  app.notFound(unknownRoute);
  app.onError(errorHandler(logger));
  return app;
}

/** Probes and metrics alone, for processes that schedule or work. */
export function createProbes(resources: Resources): Hono {
  const { logger } = resources;
  const app = new Hono();
  app.use(requestId());
  app.use(logRequests(logger));
  app.get('/', (c) => c.text(OPERATION_ADDRESSES.map(([path, what]) => `${path}  ${what}\n`).join('')));
  app.route('/', operationRoutes(resources));
  app.notFound(unknownRoute);
  app.onError(errorHandler(logger));
  return app;
}

/** One line a request. The query stays out: nothing keeps callers from putting secrets there. */
function logRequests(logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const started = performance.now();
    await next();
    c.header('X-Content-Type-Options', 'nosniff');
    const ms = Math.round((performance.now() - started) * 10) / 10;
    const { method, path } = c.req;
    logger.debug({ requestId: c.get('requestId'), method, path, status: c.res.status, ms }, 'request');
  };
}
