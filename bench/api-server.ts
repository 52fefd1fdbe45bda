/**
 * One side of the API's comparison, in a process of its own: the API, or a bare handler of the same framework that returns the same
 * bytes from Redis. Told by a message what to serve; answers with its address, and to every message after that with the processor
 * time it has used, in microseconds.
 */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { startHttp } from '../src/http/server.ts';
import { connectRedis, openRedis } from '../src/redis/connections.ts';
import { openBench } from './stage.ts';

export type Start = {
  readonly side: 'api' | 'bare';
  readonly servers: ServerUrls;
  readonly dir: string;
  /** For the bare side: which key holds the bytes of which address. */
  readonly bytes: Readonly<Record<string, string>>;
};

const HOST = '127.0.0.1';

async function bare({ servers, bytes }: Start): Promise<Hono> {
  const redis = openRedis(servers.cacheRedisUrl, 'bench-bare', (error) => {
    throw error;
  });
  await connectRedis(redis, 'cache', 'the bench');
  const app = new Hono();
  for (const [path, key] of Object.entries(bytes))
    app.get(path, async (c) => c.body((await redis.get(key)) ?? '', 200, { 'Content-Type': 'application/json' }));
  return app;
}

/** Listens as any server of the framework does, with everything as it is by default. */
async function serveBare(start: Start): Promise<string> {
  const { fetch } = await bare(start);
  const server = createAdaptorServer({ fetch });
  server.listen(0, HOST);
  await once(server, 'listening');
  return `http://${HOST}:${(server.address() as AddressInfo).port}`;
}

async function serveApi({ servers, dir }: Start): Promise<string> {
  return (await startHttp(await openBench(servers, dir), { host: HOST, port: 0 })).url;
}

process.once('message', async (start: Start) => {
  process.send?.(await (start.side === 'bare' ? serveBare(start) : serveApi(start)));
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
});
process.once('disconnect', () => process.exit(0));
