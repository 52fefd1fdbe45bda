/**
 * How long after a commit its effect can be read: changes of 50 models are committed at a steady rate, each with the effect that refreshes
 * its key, and drained as a story does. Measured from the commit to a read of the key that shows the new value.
 *
 *   npm run bench:effects -- [--rate PER_SECOND] [--seconds S]
 *
 * Commits do not wait for each other (an overloaded machine shows as latency, not as a lower rate). Exits with 1 when the target is missed.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { refresh } from '../src/domain/published-keys.ts';
import type { Resources } from '../src/resources.ts';
import { addEffects } from '../src/store/effects.ts';
import { onStage, openBench, quantile, say } from './stage.ts';

const MODELS = 50;
const TARGET_P99_MS = 25;
const WARM_UP_S = 2;
/** The value of a key is the number of its change, as a time: keys show no numbers of ours. */
const FIRST_MS = Date.UTC(2026, 0, 1);

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '200' }, seconds: { type: 'string', default: '20' } },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);

const modelName = (index: number) => `model-${index % MODELS}`;

async function addModels({ db }: Resources): Promise<void> {
  const ids = Array.from({ length: MODELS }, (_, index) => modelName(index));
  await db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) SELECT id, id, 'paper', 'synthetic' FROM unnest($1::text[]) AS id`,
    [ids],
  );
  await db.query('INSERT INTO trader_state (trader_id) SELECT id FROM unnest($1::text[]) AS id', [ids]);
}

type Published = { readonly last_decision_at: number };

/** Commits change `index`, drains its effect and reads the key. Returns ms from the commit to the read, or null when the key was old. */
async function change({ db, outbox, cacheRedis, keys }: Resources, index: number): Promise<number | null> {
  const id = modelName(index);
  const value = FIRST_MS + index;
  const effects = await db.transaction(async (tx) => {
    await tx.query(
      'UPDATE trader_state SET last_decision_at = greatest(last_decision_at, to_timestamp($2 / 1000.0)) WHERE trader_id = $1',
      [id, value],
    );
    return addEffects(tx, [refresh('traderState', id)]);
  });
  const committedAt = performance.now();
  await outbox.drain(effects);
  const text = await cacheRedis.get(keys.key('traderState', [id]));
  const tookMs = performance.now() - committedAt;
  return text !== null && (JSON.parse(text) as Published).last_decision_at >= value ? tookMs : null;
}

/** Begins a change every 1/rate seconds, whatever has become of those before. */
async function steadily(resources: Resources, firstIndex: number, count: number): Promise<(number | null)[]> {
  const startedAt = performance.now();
  const results: Promise<number | null>[] = [];
  while (results.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1);
    while (results.length < due) results.push(change(resources, firstIndex + results.length));
    await sleep(1);
  }
  return Promise.all(results);
}

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  try {
    await addModels(resources);
    await steadily(resources, 0, rate * WARM_UP_S);
    // What the machine does to everybody: how late this process wakes up. It bounds what a latency can be.
    const lateness = monitorEventLoopDelay({ resolution: 1 });
    lateness.enable();
    const results = await steadily(resources, rate * WARM_UP_S, rate * seconds);
    lateness.disable();
    const applied = results.filter((result) => result !== null);
    const stale = results.length - applied.length;
    const [left] = await resources.db.query<{ rows: number }>('SELECT count(*) AS rows FROM effects');
    say(`this process woke up late by p99 ${(lateness.percentile(99) / 1e6).toFixed(1)} ms`);
    const [p50, p99] = [quantile(applied, 0.5), quantile(applied, 0.99)];
    say(
      `${results.length} commits at ${rate}/s over ${MODELS} models, ${stale} keys were old, ${left?.rows} effects are left`,
    );
    say(
      `commit to readable key: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (target p99 <= ${TARGET_P99_MS} ms)`,
    );
    return p99 <= TARGET_P99_MS && stale === 0 && left?.rows === 0 ? 0 : 1;
  } finally {
    await resources.close();
  }
});
