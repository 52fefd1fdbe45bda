/**
 * Whether the position monitor keeps up: 200 open positions in stocks with a bar a second, on servers of its own. A cycle is what a
 * second takes: the second's bars are stored, every position is looked at, and every key that changed is written.
 *
 *   npm run bench:monitor -- [--positions N] [--seconds S]
 *
 * Market time is driven by hand, a second a cycle, as fast as it goes. Exits with 1 when the 99th percentile is longer than a second.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { sessionOf } from '../src/domain/desk/calendar.ts';
import type { Candle, MarketBatch } from '../src/domain/market.ts';
import { uniform } from '../src/domain/random.ts';
import type { Stories } from '../src/engine/context.ts';
import { Charts } from '../src/engine/desk/charts.ts';
import { monitorPositions } from '../src/engine/desk/monitor.ts';
import { ingestPrices } from '../src/engine/ingest-prices.ts';
import { registerArena } from '../src/engine/register-arena.ts';
import { indexOf } from '../src/market/equities/synthetic.ts';
import type { MarketData } from '../src/market/market-data.ts';
import { openResources, openStories } from '../src/resources.ts';
import { Database } from '../src/store/database.ts';
import { declareRun } from '../src/store/runs.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { benchConfig, median, onStage, quantile, say } from './stage.ts';

const TARGET_P99_MS = 1000;
const HISTORY_MINUTES = 260;
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const DAY = '2025-05-09';

const { values } = parseArgs({
  options: { positions: { type: 'string', default: '200' }, seconds: { type: 'string', default: '180' } },
});
const count = Number(values.positions);
const seconds = Number(values.seconds);
const openMs = sessionOf(DAY)?.openMs ?? 0;
const symbols = Array.from({ length: count }, (_, index) => `S${String(index).padStart(3, '0')}`);

/** A price that stays near 100: no stop is met, so that all positions stay open. */
function priceAt(symbol: string, tsMs: number): number {
  return Math.round(10_000 + 60 * (uniform('bench', symbol, Math.floor(tsMs / SECOND_MS)) - 0.5)) / 100;
}

function minuteBar(symbol: string, openTsMs: number): Candle {
  const [open, close] = [priceAt(symbol, openTsMs), priceAt(symbol, openTsMs + MINUTE_MS - SECOND_MS)];
  return { symbol, openTsMs, open, close, high: Math.max(open, close), low: Math.min(open, close), volume: 10_000 };
}

/** A bar a second: its close is a tick, and sixty of them a candle. */
const market: MarketData = {
  provider: 'equities',
  extent: null,
  assets: async () => symbols.map((symbol) => ({ ...indexOf(symbol), isActive: true, assetClass: 'equity' as const })),
  async fetch(fromMs, toMs): Promise<MarketBatch> {
    const from = fromMs ?? toMs - HISTORY_MINUTES * MINUTE_MS;
    const minutes: number[] = [];
    for (let close = Math.floor(from / MINUTE_MS) * MINUTE_MS + MINUTE_MS; close <= toMs; close += MINUTE_MS)
      minutes.push(close - MINUTE_MS);
    return {
      ticks: symbols.map((symbol) => ({ symbol, tsMs: toMs, price: priceAt(symbol, toMs), source: 'bench' })),
      candles: minutes.flatMap((open) => symbols.map((symbol) => minuteBar(symbol, open))),
      contexts: [],
      fundings: [],
      watermarkMs: toMs,
    };
  },
};

async function openPositions(stories: Stories): Promise<void> {
  await stories.db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, status, stop_loss, take_profit)
     SELECT 'bench:' || symbol, 'equities', symbol, 'long', 100, 10, 1, $2::bigint, 'open', 95, 110 FROM unnest($1::text[]) AS symbol`,
    [symbols, openMs],
  );
}

await onStage(async (servers, dir) => {
  const db = new Database(servers.databaseUrl, { max: 1, applicationName: 'bench', onError: () => {} });
  await db.query('DELETE FROM runs');
  const run = { name: 'bench', kind: 'equities' as const, settings: {}, seed: 'bench' };
  await declareRun(db, { ...run, startMs: openMs, endMs: openMs + 6 * 3_600_000 });
  await db.close();
  const config = benchConfig();
  const logger = createLogger(config.log, { run: 'bench' }, path.join(dir, 'bench.log'));
  const resources = await openResources({ config, servers, prefix: 'bench', role: 'bench', logger });
  try {
    const opened = await openStories(resources);
    // What a replay gathers for a second is written at once here: a cycle is over when its keys are.
    const stories: Stories = { ...opened.stories, market, drain: (effects) => drain(effects) };
    const drain: Stories['drain'] = async (effects) => {
      await resources.outbox.drain(effects);
      await resources.outbox.close();
    };
    await registerArena(stories, resources.run, openMs);
    await openPositions(stories);
    const charts = new Charts(stories);
    const never = new AbortController().signal;
    const cycles: number[] = [];
    for (let second = 0; second <= seconds; second += 1) {
      const nowMs = openMs + second * SECOND_MS;
      const startedAt = performance.now();
      await ingestPrices(stories, nowMs, never);
      const outcome = await monitorPositions(stories, charts, nowMs, never);
      if (outcome.kind !== 'done') throw new Error(`the monitor did not look: ${JSON.stringify(outcome)}`);
      // The first one reads the history.
      if (second > 0) cycles.push(performance.now() - startedAt);
    }
    const p99 = quantile(cycles, 0.99);
    say(`${count} positions, ${cycles.length} cycles of ingest, look and publish`);
    say(
      `cycle ms: median ${median(cycles).toFixed(0)}, p99 ${p99.toFixed(0)}, longest ${Math.max(...cycles).toFixed(0)}`,
    );
    say(p99 <= TARGET_P99_MS ? `keeps up with a bar a second` : `does not keep up: p99 above ${TARGET_P99_MS} ms`);
    process.exitCode = p99 <= TARGET_P99_MS ? 0 : 1;
  } finally {
    await resources.close();
  }
});
