/** A session played story by story: every key of the desk, by its exact name, holds a value of its shape. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import * as shapes from '../../src/domain/desk/published.ts';
import type { Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { Charts } from '../../src/engine/desk/charts.ts';
import { describeMarket } from '../../src/engine/desk/market-context.ts';
import { monitorPositions } from '../../src/engine/desk/monitor.ts';
import { readNews } from '../../src/engine/desk/news.ts';
import { countPerformance } from '../../src/engine/desk/performance.ts';
import { screenStocks } from '../../src/engine/desk/screen.ts';
import { syncFills } from '../../src/engine/ingest-fills.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import type { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { count, never } from '../engine/arena.ts';
import { createRun, SHARED, type TestRun } from '../harness.ts';

const DAY = '2025-05-09';
const MINUTE_MS = 60_000;
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };

/** The keys as the requirements spell them. */
const SHAPES: Readonly<Record<string, z.ZodType>> = {
  'stocks:price:{symbol}': shapes.stockPriceSchema,
  'stocks:indicators:{symbol}': shapes.stockIndicatorsSchema,
  'stocks:sentiment:{symbol}': shapes.stockSentimentSchema,
  'watchlist:current': shapes.watchlistSchema,
  'candidates:ranked': shapes.candidatesSchema,
  'positions:active:{symbol}': shapes.activePositionSchema,
  'positions:monitoring:{symbol}': shapes.monitoringSchema,
  'signals:{signal_type}:{symbol}': shapes.deskSignalSchema,
  'system:state': shapes.systemStateSchema,
  'metrics:performance': shapes.performanceSchema,
  'context:market': shapes.marketContextSchema,
};
const keyPattern = (spec: string) => new RegExp(`^${spec.replace(/\{[a-z_]+\}/g, '[^:]+')}$`);

let run: TestRun;
let stories: Stories;
let frames: FrameBuilder;
let charts: Charts;

beforeAll(async () => {
  run = await createRun({
    kind: 'equities',
    settings: { feed: 'synthetic', day: DAY },
    seed: 'nof0',
    startMs: session.openMs - 30 * MINUTE_MS,
    endMs: session.closeMs + 10 * MINUTE_MS,
    marketNowMs: session.closeMs + 10 * MINUTE_MS,
  });
  const opened = await run.stories();
  ({ stories, frames } = opened);
  charts = new Charts(stories);
  await registerArena(stories, run.resources.run, session.openMs - 30 * MINUTE_MS);
});
afterAll(() => run.close());

/** One minute of the desk, story after story. */
async function minute(nowMs: number): Promise<void> {
  await ingestPrices(stories, nowMs, never);
  await syncFills(stories, 'equities', nowMs, { snapshot: false });
  await describeMarket(stories, nowMs);
  await screenStocks(stories, nowMs);
  await monitorPositions(stories, charts, nowMs, never);
  const asked = await count(run.resources.db, 'desk_signals WHERE decided_slot_ms = $1', [nowMs]);
  if (asked > 0) await runDecisionCycle(stories, frames, 'equities', nowMs, never);
}

const open = () => count(run.resources.db, `positions WHERE status = 'open'`);

/** Keys of the desk with their values, without the prefix that tests have. */
async function published(): Promise<Map<string, unknown>> {
  const { cacheRedis, publisher } = run.resources;
  await run.resources.outbox.close();
  await publisher.refresh(await publisher.allTargets());
  const names = await cacheRedis.keys(`${run.prefix}:*`);
  const found = new Map<string, unknown>();
  for (const name of names) {
    const key = name.slice(run.prefix.length + 1);
    if (Object.keys(SHAPES).some((spec) => keyPattern(spec).test(key)))
      found.set(key, JSON.parse((await cacheRedis.get(name)) ?? 'null'));
  }
  return found;
}

