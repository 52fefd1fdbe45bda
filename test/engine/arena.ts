/** An arena whose market time stands where the test puts it, and a market fed by hand. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Config, loadConfig } from '../../src/config.ts';
import type { MarketBatch, Tick } from '../../src/domain/market.ts';
import { replayTime, type Stories } from '../../src/engine/context.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import type { Family } from '../../src/redis/keys.ts';
import type { Database } from '../../src/store/database.ts';
import { ingestCursor } from '../../src/store/market.ts';
import { storeBatch } from '../../src/store/market-batch.ts';
import { ensurePartitions } from '../../src/store/tick-partitions.ts';
import { createRun, REPO, type TestRun, type TestRunOptions } from '../harness.ts';

/** A slot of every pace, and the moment from which the arenas of these tests exist. */
export const T0 = Date.UTC(2025, 8, 15, 12);
export const PROVIDER = 'synthetic';

export const never = new AbortController().signal;

export type Arena = {
  readonly run: TestRun;
  readonly db: Database;
  readonly stories: Stories;
  readonly frames: FrameBuilder;
};

/** Two that buy as soon as there is a frame. */
const MODELS = [
  { id: 'holder', strategy: 'buy-and-hold' },
  { id: 'twin', strategy: 'buy-and-hold' },
];

/** The configuration of an arena file with these fields. */
export function arenaConfig(arena: object = {}, env: Record<string, string> = {}): Config {
  const dir = mkdtempSync(path.join(tmpdir(), 'nof0-arena-'));
  try {
    const arenaFile = path.join(dir, 'arena.yaml');
    // JSON is YAML.
    writeFileSync(arenaFile, JSON.stringify({ seed: 'test', history: '2h', models: MODELS, ...arena }));
    return loadConfig({ env: { NOF0_LOG_LEVEL: 'fatal', NOF0_LOG_FORMAT: 'json', ...env }, cwd: REPO, arenaFile });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** A registered arena. Its stories take market time from what they are asked for; its market may be behind that, as a real one. */
export async function openTestArena(config = arenaConfig(), options: TestRunOptions = {}): Promise<Arena> {
  const run = await createRun({ ...options, config });
  const { stories: opened } = await run.stories();
  const stories: Stories = { ...opened, clock: { ...replayTime, repeats: false } };
  await registerArena(stories, run.resources.run, T0);
  return { run, db: run.resources.db, stories, frames: new FrameBuilder(stories) };
}

export function tick(symbol: string, tsMs: number, price: number): Tick {
  return { symbol, tsMs, price, source: 'test' };
}

/** Stores what the market said, without matching it. The watermark defaults to the newest tick. */
export async function feed(db: Database, batch: Partial<MarketBatch>): Promise<void> {
  const ticks = batch.ticks ?? [];
  const watermarkMs = batch.watermarkMs ?? Math.max(0, ...ticks.map((each) => each.tsMs));
  await ensurePartitions(db, ticks);
  const whole = { candles: [], contexts: [], fundings: [], ...batch, ticks, watermarkMs };
  // Somebody else who feeds at the same time may be faster.
  while (true) {
    const cursor = await ingestCursor(db, PROVIDER);
    if (await storeBatch(db, PROVIDER, cursor?.watermarkMs ?? null, whole, [])) return;
  }
}

/** Polls until the check passes. Throws what was waited for when it does not in time. */
export async function until(what: string, check: () => Promise<boolean>, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await pause(5);
  }
}

export async function count(db: Database, from: string, values: unknown[] = []): Promise<number> {
  const rows = await db.query<{ n: number }>(`SELECT count(*) AS n FROM ${from}`, values);
  return rows[0]?.n ?? 0;
}

/** The only row of a query. */
export async function one<T extends object>(db: Database, text: string, values: unknown[] = []): Promise<T> {
  const rows = await db.query<T>(text, values);
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}: ${text}`);
  return row;
}

export async function accountVersion(db: Database, modelId: string): Promise<number> {
  const row = await one<{ version: number }>(db, 'SELECT version FROM accounts WHERE model_id = $1', [modelId]);
  return row.version;
}

/** A key of the run in the cache, parsed; null where there is none. */
export async function cached(run: TestRun, family: Family, ...ids: string[]): Promise<unknown> {
  const text = await run.resources.cacheRedis.get(run.resources.keys.key(family, ids));
  return text === null ? null : JSON.parse(text);
}

/** The entries of the run's trade stream, oldest first. */
export async function streamed(run: TestRun): Promise<Record<string, string>[]> {
  const entries = await run.resources.queueRedis.xrange(run.resources.keys.tradeStream(), '-', '+');
  return entries.map(([, fields]) =>
    Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []))),
  );
}
