/** Days of rows that are old enough for the archive. */

import { computeModelAnalytics } from '../../src/engine/compute-analytics.ts';
import { ingestPushed } from '../../src/engine/ingest-prices.ts';
import type { Database } from '../../src/store/database.ts';
import { ensurePartitions } from '../../src/store/tick-partitions.ts';
import { type Arena, never, one, PROVIDER, tick } from '../engine/arena.ts';
import { DAY, DAY_MS } from './days.ts';

/** Prices, contexts and frames of three days, matched. */
export async function addMarket(arena: Arena): Promise<void> {
  for (let day = 0; day < 3; day++) {
    const at = DAY + day * DAY_MS;
    const ticks = Array.from({ length: 50 }, (_, i) => tick(i % 2 ? 'BTC' : 'ETH', at + i * 1000, 100 + i / 7));
    await ensurePartitions(arena.db, ticks);
    const context = {
      markPrice: 1.1,
      midPrice: null,
      oraclePrice: 0.1 + 0.2,
      fundingRate: 1e-9,
      openInterest: 3,
      volume24h: 4,
    };
    const contexts = [{ symbol: 'BTC', tsMs: at, ...context }];
    const batch = { ticks, candles: [], contexts, fundings: [], watermarkMs: at + DAY_MS - 1 };
    await ingestPushed(arena.stories, batch, at + DAY_MS - 1, never);
    await arena.db.query(
      `INSERT INTO market_frames (market_provider, slot_ms, digest, payload) VALUES ($1, $2, 'd', '{"a": [1.50, "\\u2028\\n"]}')`,
      [PROVIDER, at],
    );
  }
}

/** Two cycles a day and model with what was said, counted by the analytics. */
export async function addCycles(arena: Arena): Promise<void> {
  await arena.db.query(
    `WITH cycles AS (
       INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, context, decisions, success, executed_at)
       SELECT m.id, $1::bigint + n * 43200000, n + 1, 'done', '{"x": 1}', '[{"action": "open_long", "confidence": 0.7, "leverage": 2, "reason": "why"}]', true,
              to_timestamp(($1::bigint + n * 43200000) / 1000.0)
       FROM models m, generate_series(0, 5) n ORDER BY n, m.id RETURNING id, model_id, slot_ms
     ), talks AS (INSERT INTO conversations (model_id, decision_cycle_id) SELECT model_id, id FROM cycles RETURNING id)
     INSERT INTO conversation_messages (conversation_id, role, content) SELECT id, role, E'said\\n\\u2028' || id FROM talks, unnest(ARRAY['user', 'assistant']) role`,
    [DAY],
  );
  for (const id of ['holder', 'twin']) await computeModelAnalytics(arena.stories, id, DAY + 3 * DAY_MS);
}

const TABLES = [
  'price_ticks',
  'market_asset_ctx',
  'market_frames',
  'decision_cycles',
  'conversations',
  'conversation_messages',
];
/** All rows of the tables that are archived. */
export const rowsOf = (db: Database) =>
  one<Record<string, unknown[]>>(
    db,
    `SELECT ${TABLES.map((t) => `(SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text) FROM ${t} t) AS ${t}`).join(', ')}`,
  );
