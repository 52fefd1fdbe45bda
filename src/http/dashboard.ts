/** The dashboard of the queues. It controls jobs and asks for no credentials, so it is for people at this machine alone. */

import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';
import type { JobQueues } from '../redis/queues.ts';
import { fail } from './failure.ts';

export const DASHBOARD_PATH = '/queues';

/** The dashboard under its path, guarded against web pages of others that the same person has open. */
export function dashboardRoutes(queues: JobQueues): Hono {
  const serverAdapter = new HonoAdapter(serveStatic).setBasePath(DASHBOARD_PATH);
  createBullBoard({ queues: queues.all().map((queue) => new BullMQAdapter(queue)), serverAdapter });
  const routes = new Hono();
  routes.use('*', fromThisMachine);
  routes.route('/', serverAdapter.registerPlugin());
  return routes;
}

/** Whether a host name or address means this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/**
 * A browser on this machine also runs pages of strangers. Their requests bear their own origin, or, when they have made their
 * name point here, their own host.
 */
const fromThisMachine: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('host') ?? '';
  const origin = c.req.header('origin');
  const isOurs = isLoopback(hostname(`http://${host}`)) && (origin === undefined || sameHost(origin, host));
  if (isOurs) return next();
  const message = 'the dashboard answers only requests of this machine to itself; open it by its loopback address';
  return fail(c, { code: 'NOF0_FORBIDDEN', message }, 403);
};

function hostname(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}
