/** What an operator's tool asks of a Redis server, without changing anything there. */

import { surelyAheadMs } from '../domain/time.ts';
import { connectRedis, mastersOf, openRedis, type RedisRole, redisNowMs } from './connections.ts';

export type RedisFacts = {
  /** Of the oldest server of the role. */
  readonly version: string;
  /** Of each server; empty where CONFIG is forbidden. */
  readonly policies: readonly string[];
  /** Whether every server writes what it is told to disk; null where CONFIG is forbidden. */
  readonly appendOnly: boolean | null;
  /** Ids of the servers' processes: two roles with a common one share a server. */
  readonly runIds: readonly string[];
  readonly clockAheadMs: number;
};

/** `where`: the address without its password, for messages. Throws the role's coded error when nobody answers. */
export async function examineRedis(url: string, role: RedisRole, where: string): Promise<RedisFacts> {
  const client = openRedis(url, 'nof0-doctor', () => {});
  try {
    await connectRedis(client, role, where);
    const masters = mastersOf(client);
    const infos = await Promise.all(masters.map((node) => node.info('server')));
    const config = async (name: string): Promise<string[]> =>
      (await Promise.all(masters.map((node) => node.config('GET', name).catch((): unknown => null)))).flatMap(
        (answer) => (Array.isArray(answer) && typeof answer[1] === 'string' ? [answer[1]] : []),
      );
    const appendOnly = await config('appendonly');
    const asked = Date.now();
    const nowMs = await redisNowMs(client);
    const answered = Date.now();
    return {
      version: infos.map((info) => /^redis_version:(\S+)/m.exec(info)?.[1] ?? '0').sort(byVersion)[0] ?? '0',
      policies: await config('maxmemory-policy'),
      appendOnly: appendOnly.length === 0 ? null : appendOnly.every((value) => value === 'yes'),
      runIds: infos.flatMap((info) => /^run_id:(\w+)/m.exec(info)?.[1] ?? []),
      clockAheadMs: surelyAheadMs(nowMs, asked, answered),
    };
  } finally {
    client.disconnect();
  }
}

/** Versions of numbers and dots, the older one first. */
function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
