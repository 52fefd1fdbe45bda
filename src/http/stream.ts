/**
 * `/api/stream`: what happens, as server-sent events. Only trades carry ids: they can be resumed. Of everything else the newest value is
 * told at the beginning, so whoever comes back has missed nothing that counts.
 */

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { deskMessages, messageOf, pricesMessage } from '../projections/announce.ts';
import type { LiveEvent, Watching } from '../projections/live-feed.ts';
import type { Resources } from '../resources.ts';
import { modelIds } from '../store/models.ts';
import { EventQueue } from './event-queue.ts';
import { fail } from './failure.ts';
import { parseQuery } from './query.ts';
import { streamQuery, TOPICS, type Topic } from './stream-topics.ts';

const MAX_CLIENTS = 1000;
const HEARTBEAT_MS = 15_000;
/** How long a browser waits before it comes back. */
const RETRY_MS = 2000;
const BUSY_RETRY_S = 5;

type Options = { readonly heartbeatMs?: number };

export function streamRoute(resources: Resources, closing: AbortSignal, { heartbeatMs = HEARTBEAT_MS }: Options = {}) {
  let clients = 0;
  return async (c: Context): Promise<Response> => {
    const topics = new Set<Topic>(parseQuery(c, streamQuery).topics ?? TOPICS);
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    if (clients >= MAX_CLIENTS || closing.aborted) {
      c.header('Retry-After', String(BUSY_RETRY_S));
      return fail(c, { code: 'NOF0_TOO_MANY_REQUESTS', message: `${MAX_CLIENTS} clients watch already` });
    }
    const queue = new EventQueue();
    const add = newsOnly((event) => topics.has(event.topic) && queue.add(written(event)));
    const since = c.req.header('last-event-id') ?? null;
    clients += 1;
    let watching: Watching;
    let state: LiveEvent[];
    try {
      watching = await resources.live.watch(since, add);
      state = await stateOf(resources, topics).catch((error: unknown) => {
        watching.stop();
        throw error;
      });
    } catch (error) {
      clients -= 1;
      throw error;
    }
    resources.metrics.streamClients.inc();
    queue.add(beginning(watching, [...topics]));
    for (const event of [...(watching.missed ?? []), ...state]) add(event);
    watching.begin();
    c.header('X-Accel-Buffering', 'no');
    return streamSSE(c, async (stream) => {
      const beat = setInterval(() => queue.add(': \n\n'), heartbeatMs);
      const end = () => queue.end();
      stream.onAbort(end);
      closing.addEventListener('abort', end);
      if (closing.aborted) end();
      queue.onOverflow = () => {
        resources.metrics.streamsDropped.inc();
        stream.abort();
        // Whatever the connection still holds would never be read.
        (c.env as Partial<HttpBindings> | undefined)?.outgoing?.destroy();
      };
      try {
        for await (const text of queue.texts()) await stream.write(text);
      } finally {
        clearInterval(beat);
        closing.removeEventListener('abort', end);
        watching.stop();
        clients -= 1;
        resources.metrics.streamClients.dec();
      }
    });
  };
}

/** Leaves out values that the client has already: keys are filled and refreshed with what they held, too. */
function newsOnly(tell: (event: LiveEvent) => void): (event: LiveEvent) => void {
  const told = new Map<string, string>();
  return (event) => {
    const about = `${event.topic} ${event.of}`;
    if (event.id === null && told.get(about) === event.data) return;
    if (event.id === null) told.set(about, event.data);
    tell(event);
  };
}

/** `reset`: trades were missed that the stream no longer tells; the caller reads /api/trades again. */
function beginning({ position, missed }: Watching, topics: readonly Topic[]): string {
  const first = missed?.[0]?.id;
  // Before missed trades the place must not run ahead of them: a connection may break in between.
  const id = first === undefined || first === null ? `id: ${position}\n` : '';
  const event = missed === null ? 'reset' : 'open';
  return `retry: ${RETRY_MS}\nevent: ${event}\n${id}data: ${JSON.stringify({ topics, serverTime: Date.now() })}\n\n`;
}

/** One line of data each: JSON has no line breaks of its own. */
function written({ topic, id, data }: LiveEvent): string {
  return `event: ${topic}\n${id === null ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}

/** How things stand, as if it had just been written. */
async function stateOf({ prices, publisher, db, keys }: Resources, topics: ReadonlySet<Topic>): Promise<LiveEvent[]> {
  const targets = [
    ...(topics.has('equity') ? [{ family: 'leaderboardCache' as const, ids: [] }] : []),
    ...(topics.has('decisions')
      ? (await modelIds(db)).map((id) => ({ family: 'decisionLast' as const, ids: [id] }))
      : []),
    // Only a run of the equities desk has it.
    ...(topics.has('desk') && publisher.families.includes('systemState')
      ? [{ family: 'systemState' as const, ids: [] }]
      : []),
  ];
  const now = topics.has('prices') ? await prices.read() : [];
  const values = targets.length === 0 ? [] : await publisher.readMany(targets);
  const messages = [
    ...(now.length > 0 ? [pricesMessage(now)] : []),
    ...targets.flatMap((target, index) => {
      const written = { target, members: values[index] ?? [] };
      return [...messageOf(written), ...deskMessages(keys, [written])];
    }),
  ];
  return messages.map(({ topic, of, data }) => ({ topic, of, id: null, data }));
}
