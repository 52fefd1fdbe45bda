/** What a backup is: a folder with this description, and a file a table that holds its rows as Postgres' COPY writes them. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { CodedError, messageOf } from '../../errors.ts';
import { knownMigrations } from '../schema-engine.ts';
import { archivedFile, archiveFolder, digestOf } from './archive-files.ts';

export const MANIFEST = 'backup.json';

/** Names of ours; anything else in a description would end up in a statement. */
const name = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);

const partitionSchema = z.strictObject({
  name,
  bound: z.string().regex(/^FOR VALUES FROM \('?-?\d+'?\) TO \('?-?\d+'?\)$/),
  /** Storage parameters. */
  options: z.array(z.string().regex(/^[a-z_]+=[a-z0-9_.-]+$/i)),
});

const tableSchema = z.strictObject({
  name,
  columns: z.array(name).min(1),
  rows: z.int().min(0),
  /** Of the file `<name>.copy.gz`. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Those of a partitioned table; they are made before its rows are. */
  partitions: z.array(partitionSchema),
});

const manifestSchema = z.strictObject({
  format: z.literal(1),
  run: z.string(),
  /** Wall time, ISO 8601: everything that was committed before it is in the backup. */
  takenAt: z.string(),
  migrations: z.array(z.string()).min(1),
  tables: z.array(tableSchema).min(1),
  /** Value null: nothing has been drawn yet. */
  sequences: z.array(z.strictObject({ name, value: z.int().nullable() })),
  /** Files of rows that have left the tables, in the folder `archive` of the backup. */
  archived: z.array(archivedFile).default([]),
  /** Names of those that were lost or damaged when the backup was made. */
  archivedMissing: z.array(z.string()).default([]),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type BackupTable = z.infer<typeof tableSchema>;

export const fileOf = (dir: string, table: string): string => path.join(dir, `${table}.copy.gz`);

/**
 * The description of a backup, after every file of it was read and compared with its digest: nothing is touched for a damaged one.
 *
 * @throws NOF0_BACKUP_INVALID
 */
export async function readBackup(dir: string): Promise<Manifest> {
  const manifest = await readManifest(dir);
  const known = await knownMigrations();
  const strange = manifest.migrations.filter((migration) => !known.includes(migration));
  if (strange.length > 0)
    throw invalid(`it was made by a newer version, with ${strange.join(', ')}; restore it with that version`);
  for (const table of manifest.tables) {
    await compare(fileOf(dir, table.name), table.sha256);
  }
  for (const { file, sha256 } of manifest.archived) await compare(path.join(archiveFolder(dir), file), sha256);
  return manifest;
}

async function readManifest(dir: string): Promise<Manifest> {
  const file = path.join(dir, MANIFEST);
  try {
    return manifestSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    throw invalid(`${file}: ${messageOf(error)}`);
  }
}

async function compare(file: string, sha256: string): Promise<void> {
  const digest = await digestOf(file);
  if (digest === null) throw invalid(`${path.basename(file)} cannot be read`);
  if (digest !== sha256) throw invalid(`${path.basename(file)} is damaged: its digest differs`);
}

function invalid(reason: string): CodedError {
  return new CodedError('NOF0_BACKUP_INVALID', `this backup cannot be restored: ${reason}`);
}
