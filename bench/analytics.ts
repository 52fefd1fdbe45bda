/**
 * What one more trade costs the analytics of a model with a long history, next to one with a short history: two models of one database,
 * updated in turns with new, revised and voided trades. The machine's other work falls on both alike.
 *
 *   npm run bench:analytics -- [--long TRADES] [--short TRADES] [--rounds N]
 *
 * Prints the ratio of the medians last. Exits with 1 when it is above its target.
 */

import { parseArgs } from 'node:util';
import { computeModelAnalytics } from '../src/engine/compute-analytics.ts';
import type { Stories } from '../src/engine/context.ts';
import { recomputeModel } from '../src/engine/recompute-analytics.ts';
import { openStories, type Resources } from '../src/resources.ts';
import { median, onStage, openBench, quantile, say } from './stage.ts';

const TARGET_RATIO = 1.5;
const WARM_UP_ROUNDS = 40;
const DAY = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

const { values } = parseArgs({
  options: {
    long: { type: 'string', default: '100000' },
    short: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '400' },
  },
});

/** Trades first … last of a model: like real ones, and no two the same. */
const ADD_TRADES = `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, entry_price, entry_ts_ms, exit_price, exit_ts_ms, exit_plan, exit_reason,
    realized_gross_pnl, realized_net_pnl, total_commission_dollars)
  SELECT $1 || '-' || i, $1, 'BTC', CASE WHEN i % 3 = 0 THEN 'short' ELSE 'long' END, 0.01 + noise / 10, 1 + i % 10, 60000 + 1000 * noise, $4::bigint + i::bigint * ${MINUTE_MS},
    60500, $4::bigint + i::bigint * ${MINUTE_MS} + (noise * 7200000)::bigint, '{"profit_target": 66000, "stop_loss": 57000}', 'signal', 100 * noise - 45, 100 * noise - 46, 0.9 + noise / 5
  FROM (SELECT i, ((hashint8(i::bigint * 2654435761) & 1048575) / 1048576.0)::float8 AS noise FROM generate_series($2::int, $3::int) AS i) drawn`;

async function addModel({ db }: Resources, modelId: string, trades: number): Promise<void> {
  await db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ($1, $1, 'paper', 'synthetic')`,
    [modelId],
  );
  await db.query('INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) VALUES ($1, 10000, $2)', [
    modelId,
    DAY,
  ]);
  await db.query(ADD_TRADES, [modelId, 1, trades, DAY]);
}

/** One change of the history: mostly a new trade, sometimes a revised or a voided one. */
async function change({ db }: Resources, modelId: string, trades: number, round: number): Promise<void> {
  const old = `${modelId}-${1 + ((round * 7919) % trades)}`;
  if (round % 4 === 3)
    await db.query('UPDATE trades SET realized_net_pnl = realized_net_pnl + 1, revision = revision + 1 WHERE id = $1', [
      old,
    ]);
  else if (round % 8 === 6)
    await db.query('UPDATE trades SET voided_at = now(), revision = revision + 1 WHERE id = $1', [old]);
  else await db.query(ADD_TRADES, [modelId, trades + round + 1, trades + round + 1, DAY]);
}

async function measure(stories: Stories, resources: Resources): Promise<[long: number[], short: number[]]> {
  const sizes: Record<string, number> = { long: Number(values.long), short: Number(values.short) };
  const times: Record<string, number[]> = { long: [], short: [] };
  const rounds = Number(values.rounds);
  for (let round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
    // Who comes first changes, so that neither always finds the other's leftovers.
    for (const modelId of round % 2 === 0 ? ['long', 'short'] : ['short', 'long']) {
      await change(resources, modelId, sizes[modelId] ?? 0, round);
      const began = performance.now();
      await computeModelAnalytics(stories, modelId, DAY);
      if (round >= WARM_UP_ROUNDS) times[modelId]?.push(performance.now() - began);
    }
  }
  return [times.long ?? [], times.short ?? []];
}

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  try {
    await addModel(resources, 'long', Number(values.long));
    await addModel(resources, 'short', Number(values.short));
    const { stories } = await openStories(resources);
    // What is measured is the count and its commit; the keys are the projections' business.
    const counting: Stories = { ...stories, drain: () => Promise.resolve() };
    const began = performance.now();
    for (const modelId of ['long', 'short']) await computeModelAnalytics(counting, modelId, DAY);
    say(`counting ${values.long} trades that were there took ${((performance.now() - began) / 1000).toFixed(1)} s`);
    // What autovacuum does within a minute after so much was counted at once.
    await resources.db.query('VACUUM ANALYZE');
    const [long, short] = await measure(counting, resources);
    for (const [name, trades, times] of [
      ['long', values.long, long],
      ['short', values.short, short],
    ] as const)
      say(
        `${name}: ${trades} trades, one update p50 ${median(times).toFixed(2)} ms, p95 ${quantile(times, 0.95).toFixed(2)} ms`,
      );
    const checked = await recomputeModel(resources.db, 'synthetic', 'long', DAY);
    say(`compared with the full computation: ${checked?.figures} figures, ${checked?.differences.length} differ`);
    for (const difference of checked?.differences ?? []) say(difference);
    const ratio = median(long) / median(short);
    say(`cost at ${values.long} trades / cost at ${values.short}: ${ratio.toFixed(2)} (target <= ${TARGET_RATIO})`);
    return ratio <= TARGET_RATIO && checked?.differences.length === 0 ? 0 : 1;
  } finally {
    await resources.close();
  }
});
