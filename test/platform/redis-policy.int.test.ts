import { Writable } from 'node:stream';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectRedis, openRedis, type ScriptedRedis } from '../../src/redis/connections.ts';
import { checkMemoryPolicies } from '../../src/redis/memory-policy.ts';
import { openResources } from '../../src/resources.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createRun, type TestRun } from '../harness.ts';
import { startServer, type TestServer } from './redis-nodes.ts';

let keeping: TestServer;
let forgetting: TestServer;
let mute: TestServer;
const clients: ScriptedRedis[] = [];
let lines: { level: number; msg: string; [field: string]: unknown }[] = [];

const logger = pino(
  { level: 'info' },
  new Writable({
    write(chunk: Buffer, _encoding, next) {
      lines.push(JSON.parse(chunk.toString('utf8')));
      next();
    },
  }),
);
const warnings = () => lines.filter((line) => line.level === 40).map((line) => line.msg);

beforeAll(async () => {
  keeping = await startServer({ 'maxmemory-policy': 'noeviction' });
  forgetting = await startServer({ 'maxmemory-policy': 'volatile-lru' });
  mute = await startServer({ 'rename-command': 'CONFIG ""' });
});

beforeEach(() => {
  lines = [];
});

afterAll(async () => {
  for (const client of clients) client.disconnect();
  await Promise.all([keeping, forgetting, mute].map((server) => server?.close()));
});

async function connect(server: TestServer): Promise<ScriptedRedis> {
  const client = openRedis(server.url, 'test', () => {});
  clients.push(client);
  await connectRedis(client, 'queue', server.url);
  return client;
}

async function check(queue: TestServer, cache: TestServer, strict = true): Promise<void> {
  await checkMemoryPolicies({
    queue: await connect(queue),
    cache: await connect(cache),
    queueUrl: queue.url,
    cacheUrl: cache.url,
    strict,
    logger,
  });
}

describe('the memory policy', () => {
  it('is right where the queue keeps all and the cache forgets', async () => {
    await check(keeping, forgetting);
    expect(lines).toEqual([]);
  });

  it('of a queue that forgets keeps workers from starting, with what to do', async () => {
    await expect(check(forgetting, keeping)).rejects.toMatchObject({
      code: 'NOF0_QUEUE_POLICY',
      message: `Redis (queue role) at ${forgetting.url} expects maxmemory-policy noeviction, found volatile-lru; set it with "CONFIG SET maxmemory-policy noeviction" and in the server's configuration file`,
    });
  });

  it('of a queue that forgets is a warning for those who only read', async () => {
    await check(forgetting, forgetting, false);
    expect(warnings()).toEqual([expect.stringContaining('expects maxmemory-policy noeviction, found volatile-lru')]);
  });

  it('of a shared server must be the queue’s, and the cache does not complain about that', async () => {
    await expect(check(forgetting, { ...forgetting, url: `${forgetting.url}/1` })).rejects.toThrow(
      'Redis for both roles',
    );
    await check(keeping, { ...keeping, url: `${keeping.url}/1` });
    expect(lines).toEqual([]);
  });

  it('of a cache that refuses writes when it is full is a warning', async () => {
    const other = await startServer();
    try {
      await check(keeping, other);
    } finally {
      await other.close();
    }
    expect(warnings()).toEqual([expect.stringContaining('set maxmemory-policy volatile-lru')]);
  });

  it('that nobody may ask for is left to its operators', async () => {
    await check(mute, forgetting);
    expect(lines).toMatchObject([{ level: 30, role: 'queue', msg: 'the memory policy of Redis cannot be asked for' }]);
  });
});

describe('a process', () => {
  let run: TestRun;
  beforeAll(async () => {
    run = await createRun();
  });
  afterAll(() => run.close());

  const open = (role: string) =>
    openResources({
      config: run.config,
      servers: { ...run.servers, queueRedisUrl: forgetting.url },
      prefix: run.prefix,
      role,
      logger: createLogger(run.config.log),
    });

  it.each(['up', 'worker', 'scheduler'])('that works (%s) does not begin on a queue that forgets', async (role) => {
    await expect(open(role)).rejects.toMatchObject({ code: 'NOF0_QUEUE_POLICY' });
  });

  it('that reads does', async () => {
    await (await open('api')).close();
  });
});
