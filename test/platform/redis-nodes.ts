/** Redis servers of a test's own: single ones with any setting, and clusters. Ended by their process ids. */

import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startOnFreePort } from '../../src/embedded/free-port.ts';
import { type Launched, launchServer, stopProcess, waitUntilServing } from '../../src/embedded/processes.ts';
import { answersPing } from '../../src/embedded/redis.ts';
import { redisProgram } from '../../src/embedded/redis-program.ts';
import { tempDir } from '../temp-dir.ts';
import { eventually } from './support.ts';

const SLOTS = 16_384;
const START_MS = 10_000;
const STOP_MS = 5000;

export type TestServer = { readonly url: string; readonly close: () => Promise<void> };

type Node = { readonly port: number; readonly busPort: number; readonly server: Launched; readonly dir: string };

/** Starts a server with these settings beside the usual ones. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const node = await startNode(settings);
  return { url: `redis://127.0.0.1:${node.port}`, close: () => stopNode(node) };
}

/** Starts masters that share all slots, and waits until every one of them knows that the cluster is whole. */
export async function startCluster(size: number): Promise<TestServer> {
  const nodes: Node[] = [];
  const close = async () => {
    await Promise.all(nodes.map(stopNode));
  };
  const clients: Redis[] = [];
  try {
    while (nodes.length < size) nodes.push(await startNode({ 'cluster-enabled': 'yes' }));
    clients.push(...nodes.map(({ port }) => new Redis(port, '127.0.0.1')));
    await join(nodes, clients);
  } catch (error) {
    await close();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, close };
}

async function join(nodes: readonly Node[], clients: readonly Redis[]): Promise<void> {
  const [first] = nodes;
  for (const [index, client] of clients.entries()) {
    const from = Math.floor((index * SLOTS) / nodes.length);
    const to = Math.floor(((index + 1) * SLOTS) / nodes.length) - 1;
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    if (index > 0 && first) await client.call('CLUSTER', 'MEET', '127.0.0.1', first.port, first.busPort);
  }
  await eventually(async () => {
    for (const client of clients) {
      const info = String(await client.call('CLUSTER', 'INFO'));
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${nodes.length}`))
        throw new Error(`the cluster is not whole yet: ${info}`);
    }
  }, 20_000);
}

async function startNode(settings: Readonly<Record<string, string>>): Promise<Node> {
  const dir = await tempDir('nof0-test-redis-');
  const program = await redisProgram(undefined, () => {});
  return startOnFreePort(async (port) => {
    const busPort = await freePort();
    const isCluster = settings['cluster-enabled'] === 'yes';
    const all: Record<string, string> = {
      port: String(port),
      bind: '127.0.0.1',
      dir,
      save: '""',
      // By default the bus has a port 10,000 higher, which need not exist.
      ...(isCluster ? { 'cluster-port': String(busPort), 'cluster-node-timeout': '2000' } : {}),
      ...settings,
    };
    const configFile = path.join(dir, 'redis.conf');
    await writeFile(
      configFile,
      Object.entries(all)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(''),
    );
    const server = await launchServer({
      command: 'env',
      args: ['LC_ALL=C', program, configFile],
      cwd: dir,
      logFile: path.join(dir, 'redis.log'),
    });
    await waitUntilServing('Redis', server, () => answersPing(`redis://127.0.0.1:${port}`), START_MS);
    return { port, busPort, server, dir };
  });
}

async function stopNode({ server, dir }: Node): Promise<void> {
  await stopProcess(server.id, 'SIGTERM', STOP_MS);
  await rm(dir, { recursive: true, force: true });
}
