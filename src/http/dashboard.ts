/** The dashboard of the queues: viewers look, operators act, and what they do is written down first. */

import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';
import type { Resources } from '../resources.ts';
import { audit } from '../store/audit.ts';
import { type Access, callerOf } from './access.ts';

export const DASHBOARD_PATH = '/queues';

export function dashboardRoutes(resources: Resources, access: Access): Hono {
  const serverAdapter = new HonoAdapter(serveStatic).setBasePath(DASHBOARD_PATH);
  createBullBoard({ queues: resources.queues.all().map((queue) => new BullMQAdapter(queue)), serverAdapter });
  const routes = new Hono();
  routes.use('*', access.controls, writeDown(resources));
  routes.route('/', serverAdapter.registerPlugin());
  return routes;
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
