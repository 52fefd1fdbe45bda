/** What a backup is: a folder with this description, and a file a table that holds its rows as Postgres' COPY writes them. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { CodedError, messageOf } from '../../errors.ts';
import { knownMigrations } from '../schema-engine.ts';

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
    const digest = await digestOf(fileOf(dir, table.name)).catch((error: unknown) => {
      throw invalid(messageOf(error));
    });
    if (digest !== table.sha256) throw invalid(`${table.name}.copy.gz is damaged: its digest differs`);
  }
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

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function invalid(reason: string): CodedError {
  return new CodedError('NOF0_BACKUP_INVALID', `this backup cannot be restored: ${reason}`);
}
