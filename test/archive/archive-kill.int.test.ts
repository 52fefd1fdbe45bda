/** A process that archives is killed (SIGKILL) at every place that it passes, one after the other; the next one goes on. */

import { readdir, readFile, rm, utimes } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ArchiveNeeds, archiveDue, restoreArchive } from '../../src/archive/archive.ts';
import { listArchives } from '../../src/store/archives.ts';
import { type Arena, arenaConfig, never, openTestArena } from '../engine/arena.ts';
import { script } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { DAY, DAY_MS, NOW, retentionOf } from './days.ts';
import { addCycles, addMarket, rowsOf } from './stage.ts';

let arena: Arena;
let dir: string;
let needs: ArchiveNeeds;
let before: Record<string, unknown[]>;

beforeAll(async () => {
  dir = await tempDir('nof0-archive-kill-');
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  const { logger, metrics } = arena.stories;
  needs = { db: arena.db, dir, logger, metrics, retention: retentionOf(91) };
  await addMarket(arena);
  await addCycles(arena);
  before = await rowsOf(arena.db);
});
afterAll(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

/** Ends as it was told: by itself, or killed. */
async function archiveInProcess(place: string): Promise<{ ended: number | string; passed: string[] }> {
  const child = script('test/archive/child.ts', { url: arena.run.servers.databaseUrl, dir, place });
  const ended = await child.ended;
  return { ended, passed: child.answer().trim().split('\n') };
}

/** The rows as they were, and no files. */
async function reset(): Promise<void> {
  for (const { id } of await listArchives(arena.db)) await restoreArchive(needs, id);
  expect(await rowsOf(arena.db)).toEqual(before);
  await arena.db.query('TRUNCATE archives');
  await rm(dir, { recursive: true, force: true });
}

/** All rows there are, in the tables or in a file whose rows have been removed: each exactly once. */
async function expectEachOnce(): Promise<void> {
  const there = await rowsOf(arena.db);
  const inFiles: Record<string, number> = {};
  for (const { state, tables } of await listArchives(arena.db))
    if (state === 'removed')
      for (const [table, { rows }] of Object.entries(tables)) inFiles[table] = (inFiles[table] ?? 0) + rows;
  for (const [table, all] of Object.entries(before))
    expect((there[table]?.length ?? 0) + (inFiles[table] ?? 0), table).toBe(all.length);
}

it('leaves every row in its table or in a file, wherever it is killed, and the next process ends the work', async () => {
  const whole = await archiveInProcess('');
  expect(whole.ended).toBe(0);
  const places = whole.passed;
  // Rows into the draft, the draft to the disk, its name, the folder, the list, the look back, the rows out of the table.
  for (const step of [
    ...['after write archive rows', 'before sync archive file', 'after sync archive file'],
    ...['before name archive file', 'after name archive file', 'after sync archive folder'],
    ...['before commit +archives', 'after commit +archives', 'before read archive', 'after read archive'],
    ...['before drop partition', 'after drop partition', 'before delete decision_cycles', 'after commit ~archives'],
  ])
    expect(places).toContain(step);
  await reset();
  for (let place = 0; place < places.length; place++) {
    const killed = await archiveInProcess(String(place));
    expect([place, killed.ended]).toEqual([place, 'SIGKILL']);
    expect(killed.passed).toEqual(places.slice(0, place + 1));
    await expectEachOnce();
    await archiveDue(needs, NOW, never);
    const archives = await listArchives(arena.db);
    expect(archives.map(({ kind, fromMs, part, state }) => [kind, fromMs, part, state])).toEqual(
      ['contexts', 'decisions', 'frames', 'ticks'].map((kind) => [kind, DAY, 1, 'removed']),
    );
    await expectEachOnce();
    // What the killed one left behind, half a file perhaps, is gone a day later.
    const past = new Date(Date.now() - 2 * DAY_MS);
    for (const file of await readdir(dir)) await utimes(path.join(dir, file), past, past);
    await archiveDue(needs, NOW, never);
    expect((await readdir(dir)).sort()).toEqual(archives.map(({ file }) => file).sort());
    for (const { file, bytes } of archives) expect(await readFile(path.join(dir, file))).toHaveLength(bytes);
    await reset();
  }
}, 600_000);
