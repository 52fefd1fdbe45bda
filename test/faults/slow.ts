/**
 * The demo with every Postgres statement slowed down and its cache dead: decisions must go on, each in its slot, and begin on time.
 *
 *   npm run test:slow -- [--seconds N] [--delay MS]
 */

import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startServers } from '../../src/embedded/servers.ts';
import { nof0, runNof0 } from '../processes.ts';
import { startProxy } from '../tcp-proxy.ts';
import { tempDir } from '../temp-dir.ts';

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, delay: { type: 'string', default: '100' } },
});
const DELAY_MS = Number(flags.delay);
const MAX_LAG_MS = 1000;

/** A door to a port of this machine through which whatever a client says arrives later. */
async function openSlowDoor(port: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (chunk) => setTimeout(() => upstream.write(chunk), DELAY_MS));
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function through(url: string, port: number): string {
  const door = new URL(url);
  door.port = String(port);
  return door.toString();
}

type Lag = { readonly lag: number; readonly slot: number };

/** How long after its slot each cycle began, ms, and the slots that have none. */
async function judge(db: pg.Client, sinceMs: number, untilMs: number): Promise<string[]> {
  const rows = async <T extends object>(sql: string): Promise<T[]> => (await db.query<T>(sql, [sinceMs, untilMs])).rows;
  const lags = await rows<Lag>(
    `SELECT (extract(epoch FROM min(started_at)) * 1000)::float8 - slot_ms AS lag, slot_ms::float8 AS slot FROM job_runs
     WHERE job = 'decision-cycle' AND slot_ms > $1 AND slot_ms <= $2 GROUP BY model_id, slot_ms ORDER BY 1`,
  );
  const [cycles] = await rows<{ done: number; failed: number; slots: number; models: number }>(
    `SELECT count(*) FILTER (WHERE step = 'done')::int AS done, count(*) FILTER (WHERE error_code IS NOT NULL)::int AS failed,
       count(DISTINCT slot_ms)::int AS slots, (SELECT count(*) FROM models)::int AS models
     FROM decision_cycles WHERE slot_ms > $1 AND slot_ms <= $2`,
  );
  const p99 = lags[Math.ceil(lags.length * 0.99) - 1]?.lag ?? Number.POSITIVE_INFINITY;
  const { done = 0, failed = 0, slots = 0, models = 0 } = cycles ?? {};
  process.stdout.write(
    `${done} cycles in ${slots} slots of ${models} models, ${failed} with an error; slot lag p50 ${lags[Math.floor(lags.length / 2)]?.lag.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms\n`,
  );
  return [
    ...(slots < 2 ? [`only ${slots} slots: nothing was put to the test`] : []),
    ...(done === slots * models ? [] : [`${slots * models - done} of ${slots * models} cycles are missing`]),
    ...(failed === 0 ? [] : [`${failed} cycles ended with an error`]),
    ...(p99 < MAX_LAG_MS ? [] : [`slot lag p99 is ${p99.toFixed(0)} ms, not below ${MAX_LAG_MS} ms`]),
  ];
}

const dir = await tempDir('nof0-slow-');
const servers = await startServers({ dir: path.join(dir, 'servers'), database: 'slow' });
const slow = await openSlowDoor(Number(new URL(servers.databaseUrl).port));
const cache = await startProxy({ host: '127.0.0.1', port: Number(new URL(servers.cacheRedisUrl).port) });
const env = {
  DATABASE_URL: servers.databaseUrl,
  REDIS_QUEUE_URL: servers.queueRedisUrl,
  REDIS_CACHE_URL: through(servers.cacheRedisUrl, cache.port),
  NOF0_DATA_DIR: path.join(dir, 'data'),
};
const db = new pg.Client(servers.databaseUrl);
await db.connect();
const faults: string[] = [];
// Migrations are hundreds of statements: they are nobody's slot.
const migrated = await runNof0(['migrate', '--run', 'main'], env);
if (migrated.code !== 0) faults.push(`nof0 migrate ended with ${migrated.code}: ${migrated.output}`);
const up = nof0(['up', '--run', 'main', '--no-api'], { ...env, DATABASE_URL: through(servers.databaseUrl, slow.port) });
try {
  await up.printed(/ready {4}/, 120_000);
  await cache.cut();
  const sinceMs = Date.now();
  await sleep(Number(flags.seconds) * 1000);
  // What began last may still be at work.
  const untilMs = Date.now() - 10_000;
  await sleep(10_000);
  if (up.process.exitCode !== null) faults.push(`the process ended with ${up.process.exitCode}:\n${up.output()}`);
  faults.push(...(await judge(db, sinceMs, untilMs)));
  await cache.restore();
} finally {
  if (up.process.exitCode === null) up.process.kill('SIGTERM');
  await up.ended;
}
const verified = await runNof0(['verify', '--run', 'main'], env);
if (verified.code !== 0) faults.push(`nof0 verify ended with ${verified.code}:\n${verified.output}`);
await db.end();
slow.close();
await cache.close();
await servers.stop();
await rm(dir, { recursive: true, force: true });
for (const fault of faults) process.stdout.write(`FAULT ${fault}\n`);
process.stdout.write(`${faults.length} faults with ${DELAY_MS} ms a statement and without a cache\n`);
process.exit(faults.length === 0 ? 0 : 1);
