/** Words from any process to all workers of a run, by pub/sub on the queue role. They are hints: what must not be lost stands elsewhere. */

import { z } from 'zod';
import { openRedis, type ScriptedRedis } from './connections.ts';
import type { KeyRegistry } from './keys.ts';

const messageSchema = z.object({ cancel: z.string().min(1) });
export type ControlMessage = z.infer<typeof messageSchema>;

export async function sayToWorkers(redis: ScriptedRedis, keys: KeyRegistry, message: ControlMessage): Promise<void> {
  await redis.publish(keys.controlChannel(), JSON.stringify(message));
}

/** Listens on a connection of its own until `close`. Anything that is no message of ours is passed over. */
export async function hearControl(
  url: string,
  keys: KeyRegistry,
  onMessage: (message: ControlMessage) => void,
  onError: (error: Error) => void,
): Promise<{ close(): void }> {
  const subscriber = openRedis(url, 'nof0-control', onError);
  subscriber.on('message', (_channel, text) => {
    const parsed = messageSchema.safeParse(parseJson(text));
    if (parsed.success) onMessage(parsed.data);
  });
  // ioredis subscribes again by itself after a reconnect.
  await subscriber.connect();
  await subscriber.subscribe(keys.controlChannel());
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
