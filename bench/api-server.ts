/**
 * One side of the API's comparison, in a process of its own: the API, or a bare handler of the same framework that returns the same
 * bytes from Redis. Told by a message what to serve; answers with its address.
 */

import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { createApi } from '../src/http/api.ts';
import { connectRedis, openRedis } from '../src/redis/connections.ts';
import { openBench } from './stage.ts';

export type Start = {
  readonly side: 'api' | 'bare';
  readonly servers: ServerUrls;
  readonly dir: string;
  /** For the bare side: which key holds the bytes of which address. */
  readonly bytes: Readonly<Record<string, string>>;
};

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

process.once('message', async (start: Start) => {
  const { fetch } = start.side === 'bare' ? await bare(start) : createApi(await openBench(start.servers, start.dir));
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.send?.(`http://127.0.0.1:${port}`);
  });
});
process.once('disconnect', () => process.exit(0));
