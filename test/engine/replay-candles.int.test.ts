import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MarketBatch } from '../../src/domain/market.ts';
import { replayTime, type Stories } from '../../src/engine/context.ts';
import { ingestPushed } from '../../src/engine/ingest-prices.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { openReplay } from '../../src/market/replay.ts';
import { createRun, SHARED, type TestRun } from '../harness.ts';
import { arenaConfig, never, one } from './arena.ts';

const RECORDED = path.join(SHARED, 'candles');
const HOUR_MS = 3_600_000;
/** Market time of one batch. */
const BATCH_MS = 6 * HOUR_MS;

describe.skipIf(!existsSync(RECORDED))('recorded candles', () => {
  let run: TestRun;
  let stories: Stories;
  let batches: MarketBatch[];

  beforeAll(async () => {
    const market = await openReplay(RECORDED);
    if (market.extent === null) throw new Error('recorded candles end');
    const { startMs, endMs } = market.extent;
    run = await createRun({ config: arenaConfig() });
    stories = { ...(await run.stories()).stories, market, clock: replayTime };
    await registerArena(stories, run.resources.run, startMs);
    batches = [];
    for (let fromMs = startMs; fromMs < endMs; fromMs += BATCH_MS)
      batches.push(await market.fetch(fromMs, Math.min(endMs, fromMs + BATCH_MS)));
  });
  afterAll(() => run.close());

  const replay = async (order: readonly MarketBatch[]) => {
    for (const batch of order) await ingestPushed(stories, batch, batch.watermarkMs, never);
    const digest = (table: string, without = '') =>
      `(SELECT md5(coalesce(string_agg(row, '' ORDER BY row), '')) || ' ' || count(*) FROM (SELECT (to_jsonb(t)${without})::text AS row FROM ${table} t) rows)`;
    return one(
      stories.db,
      `SELECT ${digest('price_candles')} AS candles, ${digest('price_ticks', " - 'id' - 'ingested_at'")} AS ticks, ${digest('funding_rates')} AS fundings,
              ${digest('market_asset_ctx')} AS contexts, ${digest('price_latest', " - 'updated_at'")} AS latest`,
    );
  };

  it('replayed twice, and once more from behind, leave the same rows as once', async () => {
    const once = await replay(batches);
    const [{ candles, ticks }] = [once as { candles: string; ticks: string }];
    const rows = (list: 'candles' | 'ticks') => batches.reduce((sum, batch) => sum + batch[list].length, 0);
    expect([candles.split(' ')[1], ticks.split(' ')[1]]).toEqual([String(rows('candles')), String(rows('ticks'))]);
    expect(rows('candles')).toBeGreaterThan(10_000);
    expect(await replay(batches)).toEqual(once);
    expect(await replay(batches.toReversed())).toEqual(once);
  });
});
