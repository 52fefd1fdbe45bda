import { readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ArchiveNeeds, archiveDue, restoreArchive } from '../../src/archive/archive.ts';
import { computeModelAnalytics } from '../../src/engine/compute-analytics.ts';
import { ingestPushed } from '../../src/engine/ingest-prices.ts';
import { recomputeModel } from '../../src/engine/recompute-analytics.ts';
import { TASKS } from '../../src/maintenance/tasks.ts';
import { listArchives, releaseArchive, removeArchived } from '../../src/store/archives.ts';
import { observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { type Arena, arenaConfig, count, never, one, openTestArena, tick } from '../engine/arena.ts';
import { runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { DAY, DAY_MS, NOW, retentionOf } from './days.ts';
import { addCycles, addMarket, rowsOf } from './stage.ts';

let arena: Arena;
let dir: string;
let needs: ArchiveNeeds;

beforeEach(async () => {
  dir = await tempDir('nof0-archive-');
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  const { logger, metrics } = arena.stories;
  needs = { db: arena.db, dir, logger, metrics, retention: retentionOf(90) };
});
afterEach(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

const archive = () => archiveDue(needs, NOW, never);
const files = async () => (await readdir(dir)).sort();

describe('days that are old enough', () => {
  it('leave the tables for files, each once, and come back as they were', async () => {
    await addMarket(arena);
    await addCycles(arena);
    const before = await rowsOf(arena.db);
    expect(await archive()).toEqual({ days: 8, rows: 2 * (50 + 1 + 1) + 2 * 4 * 2 + 2 * 4 * 2, complete: true });
    expect(await files()).toHaveLength(8);
    expect(await count(arena.db, 'price_ticks')).toBe(50);
    expect(await count(arena.db, 'decision_cycles')).toBe(4);
    expect(await count(arena.db, 'conversation_messages')).toBe(8);
    expect(await count(arena.db, `pg_class WHERE relname IN ('price_ticks_20250601', 'price_ticks_20250602')`)).toBe(0);
    expect(await archive()).toEqual({ days: 0, rows: 0, complete: true });
    for (const { id } of await listArchives(arena.db)) await restoreArchive(needs, id);
    expect(await rowsOf(arena.db)).toEqual(before);
    // What came back stays until it is released, and then leaves without a second file.
    expect(await archive()).toMatchObject({ days: 0 });
    for (const { id } of await listArchives(arena.db)) expect(await releaseArchive(arena.db, id)).toBe(true);
    expect(await archive()).toMatchObject({ days: 8 });
    expect(await files()).toHaveLength(8);
    expect(await count(arena.db, 'decision_cycles')).toBe(4);
  });

  it('change no analytics when their cycles leave and when they come back', async () => {
    await addCycles(arena);
    const agrees = async () => {
      await computeModelAnalytics(arena.stories, 'holder', DAY + 3 * DAY_MS);
      const checked = await recomputeModel(arena.db, 'synthetic', 'holder', DAY + 3 * DAY_MS);
      expect(checked?.differences).toEqual([]);
      return one(arena.db, `SELECT payload FROM model_analytics WHERE model_id = 'holder'`);
    };
    const before = await agrees();
    expect(await archive()).toMatchObject({ days: 2 });
    expect(await agrees()).toEqual(before);
    for (const { id } of await listArchives(arena.db)) await restoreArchive(needs, id);
    expect(await count(arena.db, 'analytics_pending')).toBe(0);
    expect(await agrees()).toEqual(before);
  });

  it('keep the newest cycle of every model, cycles that are not counted yet and ticks that are not matched yet', async () => {
    await addMarket(arena);
    await addCycles(arena);
    await arena.db.query(`DELETE FROM decision_cycles WHERE slot_ms > $1`, [DAY + DAY_MS]);
    await arena.db.query(
      `INSERT INTO analytics_pending (model_id, kind, item) SELECT model_id, 'cycle', id::text FROM decision_cycles WHERE model_id = 'twin' AND slot_ms = $1`,
      [DAY],
    );
    await arena.db.query('UPDATE paper_cursor SET seq = 0');
    await archive();
    expect(
      await arena.db.query(
        'SELECT model_id AS id, (slot_ms - $1::bigint) / 43200000 AS n FROM decision_cycles ORDER BY 1, 2',
        [DAY],
      ),
    ).toEqual([
      { id: 'holder', n: 2 },
      { id: 'twin', n: 0 },
      { id: 'twin', n: 2 },
    ]);
    expect(await count(arena.db, 'price_ticks')).toBe(150);
  });

  it('without rows get no file', async () => {
    await addMarket(arena);
    await arena.db.query('DELETE FROM price_ticks WHERE ts_ms < $1', [DAY + DAY_MS]);
    expect(await archive()).toMatchObject({ days: 5, complete: true });
    expect(await count(arena.db, `pg_class WHERE relname = 'price_ticks_20250601'`)).toBe(0);
    expect(await files()).toHaveLength(5);
  });

  it('to which a late tick comes afterwards get a second file, and the tick is taken in all the same', async () => {
    await addMarket(arena);
    await archive();
    const batch = { ticks: [tick('BTC', DAY + 999, 5)], candles: [], contexts: [], fundings: [], watermarkMs: 0 };
    await ingestPushed(arena.stories, batch, NOW, never);
    expect(await archive()).toMatchObject({ days: 1, rows: 1 });
    const parts = (await listArchives(arena.db)).filter(({ kind, fromMs }) => kind === 'ticks' && fromMs === DAY);
    expect(parts.map(({ part, tables }) => [part, tables.price_ticks?.rows])).toEqual([
      [1, 50],
      [2, 1],
    ]);
  });
});

describe('the tasks', () => {
  it('make partitions ahead in market time, and archive into the folder of the run', async () => {
    await addMarket(arena);
    const { resources } = arena.run;
    const made = () => TASKS['make-partitions'](resources, never, arena.stories, NOW);
    expect(await made()).toMatchObject({ note: { made: 4 } });
    expect(await made()).toMatchObject({ note: { made: 0 } });
    const withDir = { ...resources, archiveDir: dir };
    expect(await TASKS.archive(withDir, never, arena.stories, NOW)).toMatchObject({ note: { complete: true } });
    expect(await count(arena.db, 'price_ticks')).toBe(0);
    // 30 days for ticks and contexts, 90 for frames.
    expect((await listArchives(arena.db)).map(({ kind }) => kind)).toEqual([
      ...Array(3).fill('contexts'),
      ...Array(2).fill('frames'),
      ...Array(3).fill('ticks'),
    ]);
    expect(await TASKS.archive(resources, never, arena.stories, NOW)).toMatchObject({ kind: 'skipped' });
  });

  it('have their command: list, run, restore, release', async () => {
    await addMarket(arena);
    const { servers } = arena.run;
    const env = {
      ...{
        NOF0_DATA_DIR: dir,
        NOF0_REDIS_PREFIX: arena.run.prefix,
        DATABASE_URL: servers.databaseUrl,
        NOF0_RUN: 'main',
      },
      ...{ REDIS_QUEUE_URL: servers.queueRedisUrl, REDIS_CACHE_URL: servers.cacheRedisUrl, NOF0_LOG_LEVEL: 'fatal' },
    };
    const nof0 = (...args: string[]) => runNof0(['archive', ...args], env);
    expect(await nof0('run')).toMatchObject({ code: 0, output: expect.stringContaining('9 days archived, 156 rows') });
    const frames = (await listArchives(arena.db)).find(({ kind }) => kind === 'frames');
    const id = String(frames?.id);
    expect((await nof0('list')).output).toMatch(new RegExp(`${id} +frames +2025-06-01 +removed +1 `));
    expect((await nof0('restore', id)).output).toContain(`archive ${id}: 1 rows came back`);
    expect(await nof0('release', id)).toMatchObject({ code: 0 });
    expect(await nof0('release', id)).toMatchObject({ code: 1, output: expect.stringContaining('is not restored') });
  });
});

describe('whatever ends the process', () => {
  /** Every place that one whole run passes, as often as it passes it. */
  async function boundaries(): Promise<string[]> {
    const passed: string[] = [];
    const stop = observeBoundaries(({ what, side }) => passed.push(`${side} ${what}`));
    await archive();
    stop();
    return passed;
  }

  it('between any two steps, nothing is lost and nothing is archived twice', async () => {
    await addMarket(arena);
    await addCycles(arena);
    // One day of every kind.
    needs = { ...needs, retention: retentionOf(91) };
    const before = await rowsOf(arena.db);
    const places = await boundaries();
    expect(places.length).toBeGreaterThan(30);
    for (const { id } of await listArchives(arena.db)) await restoreArchive(needs, id);
    for (let place = 0; place < places.length; place++) {
      await arena.db.query('TRUNCATE archives');
      await rm(dir, { recursive: true, force: true });
      let passed = 0;
      const stop = observeBoundaries(() => {
        if (passed++ === place) throw new Error('killed');
      });
      await archive().catch(() => {});
      stop();
      await archive();
      const archives = await listArchives(arena.db);
      expect(archives.map(({ kind, fromMs, part, state }) => [kind, fromMs, part, state])).toEqual(
        ['contexts', 'decisions', 'frames', 'ticks'].map((kind) => [kind, DAY, 1, 'removed']),
      );
      // What the killed one may have left is gone a day later, and nothing else is.
      const past = new Date(Date.now() - 2 * DAY_MS);
      for (const file of await files()) await utimes(path.join(dir, file), past, past);
      await archive();
      expect(await files()).toEqual(archives.map(({ file }) => file).sort());
      for (const { id } of archives) await restoreArchive(needs, id);
      expect(await rowsOf(arena.db)).toEqual(before);
    }
  });

  it('two that run at the same time archive every day once', async () => {
    await addMarket(arena);
    await addCycles(arena);
    const before = await rowsOf(arena.db);
    await Promise.allSettled([archive(), archive(), archive()]);
    await archive();
    const archives = await listArchives(arena.db);
    expect(archives.map(({ part, state }) => `${part} ${state}`)).toEqual(Array(8).fill('1 removed'));
    for (const { id } of archives) await restoreArchive(needs, id);
    expect(await rowsOf(arena.db)).toEqual(before);
  });
});

describe('rows are removed only when their file holds them', () => {
  it('a file that is gone, cut short or another one is written again before anything is removed', async () => {
    await addMarket(arena);
    const [first] = await boundToWrite();
    expect(first?.state).toBe('written');
    let file = path.join(dir, first?.file ?? '');
    for (const spoil of [() => rm(file), () => truncate(file, 40), () => writeFile(file, 'something else')]) {
      await spoil();
      await expect(archive()).rejects.toMatchObject({ code: 'NOF0_ARCHIVE_BROKEN' });
      expect(await count(arena.db, 'price_ticks')).toBe(150);
      const [next] = await boundToWrite();
      file = path.join(dir, next?.file ?? '');
    }
    expect(await archive()).toMatchObject({ days: 6, complete: true });
    await restoreAll();
    expect(await count(arena.db, 'price_ticks')).toBe(150);
  });

  it('rows that came or changed since they were written are not removed with it', async () => {
    await addMarket(arena);
    const [first] = await boundToWrite();
    await ingestPushed(
      arena.stories,
      { ticks: [tick('BTC', DAY + 999, 5)], candles: [], contexts: [], fundings: [], watermarkMs: 0 },
      NOW,
      never,
    );
    if (first === undefined) throw new Error('nothing was written');
    expect(await removeArchived(arena.db, first, first.tables)).toBe('differs');
    expect(await count(arena.db, 'price_ticks')).toBe(151);
    await expect(archive()).rejects.toMatchObject({ code: 'NOF0_ARCHIVE_BROKEN' });
    expect(await archive()).toMatchObject({ complete: true });
    await restoreAll();
    expect(await count(arena.db, 'price_ticks')).toBe(151);
  });

  it('a broken file is not restored, and restored rows that were changed are not removed for it', async () => {
    await addMarket(arena);
    await archive();
    const [frames] = (await listArchives(arena.db)).filter(({ kind }) => kind === 'frames');
    if (frames === undefined) throw new Error('no frames were archived');
    await restoreArchive(needs, frames.id);
    await expect(restoreArchive(needs, frames.id)).rejects.toMatchObject({ code: 'NOF0_INPUT_INVALID' });
    await arena.db.query(`UPDATE market_frames SET digest = 'changed' WHERE slot_ms = $1`, [DAY]);
    await releaseArchive(arena.db, frames.id);
    await expect(archive()).rejects.toMatchObject({ code: 'NOF0_ARCHIVE_DIFFERS' });
    expect(await count(arena.db, 'market_frames')).toBe(2);
    const [ticks] = (await listArchives(arena.db)).filter(({ kind }) => kind === 'ticks');
    await truncate(path.join(dir, ticks?.file ?? ''), 40);
    await expect(restoreArchive(needs, ticks?.id ?? 0)).rejects.toMatchObject({ code: 'NOF0_ARCHIVE_BROKEN' });
  });

  /** Runs until the first file is listed, and is killed there. */
  async function boundToWrite() {
    const stop = observeBoundaries(({ what, side }) => {
      if (what === 'commit +archives' && side === 'after') throw new Error('killed');
    });
    await expect(archive()).rejects.toThrow('killed');
    stop();
    return listArchives(arena.db);
  }

  async function restoreAll(): Promise<void> {
    for (const { id } of await listArchives(arena.db)) await restoreArchive(needs, id);
  }
});
