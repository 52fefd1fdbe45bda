/** Reading projected keys as they stand in Redis. */

import type { ScriptedRedis } from '../redis/connections.ts';
import type { Family, KeyRegistry } from '../redis/keys.ts';
import { type Members, type Target, typeOf } from './projection.ts';

/** Values of the keys in one pipeline; undefined where a key is missing and not known to be empty. Throws when Redis does. */
export async function peek(
  redis: ScriptedRedis,
  keys: KeyRegistry,
  targets: readonly Target[],
): Promise<(Members | undefined)[]> {
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
  const failure = replies.find(([error]) => error)?.[0];
  if (failure) throw failure;
  const now = Date.now();
  return targets.map((target, index) => {
    const members = toMembers(target.family, replies[2 * index]?.[1]);
    if (members.length > 0) return members;
    const emptyUntil = Number(String(replies[2 * index + 1]?.[1] ?? '').split(':')[1] ?? 0);
    return emptyUntil > now ? [] : undefined;
  });
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
