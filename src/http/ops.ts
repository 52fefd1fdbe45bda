/** The operators' page and what it shows. It acts through the control routes; viewers look, and no more. */

import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import type { Resources } from '../resources.ts';
import { Redactor } from '../telemetry/redact.ts';
import { type Access, callerOf } from './access.ts';
import { methodUnknown } from './failure.ts';
import { OPS_ENDPOINTS } from './ops-endpoints.ts';
import { parseQuery } from './query.ts';

export const OPS_PATH = '/ops';

const NO_STORE = { 'Cache-Control': 'no-store' };
const FILES = [
  ['/', 'ops.html', 'text/html; charset=utf-8'],
  ['/ops.css', 'ops.css', 'text/css; charset=utf-8'],
  ...['ops.js', 'ops-view.js', 'ops-controls.js'].map(
    (name) => [`/${name}`, name, 'text/javascript; charset=utf-8'] as const,
  ),
] as const;

/** The page itself: files, the same for everybody who may look. */
export function opsPage(access: Access): Hono {
  const routes = new Hono();
  routes.use('*', access.controls);
  for (const [path, file, type] of FILES) {
    const text = readFileSync(new URL(`./pages/${file}`, import.meta.url), 'utf8');
    routes.get(path, (c) => c.body(text, 200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }));
    routes.all(path, methodUnknown('GET, HEAD'));
  }
  return routes;
}

/** What the page shows. */
export function opsRoutes(resources: Resources, access: Access): Hono {
  const redactor = new Redactor(resources.config.secrets);
  const routes = new Hono();
  for (const { path, query, read } of OPS_ENDPOINTS) {
    routes.get(path, access.controls, async (c) => {
      const body = await read(resources, parseQuery(c, query));
      return c.json(redactor.value(plain({ ...body, caller: callerOf(c) })), 200, NO_STORE);
    });
    routes.all(path, methodUnknown('GET, HEAD'));
  }
  return routes;
}

/** As it is sent: dates as text, so that nothing is passed over when secrets are hidden. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
