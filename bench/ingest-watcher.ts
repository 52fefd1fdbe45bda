/**
 * A reader of price keys, in a process of its own: asks for every symbol's key again and again, and says of each tick how long after its
 * time a key first showed it or a newer one. Told the address, the keys and the ms between two ticks of a symbol as its argument.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export type Watch = {
  readonly redisUrl: string;
  readonly keys: readonly string[];
  /** Ms between two ticks of a symbol. */
  readonly stepMs: number;
  /** Ticks of this stretch are measured. */
  readonly fromMs: number;
  readonly untilMs: number;
};

/** How long a tick may still be missing before it is given up. */
const PATIENCE_MS = 10_000;

const watch = JSON.parse(process.argv[2] ?? '') as Watch;
const redis = new Redis(watch.redisUrl);
const delays: number[] = [];
/** Up to which tick each key was seen. */
const seen = watch.keys.map(() => watch.fromMs - watch.stepMs);

while (seen.some((ms) => ms < watch.untilMs) && Date.now() < watch.untilMs + PATIENCE_MS) {
  const values = await redis.mget([...watch.keys]);
  const nowMs = Date.now();
  for (const [index, text] of values.entries()) {
    const shown = text === null ? 0 : (JSON.parse(text) as { timestamp: number }).timestamp;
    for (let ms = (seen[index] ?? 0) + watch.stepMs; ms <= Math.min(shown, watch.untilMs); ms += watch.stepMs) {
      delays.push(nowMs - ms);
      seen[index] = ms;
    }
  }
  await sleep(1);
}
redis.disconnect();
const missing = seen.reduce((sum, ms) => sum + Math.max(0, Math.floor((watch.untilMs - ms) / watch.stepMs)), 0);
process.send?.({ delays, missing });