describe('a session of the desk', () => {
  let nowMs = session.openMs - MINUTE_MS;

  it('publishes every key with a value of its shape, once positions are open and signals were seen', async () => {
    await ingestPrices(stories, nowMs, never);
    await readNews(stories, nowMs, never);
    const exits = () => count(run.resources.db, `desk_signals WHERE type = 'exit'`);
    while ((await open()) === 0 || (await exits()) === 0) {
      nowMs += MINUTE_MS;
      expect(nowMs).toBeLessThan(session.closeMs - 60 * MINUTE_MS);
      await minute(nowMs);
    }
    await countPerformance(stories, nowMs);
    const keys = await published();
    for (const [spec, shape] of Object.entries(SHAPES)) {
      const own = [...keys].filter(([key]) => keyPattern(spec).test(key));
      expect(own.length, spec).toBeGreaterThan(0);
      for (const [key, value] of own) expect(shape.safeParse(value).error, key).toBeUndefined();
    }
    expect([...keys.keys()].some((key) => key.startsWith('signals:entry:'))).toBe(true);
    expect([...keys.keys()].some((key) => key.startsWith('signals:exit:'))).toBe(true);
  }, 120_000);

  it('puts a slot before its model once, however often the monitor runs', async () => {
    const before = await count(run.resources.db, 'desk_signals WHERE decided_slot_ms IS NOT NULL');
    const promised = () => count(run.resources.db, `effects WHERE kind = 'enqueue' AND target LIKE 'decision-cycle%'`);
    const jobs = await promised();
    await monitorPositions(stories, charts, nowMs, never);
    expect(await count(run.resources.db, 'desk_signals WHERE decided_slot_ms IS NOT NULL')).toBe(before);
    expect(await promised()).toBe(jobs);
  });

  it('takes no entry near the close, and has closed everything before it', async () => {
    nowMs = session.closeMs - 20 * MINUTE_MS;
    await ingestPrices(stories, nowMs, never);
    const entries = await count(run.resources.db, `desk_signals WHERE type = 'entry'`);
    await screenStocks(stories, nowMs);
    expect(await count(run.resources.db, `desk_signals WHERE type = 'entry'`)).toBe(entries);
    nowMs = session.closeMs - 4 * MINUTE_MS;
    await ingestPrices(stories, nowMs, never);
    const outcome = await monitorPositions(stories, charts, nowMs, never);
    expect(outcome).toMatchObject({ kind: 'done', note: { flat: true } });
    expect(await open()).toBe(0);
    await countPerformance(stories, session.closeMs + 5 * MINUTE_MS);
    const rows = await run.resources.db.query<{ final: boolean; trades: number }>(
      `SELECT final, (payload->>'win_count')::int + (payload->>'loss_count')::int AS trades FROM desk_performance WHERE day = $1`,
      [DAY],
    );
    expect(rows).toEqual([{ final: true, trades: await count(run.resources.db, 'trades WHERE voided_at IS NULL') }]);
    const keys = [...(await published()).keys()];
    expect(keys.filter((key) => key.startsWith('positions:'))).toEqual([]);
  }, 60_000);
});

const requirements = path.join(SHARED, 'requirements');
const document = listing(requirements).find((name) => name.startsWith('D5'));

function listing(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

describe.skipIf(document === undefined)('the requirements', () => {
  it('name the keys and show values that these shapes accept', () => {
    const text = readFileSync(path.join(requirements, document ?? ''), 'utf8');
    const sections = text.slice(text.indexOf('## Data Structure'), text.indexOf('## Data Flow'));
    const blocks = [...sections.matchAll(/```(json)?\n([\s\S]*?)```/g)].map(([, kind, body = '']) => ({ kind, body }));
    const seen = new Set<string>();
    let key = '';
    for (const { kind, body } of blocks) {
      if (kind === undefined) key = body.trim();
      else {
        expect(SHAPES[key]?.safeParse(JSON.parse(body)).error, key).toBeUndefined();
        seen.add(key);
      }
    }
    expect([...seen].sort()).toEqual(Object.keys(SHAPES).sort());
  });
});
