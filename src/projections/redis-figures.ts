/** What the Redis servers of a role say of themselves: how often a key that was asked for was there, memory, how long commands take. */

import { mastersOf, type ScriptedRedis } from '../redis/connections.ts';

/** Sums over the servers of a role, since each of them started. */
export type RedisFigures = {
  readonly hits: number;
  readonly misses: number;
  readonly usedBytes: number;
  /** 0: without a limit. */
  readonly maxBytes: number;
  readonly commands: number;
  /** Spent on executing them; waiting for something to read is not counted. */
  readonly commandSeconds: number;
};

export async function readFigures(redis: ScriptedRedis): Promise<RedisFigures> {
  const infos = await Promise.all(
    mastersOf(redis).map((node) => Promise.all(['stats', 'memory', 'commandstats'].map((part) => node.info(part)))),
  );
  const servers = infos.map((parts) => figuresOf(parts.join('\n')));
  const sum = (figure: keyof RedisFigures) => servers.reduce((total, server) => total + server[figure], 0);
  return {
    hits: sum('hits'),
    misses: sum('misses'),
    usedBytes: sum('usedBytes'),
    maxBytes: sum('maxBytes'),
    commands: sum('commands'),
    commandSeconds: sum('commandSeconds'),
  };
}

function figuresOf(info: string): RedisFigures {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const commands = [...info.matchAll(/^cmdstat_[^:]+:calls=(\d+),usec=(\d+)/gm)];
  return {
    hits: field('keyspace_hits'),
    misses: field('keyspace_misses'),
    usedBytes: field('used_memory'),
    maxBytes: field('maxmemory'),
    commands: commands.reduce((total, [, calls]) => total + Number(calls), 0),
    commandSeconds: commands.reduce((total, [, , micros]) => total + Number(micros), 0) / 1e6,
  };
}
