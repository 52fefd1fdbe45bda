/** How long a tick takes to be readable, at a steady rate: what the feed hears is stamped with the clock's time, and a reader watches the keys. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tick } from '../src/domain/market.ts';
import type { Resources } from '../src/resources.ts';
import { ensurePartitions } from '../src/store/tick-partitions.ts';
import type { IngestPath } from './ingest-path.ts';
import { SYMBOLS } from './ingest-rows.ts';
import type { Watch } from './ingest-watcher.ts';

const WARM_UP_MS = 3000;

export type Delays = { readonly delays: readonly number[]; readonly missing: number; readonly sent: number };

/** `cacheRedisUrl`: where the keys are. Each symbol has a tick every `SYMBOLS.length * 1000 / rate` ms. */
export async function measureDelay(
  resources: Resources,
  ingest: IngestPath,
  cacheRedisUrl: string,
  wish: { readonly rate: number; readonly seconds: number },
): Promise<Delays> {
  const stepMs = Math.max(1, Math.round((SYMBOLS.length * 1000) / wish.rate));
  const beginMs = Math.ceil(Date.now() / stepMs) * stepMs + stepMs;
  const fromMs = beginMs + Math.ceil(WARM_UP_MS / stepMs) * stepMs;
  const untilMs = fromMs + wish.seconds * 1000;
  const keys = SYMBOLS.map((symbol) => resources.keys.key('priceLatest', [symbol]));
  await ensurePartitions(
    resources.db,
    [beginMs, untilMs].map((tsMs) => ({ symbol: '', tsMs, price: 1, source: '' })),
  );
  const watcher = fork(
    path.join(import.meta.dirname, 'ingest-watcher.ts'),
    [JSON.stringify({ redisUrl: cacheRedisUrl, keys, stepMs, fromMs, untilMs } satisfies Watch)],
    { execArgv: ['--import', 'tsx'] },
  );
  const told = once(watcher, 'message');
  const sent = await speak(ingest, beginMs, untilMs, stepMs);
  const [result] = (await told) as [{ delays: number[]; missing: number }];
  await once(watcher, 'exit');
  return { ...result, sent };
}

/** One tick a symbol and step, heard as soon as its time has come. */
async function speak(ingest: IngestPath, beginMs: number, untilMs: number, stepMs: number): Promise<number> {
  let sent = 0;
  for (let nextMs = beginMs; nextMs <= untilMs; ) {
    const ticks: Tick[] = [];
    for (; nextMs <= Math.min(Date.now(), untilMs); nextMs += stepMs)
      for (const [index, symbol] of SYMBOLS.entries())
        ticks.push({ symbol, tsMs: nextMs, price: 100 + index + Math.sin(nextMs / 1000), source: 'bench' });
    if (ticks.length > 0) ingest.pusher.rows({ ticks });
    sent += ticks.length;
    await sleep(1);
  }
  return sent;
}
