/** What a person sees who opens `/api`. */

import { html } from 'hono/html';
import type { Resources } from '../resources.ts';
import { DASHBOARD_PATH } from './dashboard.ts';
import { OPERATION_ADDRESSES } from './operations.ts';
import { OPS_PATH } from './ops.ts';
import { READ_ADDRESSES } from './routes.ts';

/** A list of all addresses. The template escapes what it is given. */
export function indexPage({ run }: Resources, hasDashboard: boolean) {
  const dashboard = hasDashboard
    ? [
        [OPS_PATH, 'what operators see and do'],
        [DASHBOARD_PATH, 'dashboard of the queues'],
      ]
    : [];
  const addresses = [...READ_ADDRESSES, ...OPERATION_ADDRESSES, ...dashboard];
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>NOF0: ${run.name}</title>
  </head>
  <body>
    <h1>NOF0 arena, run ${run.name} (${run.kind})</h1>
    <ul>
      ${addresses.map(([path, about]) => html`<li><a href="${path}">${path}</a>: ${about}</li>`)}
    </ul>
  </body>
</html>`;
}
