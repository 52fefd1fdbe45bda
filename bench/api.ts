/**
 * Cached reads of the API: how long they take at 1,000 requests a second, and how many there can be next to a bare handler of the same
 * framework that returns the same bytes from Redis. Each side has a process of its own; rounds take turns, so that the machine's other
 * work falls on both alike.
 *
 *   npm run bench:api -- [--rounds N] [--seconds S] [--connections N]
 *
 * Prints the figures last. Exits with 1 when one misses its target.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { createApi } from '../src/http/api.ts';
import type { Resources } from '../src/resources.ts';
import { INCEPTION_MS, MODELS, seed } from '../test/http/arena.ts';
import type { Start } from './api-server.ts';
import { median, onStage, openBench, say } from './stage.ts';

const TARGET_P99_MS = 10;
const TARGET_RATIO = 0.7;
const RATE = 1000;
const [MODEL] = MODELS;
/** What front ends poll. */
const PATHS = [
  '/api/leaderboard',
  `/api/analytics/${MODEL}`,
  '/api/positions',
  '/api/crypto-prices',
  '/api/trades?limit=20',
];
const WARM_UP_S = 2;
/** Keys live for seconds; a run of the platform writes them again all the time, and so does this one. */
const REFRESH_MS = 1000;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '20' },
  },
});

type Side = { readonly name: Start['side']; readonly url: string; readonly child: ChildProcess };

async function startSide(name: Start['side'], servers: ServerUrls, dir: string, bytes: Start['bytes']): Promise<Side> {
  const child = fork(path.join(import.meta.dirname, 'api-server.ts'), { execArgv: ['--import', 'tsx'] });
  child.send({ side: name, servers, dir, bytes } satisfies Start);
  const [url] = (await once(child, 'message')) as [string];
  return { name, url, child };
}

/** The bytes of each address, under keys of their own. */
async function storeBytes(resources: Resources): Promise<Record<string, string>> {
  const api = createApi(resources, { host: '127.0.0.1' });
  const keys: Record<string, string> = {};
  for (const address of PATHS) {
    const response = await api.request(address);
    if (response.status !== 200) throw new Error(`${address} answered ${response.status}`);
    const key = `bytes:${address}`;
    await resources.cacheRedis.set(key, await response.text());
    keys[address.replace(/\?.*$/, '')] = key;
  }
  return keys;
}

/** Keeps the keys warm as the workers of a run do. */
function keepWarm({ publisher, prices, db }: Resources): () => void {
  const refresh = async () => {
    await db.query('UPDATE price_latest SET ts_ms = $1', [Date.now()]);
    await Promise.all([prices.refresh(), publisher.refresh(await publisher.allTargets())]);
  };
  const timer = setInterval(() => refresh().catch((error: unknown) => say(String(error))), REFRESH_MS);
  return () => clearInterval(timer);
}

async function load({ url }: Side, seconds: number, rate?: number): Promise<autocannon.Result> {
  const result = await autocannon({
    url,
    connections: Number(values.connections),
    duration: seconds,
    requests: PATHS.map((address) => ({ path: address })),
    ...(rate === undefined ? {} : { overallRate: rate }),
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} answers were no success, ${result.errors} requests failed`);
  return result;
}

async function measure(api: Side, bare: Side): Promise<{ p99Ms: number; ratio: number }> {
  const seconds = Number(values.seconds);
  const perSecond: Record<Start['side'], number[]> = { api: [], bare: [] };
  const p99s: number[] = [];
  for (const side of [api, bare]) await load(side, WARM_UP_S);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // Who comes first changes.
    for (const side of round % 2 === 0 ? [api, bare] : [bare, api]) {
      const { requests } = await load(side, seconds);
      perSecond[side.name].push(requests.average);
    }
    const paced = await load(api, seconds, RATE);
    p99s.push(paced.latency.p99);
    say(
      `round ${round + 1}: api ${perSecond.api.at(-1)?.toFixed(0)}/s, bare ${perSecond.bare.at(-1)?.toFixed(0)}/s; at ${paced.requests.average.toFixed(0)}/s p50 ${paced.latency.p50} ms, p99 ${paced.latency.p99} ms`,
    );
  }
  return { p99Ms: median(p99s), ratio: median(perSecond.api) / median(perSecond.bare) };
}

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  const sides: Side[] = [];
  try {
    await seed(resources);
    await resources.db.query('UPDATE price_latest SET ts_ms = $1', [INCEPTION_MS]);
    const bytes = await storeBytes(resources);
    const stopWarming = keepWarm(resources);
    for (const name of ['api', 'bare'] as const) sides.push(await startSide(name, servers, dir, bytes));
    const [api, bare] = sides as [Side, Side];
    const { p99Ms, ratio } = await measure(api, bare);
    stopWarming();
    say(`cached reads at ${RATE}/s: p99 ${p99Ms.toFixed(1)} ms (target <= ${TARGET_P99_MS})`);
    say(`throughput next to a bare handler: ${ratio.toFixed(2)} (target >= ${TARGET_RATIO})`);
    return p99Ms <= TARGET_P99_MS && ratio >= TARGET_RATIO ? 0 : 1;
  } finally {
    for (const { child } of sides) child.disconnect();
    await resources.close();
  }
});
