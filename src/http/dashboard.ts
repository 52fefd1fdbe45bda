/** The dashboard of the queues: viewers look, operators act, and what they do is written down first. */

import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { Resources } from '../resources.ts';
import { audit } from '../store/audit.ts';
import { Redactor } from '../telemetry/redact.ts';
import { type Access, callerOf } from './access.ts';
import { unknownRoute } from './failure.ts';
import { DASHBOARD_POLICY } from './security-headers.ts';

export const DASHBOARD_PATH = '/queues';

/** One board for viewers, that offers no actions, and one for operators. Which one answers depends on who asks. */
export function dashboardRoutes(resources: Resources, access: Access): Hono {
  const boards = { viewer: board(resources, true), operator: board(resources, false) };
  const routes = new Hono();
  routes.use('*', access.controls, writeDown(resources), answerSafely(new Redactor(resources.config.secrets)));
  routes.all('*', (c) => boards[callerOf(c).role].fetch(c.req.raw, c.env));
  return routes;
}

function board({ queues }: Resources, readOnlyMode: boolean): Hono {
  const serverAdapter = new HonoAdapter(serveStatic).setBasePath(DASHBOARD_PATH);
  createBullBoard({ queues: queues.all().map((queue) => new BullMQAdapter(queue, { readOnlyMode })), serverAdapter });
  const app = new Hono().route(DASHBOARD_PATH, serverAdapter.registerPlugin());
  app.notFound(unknownRoute);
  return app;
}

/** Payloads, results, reasons and logs of jobs: whatever the board answers with, secrets in it are hidden. */
function answerSafely(redactor: Redactor): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const type = c.res.headers.get('content-type') ?? '';
    if (type.startsWith('text/html')) {
      answerInstead(c, (await c.res.text()).replace(FOREIGN_STYLE, ''));
      c.res.headers.set('Content-Security-Policy', DASHBOARD_POLICY);
    } else if (type.includes('json') && c.req.path.startsWith(`${DASHBOARD_PATH}/api/`))
      answerInstead(c, JSON.stringify(redactor.value(await c.res.json())));
  };
}

/** The board asks somebody else for a font. No page of ours tells others who looks at it. */
const FOREIGN_STYLE = /<link[^>]*href="https:[^>]*>/g;

/** The same answer with another text, which has another length. */
function answerInstead(c: Context, text: string): void {
  const { status } = c.res;
  const headers = new Headers(c.res.headers);
  headers.delete('content-length');
  // Set to nothing first: else the old headers are taken over.
  c.res = undefined;
  c.res = new Response(text, { status, headers });
}

/** An action that could not be written down does not happen. */
function writeDown({ db, logger }: Resources): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    const { name } = callerOf(c);
    const target = `${c.req.method} ${c.req.path}`.slice(0, 500);
    await audit(db, { who: name, what: 'dashboard', target });
    logger.info({ requestId: c.get('requestId'), who: name, target }, 'dashboard action');
    return next();
  };
}
