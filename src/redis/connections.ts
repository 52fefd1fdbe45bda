/** Connections to the two Redis roles. Importing this file opens none. */

import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { CodedError, messageOf } from '../errors.ts';

export type RedisRole = 'queue' | 'cache';

function script(name: string) {
  const numberOfKeys = Number(/-(\d+)\.lua$/.exec(name)?.[1]);
  return { lua: readFileSync(new URL(`./scripts/${name}`, import.meta.url), 'utf8'), numberOfKeys };
}

/** A Redis client that knows the scripts of `redis/scripts`. */
export interface ScriptedRedis extends Redis {
  fencedReplace(key: string, sidecar: string, ...args: (string | number)[]): Promise<number>;
  writePrices(key: string, ...args: (string | number)[]): Promise<number>;
  writePrice(key: string, ...args: (string | number)[]): Promise<number>;
  publishTrade(guard: string, stream: string, ...args: (string | number)[]): Promise<number>;
}

/**
 * Opens a client that fails fast: a command on a dead server rejects at once instead of waiting in a queue, so that a cache outage
 * costs a caller milliseconds. It reconnects in the background for ever.
 */
export function openRedis(url: string, name: string, onError: (error: Error) => void): ScriptedRedis {
  const client = new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    connectTimeout: 3000,
    commandTimeout: 5000,
    lazyConnect: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1000),
    scripts: {
      fencedReplace: script('replace-2.lua'),
      writePrices: script('price-1.lua'),
      writePrice: script('price-set-1.lua'),
      publishTrade: script('publish-trade-2.lua'),
    },
  });
  client.on('error', onError);
  return client as ScriptedRedis;
}

/** Waits for a first connection, or throws the role's coded error with a message for people. */
export async function connectRedis(client: Redis, role: RedisRole, where: string): Promise<void> {
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    client.disconnect();
    const code = role === 'queue' ? 'NOF0_QUEUE_UNAVAILABLE' : 'NOF0_CACHE_UNAVAILABLE';
    throw new CodedError(code, `Redis (${role} role) at ${where} does not answer: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Options for BullMQ's workers: they must wait for a lost server for ever. */
export function workerConnection(url: string): RedisOptions {
  return {
    ...urlOptions(url),
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 4), 1500),
  };
}

function urlOptions(text: string): RedisOptions {
  const url = new URL(text);
  const database = url.pathname.slice(1);
  return {
    host: url.hostname,
    port: Number(url.port || 6379),
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    ...(database ? { db: Number(database) } : {}),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

/** Time of a Redis server, ms. */
export async function redisNowMs(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
