/** Control routes: an operator's word becomes the same story as at the command line, under his name. */

import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import type { Stories } from '../engine/context.ts';
import { CodedError } from '../errors.ts';
import { openStories, type Resources } from '../resources.ts';
import { type Access, callerOf } from './access.ts';
import { CONTROL_ENDPOINTS, type ControlEndpoint, type ControlRoom } from './control-endpoints.ts';
import { fail, methodUnknown } from './failure.ts';
import { checked } from './query.ts';

const MAX_BODY_BYTES = 65_536;
const NO_STORE = { 'Cache-Control': 'no-store' };

/** `closing`: aborted when the server closes; a control that trades stops at its next call and may be given again. */
export function controlRoutes(resources: Resources, access: Access, closing: AbortSignal): Hono {
  const stories = onceOpened(resources);
  const routes = new Hono();
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (c) => fail(c, { code: 'NOF0_INPUT_INVALID', message: `at most ${MAX_BODY_BYTES} bytes` }, 413),
  });
  for (const endpoint of CONTROL_ENDPOINTS) {
    routes.post(endpoint.path, access.controls, limit, async (c) => {
      // A form of a page cannot send this type without asking first, and nobody answers when it does.
      if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
        return fail(c, { code: 'NOF0_INPUT_INVALID', message: 'expected content of the type application/json' }, 415);
      const body = await readBody(c, endpoint);
      const { name } = callerOf(c);
      resources.logger.info({ requestId: c.get('requestId'), who: name, control: endpoint.path }, 'control');
      return c.json(await endpoint.act(room(resources, name, stories, closing), body), 200, NO_STORE);
    });
    routes.all(endpoint.path, methodUnknown('POST'));
  }
  return routes;
}

function room(resources: Resources, who: string, stories: () => Promise<Stories>, signal: AbortSignal): ControlRoom {
  const { db, outbox, queues, keys } = resources;
  const control = {
    db,
    drain: (effects: Parameters<typeof outbox.drain>[0]) => outbox.drain(effects),
    desk: queues.desk(keys),
    who,
  };
  return { control, desk: async () => ({ control, stories: await stories(), signal }) };
}

/** The run's market, exchange and models: opened for the first control that trades. One that fails is tried again. */
function onceOpened(resources: Resources): () => Promise<Stories> {
  let opened: Promise<Stories> | null = null;
  return () => {
    opened ??= openStories(resources).then(({ stories }) => stories);
    opened.catch(() => {
      opened = null;
    });
    return opened;
  };
}

async function readBody(c: Context, { body }: ControlEndpoint): Promise<z.infer<typeof body>> {
  const given: unknown = await c.req.json().catch((cause: unknown) => {
    throw new CodedError('NOF0_INPUT_INVALID', 'the body is not JSON', { cause });
  });
  return checked('body', body, given);
}
