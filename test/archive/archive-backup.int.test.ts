/** Archived rows in a backup: whichever way they are gone from here, they come back from there. */

import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ArchiveNeeds, archiveDue, restoreArchive } from '../../src/archive/archive.ts';
import { listArchives } from '../../src/store/archives.ts';
import { archiveFolder, bringArchived } from '../../src/store/backup/archive-files.ts';
import { dump } from '../../src/store/backup/dump.ts';
import { load } from '../../src/store/backup/load.ts';
import { readBackup } from '../../src/store/backup/manifest.ts';
import { Database } from '../../src/store/database.ts';
import { type Arena, arenaConfig, never, openTestArena } from '../engine/arena.ts';
import { createEmptyDatabase } from '../store/databases.ts';
import { tempDir } from '../temp-dir.ts';
import { NOW, retentionOf } from './days.ts';
import { addCycles, addMarket, rowsOf } from './stage.ts';

let arena: Arena;
let dir: string;
let needs: ArchiveNeeds;
let before: Record<string, unknown[]>;

beforeEach(async () => {
  dir = await tempDir('nof0-archive-backup-');
  arena = await openTestArena(arenaConfig({ history: '30m' }));
  const { logger, metrics } = arena.stories;
  needs = { db: arena.db, dir: path.join(dir, 'archive'), logger, metrics, retention: retentionOf(90) };
  await addMarket(arena);
  await addCycles(arena);
  before = await rowsOf(arena.db);
  await archiveDue(needs, NOW, never);
});
afterEach(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

const backUp = (name: string, earlier?: string) =>
  dump({
    ...{ databaseUrl: arena.run.servers.databaseUrl, run: 'test', dir: path.join(dir, name) },
    ...{ archiveDir: needs.dir, earlier: earlier === undefined ? undefined : path.join(dir, earlier) },
  });
const inode = async (...parts: string[]) => (await stat(path.join(dir, ...parts))).ino;

describe('a backup of a run with archived rows', () => {
  it('brings back database and files, and from them every row as it was', async () => {
    const manifest = await backUp('one');
    expect(manifest).toMatchObject({ archived: { length: 8 }, archivedMissing: [] });
    await rm(needs.dir, { recursive: true });
    const other = await createEmptyDatabase();
    const db = new Database(other.url, { max: 2, applicationName: 'test', onError: () => {} });
    try {
      await load(other.url, path.join(dir, 'one'), await readBackup(path.join(dir, 'one')));
      const elsewhere = { ...needs, db, dir: path.join(dir, 'elsewhere') };
      expect(await bringArchived(manifest.archived, path.join(dir, 'one'), elsewhere.dir)).toBe(8);
      expect(await bringArchived(manifest.archived, path.join(dir, 'one'), elsewhere.dir)).toBe(0);
      for (const { id } of await listArchives(db)) await restoreArchive(elsewhere, id);
      expect(await rowsOf(db)).toEqual(before);
    } finally {
      await db.close();
      await other.drop();
    }
  });

  it('shares the files with the backup before it, as long as they are whole there', async () => {
    const [first, second] = (await backUp('one')).archived;
    if (first === undefined || second === undefined) throw new Error('nothing was archived');
    await backUp('two', 'one');
    expect(await inode('two', 'archive', first.file)).toBe(await inode('one', 'archive', first.file));
    await rm(path.join(dir, 'one', 'archive', first.file));
    await writeFile(path.join(dir, 'one', 'archive', first.file), 'damaged');
    await backUp('three', 'one');
    expect(await inode('three', 'archive', first.file)).not.toBe(await inode('one', 'archive', first.file));
    expect(await inode('three', 'archive', second.file)).toBe(await inode('one', 'archive', second.file));
    await expect(readBackup(path.join(dir, 'one'))).rejects.toMatchObject({ code: 'NOF0_BACKUP_INVALID' });
    await readBackup(path.join(dir, 'three'));
  });

  it('names files that are lost or damaged, and holds all others', async () => {
    const [lost = '', damaged = ''] = (await readdir(needs.dir)).sort();
    await rm(path.join(needs.dir, lost));
    await writeFile(path.join(needs.dir, damaged), 'damaged');
    const manifest = await backUp('one');
    expect(manifest.archivedMissing).toEqual([lost, damaged]);
    expect((await readdir(archiveFolder(path.join(dir, 'one')))).sort()).toEqual(
      manifest.archived.map(({ file }) => file),
    );
    expect(await readBackup(path.join(dir, 'one'))).toEqual(manifest);
  });

  it('does not miss a file whose rows are still in the tables', async () => {
    const [frames] = (await listArchives(arena.db)).filter(({ kind }) => kind === 'frames');
    await arena.db.query(`UPDATE archives SET state = 'written', removed_at = NULL WHERE id = $1`, [frames?.id]);
    await rm(path.join(needs.dir, frames?.file ?? ''));
    expect(await backUp('one')).toMatchObject({ archived: { length: 7 }, archivedMissing: [] });
  });
});
