/** How many keys of each family stand in the cache. */

import type { Family } from '../domain/published-keys.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import type { Target } from './projection.ts';

/** Keys asked for at a time: what a single-threaded server answers without anybody noticing. */
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
    // Sent together all the same; a pipeline, or one command with all the keys, would not work in a cluster.
    const found = await Promise.all(chunk.map(({ family, ids }) => redis.exists(keys.key(family, ids))));
    for (const [index, { family }] of chunk.entries())
      counts.set(family, (counts.get(family) ?? 0) + (found[index] ?? 0));
  }
  return counts;
}
