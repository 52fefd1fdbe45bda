/**
 * The whole cache from nothing: 1,000 models and 100,000 trades, with snapshots, positions, cycles and analytics as a run leaves them.
 * The keys are flushed and written again a few times; the median counts.
 *
 *   npm run bench:rebuild -- [--models N] [--trades N] [--rounds N]
 *
 * Prints the keys of each family and the figures last. Exits with 1 when the target is missed or a key is not there.
 */

import { parseArgs } from 'node:util';
import { countKeys } from '../src/projections/count-keys.ts';
import { type Rebuilt, rebuildKeys } from '../src/projections/rebuild.ts';
import type { Resources } from '../src/resources.ts';
import { median, onStage, openBench, say } from './stage.ts';

const TARGET_MS = 10_000;
const SNAPSHOTS = 60;
const POSITIONS = 3;
const CYCLES = 3;
const BEGAN_MS = Date.UTC(2026, 0, 1);
/** Bytes of a model's analytics: about what the payload of a model with many trades has. */
const PAYLOAD = 'x'.repeat(3000);

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '1000' },
    trades: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
  },
});
const [MODELS, TRADES] = [Number(values.models), Number(values.trades)];

const SEED: readonly string[] = [
  `INSERT INTO models (id, display_name, exchange_provider, market_provider)
   SELECT 'model-' || m, 'Model ' || m, 'paper', 'synthetic' FROM generate_series(1, $1::int) m`,
  `INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) SELECT 'model-' || m, 10000, ${BEGAN_MS} FROM generate_series(1, $1::int) m`,
  `INSERT INTO trader_state (trader_id) SELECT 'model-' || m FROM generate_series(1, $1::int) m`,
  `INSERT INTO model_analytics (model_id, payload, server_time_ms)
   SELECT 'model-' || m, jsonb_build_object('model_id', 'model-' || m, 'text', '${PAYLOAD}'), ${BEGAN_MS} FROM generate_series(1, $1::int) m`,
  `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, entry_oid)
   SELECT m || '-' || p, 'model-' || m, 'COIN' || p, 'long', 100, 1, 5, ${BEGAN_MS}, m FROM generate_series(1, $1::int) m, generate_series(1, ${POSITIONS}) p`,
  `INSERT INTO price_latest (provider, symbol, price, ts_ms) SELECT 'synthetic', 'COIN' || p, 110, ${BEGAN_MS} FROM generate_series(1, ${POSITIONS}) p`,
  `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, since_inception_hourly_marker, since_inception_minute_marker)
   SELECT 'model-' || m, ${BEGAN_MS} + s * 300000::bigint, 10000 + s, s / 12, s * 5 FROM generate_series(1, $1::int) m, generate_series(1, ${SNAPSHOTS}) s`,
  `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, success, decisions)
   SELECT 'model-' || m, ${BEGAN_MS} + c * 60000::bigint, c, 'done', true, '[{"symbol":"COIN1","action":"hold","confidence":0.5}]'
   FROM generate_series(1, $1::int) m, generate_series(1, ${CYCLES}) c`,
];

const SEED_TRADES = `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, confidence, entry_price, entry_ts_ms, exit_price, exit_ts_ms,
    entry_commission_dollars, exit_commission_dollars, total_commission_dollars, entry_closed_pnl, exit_closed_pnl, realized_gross_pnl, realized_net_pnl, exit_reason)
  SELECT 't' || n, 'model-' || (n % $1::int + 1), 'COIN' || (n % ${POSITIONS} + 1), 'long', 1, 10, 0.7, 100, ${BEGAN_MS} + n, 110, ${BEGAN_MS} + n + 60000,
    1, 1, 2, -1, 9, 10, 8, 'signal'
  FROM generate_series(1, $2::int) n`;

async function seed({ db }: Resources): Promise<void> {
  for (const statement of SEED) await db.query(statement, statement.includes('$1') ? [MODELS] : []);
  await db.query(SEED_TRADES, [MODELS, TRADES]);
  await db.query('ANALYZE');
}

async function round({ cacheRedis, keys, publisher, prices }: Resources): Promise<{ ms: number; rebuilt: Rebuilt[] }> {
  await cacheRedis.flushall();
  const startedAt = performance.now();
  const rebuilt = await rebuildKeys(publisher, prices);
  const ms = performance.now() - startedAt;
  // What a family has no value for is remembered beside the key.
  const counts = await countKeys(
    cacheRedis,
    keys,
    await publisher.allTargets(['positions', 'tradesRecent', 'analytics']),
  );
  for (const [family, there] of counts)
    if (there !== MODELS) throw new Error(`${there} keys of ${family}, expected ${MODELS}`);
  return { ms, rebuilt };
}

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  try {
    await seed(resources);
    const rounds: number[] = [];
    let rebuilt: Rebuilt[] = [];
    for (let number = 1; number <= Number(values.rounds); number++) {
      const result = await round(resources);
      rounds.push(result.ms);
      rebuilt = result.rebuilt;
      say(`round ${number}: ${Math.round(result.ms)} ms`);
    }
    for (const { family, written } of rebuilt) if (written > 0) say(`${family}: ${written} keys`);
    const total = rebuilt.reduce((sum, { written }) => sum + written, 0);
    const ms = median(rounds);
    say(`${total} keys of ${MODELS} models and ${TRADES} trades: ${Math.round(ms)} ms (target <= ${TARGET_MS})`);
    return ms <= TARGET_MS ? 0 : 1;
  } finally {
    await resources.close();
  }
});
