/** Files of rows that have left the tables, in a backup and back from it. Their names are given once, and none is ever written again. */

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { z } from 'zod';

export const archivedFile = z.strictObject({
  /** Named as the archive names its files: nothing else may end up in a path. */
  file: z.string().regex(/^[a-z]+-\d{4}-\d\d-\d\d-[0-9a-f]+\.jsonl\.gz$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ArchivedFile = z.infer<typeof archivedFile>;

/** What a backup says of them. */
export type SavedFiles = {
  readonly archived: ArchivedFile[];
  /** Names of those that were lost or damaged, and whose rows are nowhere else. */
  readonly archivedMissing: string[];
};

/** Where they lie in a backup. */
export const archiveFolder = (backup: string): string => path.join(backup, 'archive');

/** A file on the list; `needed`: its rows are, or once were, nowhere else. Of any other one the rows are in the tables. */
type Listed = ArchivedFile & { readonly needed: boolean };

/** The files that belong to the rows of this snapshot. */
export async function listArchived(client: pg.Client): Promise<Listed[]> {
  const there = await client.query<{ is: boolean }>(`SELECT to_regclass('archives') IS NOT NULL AS is`);
  if (there.rows[0]?.is !== true) return [];
  const { rows } = await client.query<Listed>(
    `SELECT file, sha256, state <> 'written' OR removed_at IS NOT NULL AS needed FROM archives ORDER BY file`,
  );
  return rows;
}

export type ArchiveSource = {
  /** Folder of the run's archive. */
  readonly archiveDir: string;
  /** A backup that may have most of the files already: they are shared with it, where the file system can. */
  readonly earlier?: string | undefined;
};

/** Puts files into a backup. */
export async function saveArchived(
  listed: readonly Listed[],
  backup: string,
  { archiveDir, earlier }: ArchiveSource,
): Promise<SavedFiles> {
  const dir = archiveFolder(backup);
  if (listed.length > 0) await mkdir(dir, { mode: 0o700 });
  const [archived, archivedMissing]: [ArchivedFile[], string[]] = [[], []];
  for (const { file, sha256, needed } of listed) {
    const to = path.join(dir, file);
    const shared = earlier !== undefined && (await share(path.join(archiveFolder(earlier), file), to, sha256));
    if (shared || (await copy(path.join(archiveDir, file), to, sha256))) archived.push({ file, sha256 });
    else if (needed) archivedMissing.push(file);
  }
  return { archived, archivedMissing };
}

/**
 * Brings the files of a backup into the folder of a run. One that is there as it should be is left alone. Until the rows that list them are
 * there too they are leftovers like those of a process that died.
 */
export async function bringArchived(archived: readonly ArchivedFile[], backup: string, dir: string): Promise<number> {
  if (archived.length > 0) await mkdir(dir, { recursive: true });
  let brought = 0;
  for (const { file, sha256 } of archived) {
    const to = path.join(dir, file);
    if ((await digestOf(to)) === sha256) continue;
    const draft = path.join(dir, `.${file}.tmp`);
    await rm(draft, { force: true });
    if (!(await copy(path.join(archiveFolder(backup), file), draft, sha256)))
      throw new Error(`${file} of the backup was changed while it was read`);
    await rename(draft, to);
    brought += 1;
  }
  if (brought > 0) await sync(dir);
  return brought;
}

/** SHA-256 of a file; null: it cannot be read. */
export async function digestOf(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } catch {
    return null;
  }
}

/** Another name for a file of an earlier backup, if it is still what it should be. False: it has to be copied. */
async function share(from: string, to: string, sha256: string): Promise<boolean> {
  if ((await digestOf(from)) !== sha256) return false;
  // A file system without such names says so in several ways: then the file is copied.
  return link(from, to).then(
    () => true,
    () => false,
  );
}

/** False, and nothing is left behind, when the file cannot be read or is not what it should be. */
async function copy(from: string, to: string, sha256: string): Promise<boolean> {
  const source = await open(from, 'r').catch(() => null);
  if (source === null) return false;
  const hash = createHash('sha256');
  const digest = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      next(null, chunk);
    },
  });
  await pipeline(source.createReadStream(), digest, createWriteStream(to, { flush: true, mode: 0o640 }));
  if (hash.digest('hex') === sha256) return true;
  await rm(to, { force: true });
  return false;
}

async function sync(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
