/** Values as they are written, by pub/sub on the cache role. Nobody relies on them: what they say stands in the keys. */

import { z } from 'zod';
import { openRedis, type ScriptedRedis } from './connections.ts';
import type { KeyRegistry } from './keys.ts';

const messageSchema = z.object({
  topic: z.enum(['prices', 'equity', 'decisions', 'desk']),
  /** The model or the key it is about; empty: all of them. */
  of: z.string(),
  /** JSON. */
  data: z.string(),
});
export type LiveMessage = z.infer<typeof messageSchema>;

export async function sayLive(redis: ScriptedRedis, keys: KeyRegistry, message: LiveMessage): Promise<void> {
  await redis.publish(keys.liveChannel(), JSON.stringify(message));
}

/** Listens on a connection of its own until `close`, and again whenever the server comes back. Anything that is no message of ours is passed over. */
export function hearLive(
  url: string,
  keys: KeyRegistry,
  onMessage: (message: LiveMessage) => void,
  onError: (error: Error) => void,
): { close(): void } {
  const subscriber = openRedis(url, 'nof0-live', onError);
  subscriber.on('message', (_channel, text) => {
    const parsed = messageSchema.safeParse(parseJson(text));
    if (parsed.success) onMessage(parsed.data);
  });
  subscriber.on('ready', () => void subscriber.subscribe(keys.liveChannel()).catch(onError));
  // A server that is away now is connected to when it is back: the client goes on trying.
  subscriber.connect().catch(onError);
  return { close: () => subscriber.disconnect() };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is not a message of ours; the schema says so to the caller.
    return null;
  }
}
