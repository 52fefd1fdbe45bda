/** Removes all keys of a run, queues and stream included. For a run whose database was replaced: what Redis knows of it is wrong. */

import { isClusterClient, mastersOf, type ScriptedRedis } from './connections.ts';

const SCAN_COUNT = 1000;

/** Returns how many keys were removed. Nobody may work on the run meanwhile. */
export async function forgetRun(client: ScriptedRedis, prefix: string): Promise<number> {
  let removed = 0;
  // Plain keys, their sidecars, and those that carry a hash tag. A prefix holds no letters that mean something to MATCH.
  for (const node of mastersOf(client))
    for (const pattern of [`${prefix}:*`, `v:{${prefix}:*`, `{${prefix}:*`]) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
        cursor = next;
        removed += keys.length;
        if (keys.length === 0) continue;
        // One command over many keys would have to keep to one slot.
        if (isClusterClient(client)) await Promise.all(keys.map((key) => client.unlink(key)));
        else await client.unlink(...keys);
      } while (cursor !== '0');
    }
  return removed;
}
