/** How many keys of each family stand in the cache. */

import type { Family } from '../domain/published-keys.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import type { Target } from './projection.ts';

/** Commands of one pipeline: what a single-threaded server answers without anybody noticing. */
const CHUNK = 500;

/** Existing keys by family; 0 for a family of which none exists. Never scans: asks for the keys that should exist. Throws when Redis does. */
export async function countKeys(
  redis: ScriptedRedis,
  keys: KeyRegistry,
  targets: readonly Target[],
): Promise<ReadonlyMap<Family, number>> {
  const counts = new Map<Family, number>(targets.map(({ family }) => [family, 0]));
  for (let first = 0; first < targets.length; first += CHUNK) {
    const chunk = targets.slice(first, first + CHUNK);
    const pipeline = redis.pipeline();
    for (const { family, ids } of chunk) pipeline.exists(keys.key(family, ids));
    const replies = (await pipeline.exec()) ?? [];
    for (const [index, { family }] of chunk.entries()) {
      const [error, found] = replies[index] ?? [];
      if (error) throw error;
      counts.set(family, (counts.get(family) ?? 0) + Number(found));
    }
  }
  return counts;
}
