/** Reading projected keys as they stand in Redis. */

import { isClusterClient, type ScriptedRedis } from '../redis/connections.ts';
import type { Family, KeyRegistry } from '../redis/keys.ts';
import { type Members, type Target, typeOf } from './projection.ts';

/** Values of the keys in one pipeline; undefined where a key is missing and not known to be empty. Throws when Redis does. */
export async function peek(
  redis: ScriptedRedis,
  keys: KeyRegistry,
  targets: readonly Target[],
): Promise<(Members | undefined)[]> {
  // In a cluster a pipeline has one slot: that of a key and its sidecar.
  const groups = isClusterClient(redis) ? targets.map((target) => [target]) : [targets];
  const replies = (await Promise.all(groups.map((group) => readPairs(redis, keys, group)))).flat();
  const now = Date.now();
  return targets.map((target, index) => {
    const members = toMembers(target.family, replies[2 * index]);
    if (members.length > 0) return members;
    const emptyUntil = Number(String(replies[2 * index + 1] ?? '').split(':')[1] ?? 0);
    return emptyUntil > now ? [] : undefined;
  });
}

/** The replies for value and sidecar of each key: one command where all values are strings, else one pipeline. */
async function readPairs(redis: ScriptedRedis, keys: KeyRegistry, targets: readonly Target[]): Promise<unknown[]> {
  if (targets.length === 0) return [];
  if (targets.every(({ family }) => typeOf(family) === 'string')) {
    const names = targets.map(({ family, ids }) => keys.key(family, ids));
    return redis.mget(names.flatMap((name) => [name, keys.sidecar(name)]));
  }
  const pipeline = redis.pipeline();
  for (const target of targets) {
    const key = keys.key(target.family, target.ids);
    const type = typeOf(target.family);
    if (type === 'string') pipeline.get(key);
    else if (type === 'hash') pipeline.hgetall(key);
    else if (type === 'list') pipeline.lrange(key, 0, -1);
    else pipeline.zrange(key, '0', '-1', 'WITHSCORES');
    pipeline.get(keys.sidecar(key));
  }
  const replies = (await pipeline.exec()) ?? [];
  // Somebody has written something of another type: it is as good as missing, and a refresh replaces it.
  const failure = replies.find(([error]) => error !== null && !error.message.startsWith('WRONGTYPE'))?.[0];
  if (failure) throw failure;
  return replies.map(([, reply]) => reply);
}

function toMembers(family: Family, reply: unknown): string[] {
  if (reply === null || reply === undefined) return [];
  if (typeof reply === 'string') return [reply];
  if (Array.isArray(reply)) {
    const items = reply.map(String);
    if (typeOf(family) !== 'zset') return items;
    // ZRANGE answers member, score; values are written as score, member.
    return items.flatMap((_, i) => (i % 2 === 0 ? [items[i + 1] ?? '', items[i] ?? ''] : []));
  }
  return Object.entries(reply as Record<string, string>).flat();
}
