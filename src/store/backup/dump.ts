/** Writes the rows of a whole database into a folder, as they stood at one moment, while everybody goes on working. */

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pg from 'pg';
import { to } from 'pg-copy-streams';
import { MIGRATE_LOCK } from '../migrate.ts';
import { type ArchiveSource, listArchived, type SavedFiles, saveArchived } from './archive-files.ts';
import { type BackupTable, fileOf, MANIFEST, type Manifest } from './manifest.ts';

/** The tables of the run: all that are there, but for the list of migrations, which restoring writes itself. */
const TABLES = `
  SELECT c.oid::int AS oid, c.relname AS name,
         (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
  FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_prisma_migrations'
  ORDER BY c.relname`;
const PARTITIONS = `
  SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, coalesce(c.reloptions, '{}') AS options
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1 ORDER BY c.relname`;
const SEQUENCES = `SELECT sequencename AS name, last_value AS value FROM pg_sequences WHERE schemaname = 'public' ORDER BY sequencename`;

export type DumpOptions = ArchiveSource & {
  readonly databaseUrl: string;
  readonly run: string;
  /** The folder of the backup; it appears whole or not at all. */
  readonly dir: string;
  /** Waited for. */
  readonly onTable?: (name: string, rows: number, done: number, total: number) => void | Promise<void>;
};

/** Makes a backup. One snapshot for all tables: what was committed while it ran is in all of them or in none. */
export async function dump(options: DumpOptions): Promise<Manifest> {
  const draft = `${options.dir}.part`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  const client = new pg.Client({ connectionString: options.databaseUrl, application_name: 'nof0 backup' });
  await client.connect();
  try {
    // Nobody changes the tables meanwhile.
    await client.query('SELECT pg_advisory_lock_shared(hashtextextended($1, 0))', [MIGRATE_LOCK]);
    const [rows, listed] = await inSnapshot(client, async () => {
      const dumped = await dumpAll(client, draft, options);
      return [dumped, await listArchived(client)] as const;
    });
    // A file that goes meanwhile was never finished: its rows are in the tables.
    const manifest: Manifest = { ...rows, ...(await saveArchived(listed, draft, options)) };
    await writeFile(path.join(draft, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
    await rename(draft, options.dir);
    return manifest;
  } finally {
    await client.end();
    await rm(draft, { recursive: true, force: true });
  }
}

async function inSnapshot<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query(
    `BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL datestyle TO 'ISO'; SET LOCAL timezone TO 'UTC'`,
  );
  const result = await work();
  await client.query('COMMIT');
  return result;
}

type Rows = Omit<Manifest, keyof SavedFiles>;

async function dumpAll(client: pg.Client, dir: string, { run, onTable }: DumpOptions): Promise<Rows> {
  // The first statement takes the snapshot.
  const now = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const migrations = await client.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY name',
  );
  const found = await client.query<{ oid: number; name: string; columns: string[] }>(TABLES);
  const tables: BackupTable[] = [];
  for (const { oid, name, columns } of found.rows) {
    const partitions = await client.query<BackupTable['partitions'][number]>(PARTITIONS, [oid]);
    const { rows, sha256 } = await dumpTable(client, fileOf(dir, name), name, columns);
    tables.push({ name, columns, rows, sha256, partitions: partitions.rows });
    await onTable?.(name, rows, tables.length, found.rows.length);
  }
  // Read last, and outside of the snapshot as sequences always are: so none is behind the rows.
  const sequences = await client.query<{ name: string; value: string | null }>(SEQUENCES);
  return {
    format: 1,
    run,
    takenAt: (now.rows[0]?.now ?? new Date()).toISOString(),
    migrations: migrations.rows.map((row) => row.name),
    tables,
    sequences: sequences.rows.map(({ name, value }) => ({ name, value: value === null ? null : Number(value) })),
  };
}

async function dumpTable(
  client: pg.Client,
  file: string,
  table: string,
  columns: readonly string[],
): Promise<{ rows: number; sha256: string }> {
  const list = columns.map((column) => client.escapeIdentifier(column)).join(', ');
  const copy = client.query(to(`COPY (SELECT ${list} FROM ${client.escapeIdentifier(table)}) TO STDOUT`));
  const hash = createHash('sha256');
  const digest = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      next(null, chunk);
    },
  });
  await pipeline(copy, createGzip({ level: 4 }), digest, createWriteStream(file, { flush: true, mode: 0o600 }));
  return { rows: copy.rowCount, sha256: hash.digest('hex') };
}
