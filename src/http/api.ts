/** The HTTP application of a run: the arena page, reads, probes, metrics, dashboard. Making it opens nothing; `server.ts` listens. */

import { Hono } from 'hono';
import type { Resources } from '../resources.ts';
import { Access } from './access.ts';
import { controlRoutes } from './control.ts';
import { DASHBOARD_PATH, dashboardRoutes } from './dashboard.ts';
import { envelope } from './envelope.ts';
import { errorHandler, unknownRoute } from './failure.ts';
import { indexPage } from './index-page.ts';
import { OPERATION_ADDRESSES, operationRoutes } from './operations.ts';
import { OPS_PATH, opsPage, opsRoutes } from './ops.ts';
import { pageRoutes } from './page.ts';
import { rateLimit } from './rate-limit.ts';
import { readRoutes } from './routes.ts';

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
  app.use(envelope(logger));
  // Probes and scrapes come before the limit: they are asked most when everything else is.
  app.route('/', operationRoutes(resources));
  app.use(rateLimit(config.http));
  app.get('/api', access.reads, (c) => c.html(indexPage(resources, access.hasControls)));
  app.route('/', pageRoutes(access, resources.run.kind === 'equities'));
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
  app.use(envelope(logger));
  app.get('/', (c) => c.text(OPERATION_ADDRESSES.map(([path, what]) => `${path}  ${what}\n`).join('')));
  app.route('/', operationRoutes(resources));
  app.notFound(unknownRoute);
  app.onError(errorHandler(logger));
  return app;
}
