/** Connections to the two Redis roles. Importing this file opens none. */

import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'bullmq';
import { Cluster, Redis } from 'ioredis';
import { type ClusterAddress, parseClusterAddress } from '../domain/redis-address.ts';
import { CodedError, messageOf } from '../errors.ts';

export type RedisRole = 'queue' | 'cache';

/** A script's name tells how many keys it takes; of one that ends in `n` callers say it before the keys. */
function script(name: string) {
  const numberOfKeys = /-(\d+)\.lua$/.exec(name)?.[1];
  const lua = readFileSync(new URL(`./scripts/${name}`, import.meta.url), 'utf8');
  return numberOfKeys === undefined ? { lua } : { lua, numberOfKeys: Number(numberOfKeys) };
}

const SCRIPTS = {
  fencedReplace: script('replace-2.lua'),
  writePrices: script('price-1.lua'),
  writePrice: script('price-set-1.lua'),
  publishTrade: script('publish-trade-2.lua'),
  takeWeight: script('take-weight-1.lua'),
  keyVersions: script('versions-n.lua'),
};

const CONNECT_TIMEOUT_MS = 3000;
const COMMAND_TIMEOUT_MS = 5000;
const retryFast = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 5), 1000);
const retrySlowly = (attempt: number) => Math.min(100 * 2 ** Math.min(attempt, 4), 1500);

/**
 * A Redis client that knows the scripts of `redis/scripts`: of one server, or of a cluster where the address names one. Commands and
 * scripts look the same; a pipeline or a command over many keys works in a cluster only when the keys share a slot.
 */
export interface ScriptedRedis extends Redis {
  fencedReplace(key: string, sidecar: string, ...args: (string | number)[]): Promise<number>;
  writePrices(key: string, ...args: (string | number)[]): Promise<number>;
  writePrice(key: string, ...args: (string | number)[]): Promise<number>;
  publishTrade(guard: string, stream: string, ...args: (string | number)[]): Promise<number>;
  takeWeight(key: string, ...args: (string | number)[]): Promise<number>;
  keyVersions(numberOfKeys: number, keys: readonly string[]): Promise<unknown[]>;
}

/**
 * Opens a client that fails fast: a command on a dead server rejects at once instead of waiting in a queue, so that a cache outage
 * costs a caller milliseconds. It reconnects in the background for ever.
 */
export function openRedis(url: string, name: string, onError: (error: Error) => void): ScriptedRedis {
  const cluster = parseClusterAddress(url);
  const client = cluster === null ? openServer(url, name) : openCluster(cluster, name);
  client.on('error', onError);
  // Both have the same commands; nothing here uses what only one of them has.
  return client as unknown as ScriptedRedis;
}

function openServer(url: string, name: string): Redis {
  return new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    lazyConnect: true,
    retryStrategy: retryFast,
    scripts: SCRIPTS,
  });
}

function openCluster(address: ClusterAddress, name: string): Cluster {
  return new Cluster([...address.nodes], {
    enableOfflineQueue: false,
    lazyConnect: true,
    clusterRetryStrategy: retryFast,
    // A slot without a master fails fast too; the redirections of a slot on the move take less.
    maxRedirections: 5,
    scripts: SCRIPTS,
    redisOptions: {
      ...nodeOptions(address),
      connectionName: name,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
    },
  });
}

function nodeOptions({ tls, username, password }: ClusterAddress) {
  return {
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
}

/** The servers behind a client that hold data: one, or every master of a cluster. */
export function mastersOf(client: ScriptedRedis): Redis[] {
  const either: Redis | Cluster = client as Redis | Cluster;
  return either instanceof Cluster ? either.nodes('master') : [either];
}

/** Whether commands over many keys must keep to one slot each. */
export function isClusterClient(client: ScriptedRedis): boolean {
  return (client as Redis | Cluster) instanceof Cluster;
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

/** What BullMQ's workers connect with: they must wait for a lost server for ever. Ends with `endConnection`. */
export function workerConnection(url: string): RedisOptions | Cluster {
  const cluster = parseClusterAddress(url);
  if (cluster === null) return { ...urlOptions(url), maxRetriesPerRequest: null, retryStrategy: retrySlowly };
  return new Cluster([...cluster.nodes], {
    clusterRetryStrategy: retrySlowly,
    lazyConnect: true,
    redisOptions: { ...nodeOptions(cluster), maxRetriesPerRequest: null },
  });
}

/** Ends what a closed worker was connected with: a cluster's client is ours, options have become the worker's own client. */
export function endConnection(connection: RedisOptions | Cluster): void {
  if (connection instanceof Cluster) connection.disconnect();
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

/**
 * Time of a Redis server, ms. In a cluster any node answers, and the writes that are measured against it run on others: their clocks may
 * differ by up to the sidecar's lifetime less the longest write (50 s) before an old value could pass, and by less than the longest
 * write (10 s) for none to be refused needlessly.
 */
export async function redisNowMs(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
