/**
 * Cached reads of the API: how long they take at 1,000 requests a second, and how many there can be next to a bare handler of the same
 * framework that returns the same bytes from Redis. Each side has a process of its own, and so has what keeps the keys warm; this one
 * does nothing but ask. Rounds take turns, so that the machine's other work falls on both alike.
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
import { pacedLoad } from './paced-load.ts';
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

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '20' },
  },
});

type Side = { readonly name: Start['side']; readonly url: string; readonly child: ChildProcess };

/** A process of its own, told what to do; resolves with the first thing it says. */
async function startChild<T>(file: string, told: object): Promise<readonly [child: ChildProcess, said: T]> {
  // With the flags of this process, which are those that the platform runs with.
  const child = fork(path.join(import.meta.dirname, file));
  child.send(told);
  const [said] = (await once(child, 'message')) as [T];
  return [child, said];
}

async function startSide(name: Start['side'], servers: ServerUrls, dir: string, bytes: Start['bytes']): Promise<Side> {
  const [child, url] = await startChild<string>('api-server.ts', { side: name, servers, dir, bytes } satisfies Start);
  return { name, url, child };
}

/** Processor time that a side has used up to now, microseconds. */
async function cpuUs({ child }: Side): Promise<number> {
  child.send('cpu');
  const [us] = (await once(child, 'message')) as [number];
  return us;
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

/** As many requests as the side answers. */
async function load({ url }: Side, seconds: number): Promise<autocannon.Result> {
  const result = await autocannon({
    url,
    connections: Number(values.connections),
    duration: seconds,
    requests: PATHS.map((address) => ({ path: address })),
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} answers were no success, ${result.errors} requests failed`);
  return result;
}

type Figures = { perSecond: number[]; cpuUs: number[]; p99Ms: number[] };

async function measure(api: Side, bare: Side): Promise<Record<Start['side'], Figures>> {
  const [seconds, connections] = [Number(values.seconds), Number(values.connections)];
  const empty = (): Figures => ({ perSecond: [], cpuUs: [], p99Ms: [] });
  const figures = { api: empty(), bare: empty() };
  for (const side of [api, bare]) await load(side, WARM_UP_S);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // Who comes first changes.
    const turns = round % 2 === 0 ? [api, bare] : [bare, api];
    for (const side of turns) {
      const before = await cpuUs(side);
      const { requests } = await load(side, seconds);
      figures[side.name].perSecond.push(requests.average);
      figures[side.name].cpuUs.push(((await cpuUs(side)) - before) / requests.total);
    }
    for (const { name, url } of turns)
      figures[name].p99Ms.push((await pacedLoad({ url, paths: PATHS, rate: RATE, seconds, connections })).p99Ms);
    const told = ({ name }: Side) => {
      const { perSecond, cpuUs, p99Ms } = figures[name];
      return `${name} ${perSecond.at(-1)?.toFixed(0)}/s, ${cpuUs.at(-1)?.toFixed(0)} us of processor each, p99 at ${RATE}/s ${p99Ms.at(-1)?.toFixed(1)} ms`;
    };
    say(`round ${round + 1}: ${told(api)}; ${told(bare)}`);
  }
  return figures;
}

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  const children: ChildProcess[] = [];
  try {
    await seed(resources);
    await resources.db.query('UPDATE price_latest SET ts_ms = $1', [INCEPTION_MS]);
    const bytes = await storeBytes(resources);
    children.push((await startChild('api-warmer.ts', { servers, dir }))[0]);
    const api = await startSide('api', servers, dir, bytes);
    const bare = await startSide('bare', servers, dir, bytes);
    children.push(api.child, bare.child);
    // What is left to this process is to ask.
    await resources.close();
    const figures = await measure(api, bare);
    const ratio = median(figures.api.perSecond) / median(figures.bare.perSecond);
    const p99Ms = median(figures.api.p99Ms);
    say(
      `processor time of a request: ${median(figures.api.cpuUs).toFixed(0)} us, of the bare handler ${median(figures.bare.cpuUs).toFixed(0)} us`,
    );
    say(
      `cached reads at ${RATE}/s: p99 ${p99Ms.toFixed(1)} ms (target <= ${TARGET_P99_MS}), of the bare handler ${median(figures.bare.p99Ms).toFixed(1)} ms`,
    );
    say(`throughput next to a bare handler: ${ratio.toFixed(2)} (target >= ${TARGET_RATIO})`);
    return p99Ms <= TARGET_P99_MS && ratio >= TARGET_RATIO ? 0 : 1;
  } finally {
    for (const child of children) child.disconnect();
    await resources.close();
  }
});
