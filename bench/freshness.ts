/**
 * How long after a trade was closed `/api/leaderboard` shows it: 100 models, 10 trades a second. The fills of a trade are pushed as an
 * exchange does: a promise in the outbox, a job, the ledger, its effects, the keys. A worker and the API run in processes of their own;
 * snapshots and analytics that follow from a trade run, too. The clock runs from the commit of the promise to the end of the first
 * answer that counts the trade.
 *
 *   npm run bench:freshness -- [--seconds S] [--models N] [--rate TRADES_A_SECOND]
 *
 * Prints the figures last. Exits with 1 when the target is missed or a trade was never shown.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { enqueueEffect } from '../src/jobs/registry.ts';
import type { Resources } from '../src/resources.ts';
import { addEffects } from '../src/store/effects.ts';
import { openArena, type StartWorker } from './freshness-worker.ts';
import { onStage, quantile, say } from './stage.ts';

const TARGET_P99_MS = 250;
/** Between two looks of a front end that wants to know. */
const POLL_MS = 10;
const WARM_UP_S = 5;
/** A trade that is not shown by then is lost. */
const LOST_MS = 10_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    models: { type: 'string', default: '100' },
    rate: { type: 'string', default: '10' },
  },
});
const MODELS = Number(values.models);

type Closed = { readonly model: string; readonly trades: number; readonly atMs: number };

/** Closes trades at the rate, one model after the other, and remembers when. */
class Trader {
  readonly #resources: Resources;
  readonly #counts = new Map<string, number>();
  #number = 0;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  async close(): Promise<Closed> {
    const number = ++this.#number;
    const model = `model-${number % MODELS}`;
    const trades = (this.#counts.get(model) ?? 0) + 1;
    this.#counts.set(model, trades);
    const tsMs = Date.now();
    const fill = (leg: number, side: 'buy' | 'sell', price: number) => ({
      ...{ id: `paper:${model}:bench-${2 * number + leg}`, symbol: 'BTC', side, price, size: 0.001 },
      ...{ oid: 2 * number + leg, feeUsd: 0.01, tsMs: tsMs + leg, closedPnl: leg === 0 ? 0 : 1 },
    });
    const fills = [fill(0, 'buy', 90_000), fill(1, 'sell', 91_000)];
    const { db, outbox } = this.#resources;
    const job = enqueueEffect('trade-ingest', { modelId: model, provider: 'paper', fills, asOfMs: tsMs + 1 });
    const effects = await addEffects(db, [job]);
    const atMs = performance.now();
    await outbox.drain(effects);
    return { model, trades, atMs };
  }
}

type Board = { readonly leaderboard: readonly { readonly id: string; readonly num_trades: number }[] };

/** Looks at the leaderboard all the time and says which trades it shows by now. */
async function watch(url: string, open: Set<Closed>, delays: number[], going: () => boolean): Promise<void> {
  while (going() || open.size > 0) {
    const response = await fetch(`${url}/api/leaderboard`);
    if (response.status !== 200) throw new Error(`the leaderboard answered ${response.status}`);
    const { leaderboard } = (await response.json()) as Board;
    const now = performance.now();
    const counts = new Map(leaderboard.map(({ id, num_trades: trades }) => [id, trades]));
    for (const closed of open) {
      if ((counts.get(closed.model) ?? 0) >= closed.trades) {
        delays.push(now - closed.atMs);
        open.delete(closed);
      } else if (now - closed.atMs > LOST_MS)
        throw new Error(`a trade of ${closed.model} is not shown after ${LOST_MS} ms`);
    }
    await sleep(POLL_MS);
  }
}

async function measure(resources: Resources, url: string): Promise<number[]> {
  const trader = new Trader(resources);
  const gapMs = 1000 / Number(values.rate);
  const delays: number[] = [];
  for (const seconds of [WARM_UP_S, Number(values.seconds)]) {
    // What is still cold in the first seconds is no part of it.
    delays.length = 0;
    const open = new Set<Closed>();
    let going = true;
    const watching = watch(url, open, delays, () => going);
    // Heard below, at the next trade or at the end.
    watching.catch(() => {});
    const startedAt = performance.now();
    for (let n = 0; n < seconds * Number(values.rate); n++) {
      await Promise.race([sleep(Math.max(0, startedAt + n * gapMs - performance.now())), watching]);
      open.add(await trader.close());
    }
    going = false;
    await watching;
  }
  return delays;
}

async function start(file: string, message: object): Promise<{ child: ChildProcess; said: string }> {
  const child = fork(path.join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] });
  child.send(message);
  const [said] = (await once(child, 'message')) as [string];
  return { child, said };
}

process.exitCode = await onStage(async (servers: ServerUrls, dir) => {
  const resources = await openArena({ servers, dir, models: MODELS, register: true });
  const children: ChildProcess[] = [];
  try {
    const worker = await start('freshness-worker.ts', { servers, dir, models: MODELS } satisfies StartWorker);
    const api = await start('api-server.ts', { side: 'api', servers, dir, bytes: {} });
    children.push(worker.child, api.child);
    const delays = await measure(resources, api.said);
    const [p50, p99] = [quantile(delays, 0.5), quantile(delays, 0.99)];
    say(
      `${delays.length} trades of ${MODELS} models at ${values.rate}/s; longest ${Math.max(...delays).toFixed(0)} ms`,
    );
    say(`trade close to leaderboard: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms (target <= ${TARGET_P99_MS})`);
    return p99 <= TARGET_P99_MS ? 0 : 1;
  } finally {
    for (const child of children) child.disconnect();
    await resources.close();
  }
});
