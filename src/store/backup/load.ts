/** Fills a database of this version's making with the rows of a backup: all of them, or none. */

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { CodedError } from '../../errors.ts';
import { migrate } from '../migrate.ts';
import { type BackupTable, fileOf, type Manifest } from './manifest.ts';

/** The stream holds no more entries than this, see the trade stream. */
const STREAM_ENTRIES = 100_000;

/**
 * Makes the schema as it was when the backup was made, loads the rows, and brings schema and rows to this version.
 *
 * @throws NOF0_BACKUP_INVALID when a table does not have as many rows afterwards as it had
 */
export async function load(
  databaseUrl: string,
  dir: string,
  manifest: Manifest,
  onTable?: (name: string, rows: number) => void,
): Promise<void> {
  await migrate(databaseUrl, manifest.migrations);
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'nof0 restore' });
  await client.connect();
  try {
    await client.query('BEGIN');
    await loadAll(client, dir, manifest, onTable);
    await client.query('COMMIT');
    await migrate(databaseUrl);
    await republishTrades(client);
    // What people read, and what Postgres plans with.
    await client.query('SELECT refresh_views_nof0()');
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}

async function loadAll(
  client: pg.Client,
  dir: string,
  { tables, sequences }: Manifest,
  onTable?: (name: string, rows: number) => void,
): Promise<void> {
  const quoted = tables.map(({ name }) => client.escapeIdentifier(name));
  // Triggers note what is to be counted anew; here nothing is new.
  for (const table of quoted) await client.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  // Migrations may have put first rows in.
  await client.query(`TRUNCATE ${quoted.join(', ')}`);
  for (const table of tables) {
    await makePartitions(client, table);
    const rows = await loadTable(client, fileOf(dir, table.name), table);
    if (rows !== table.rows)
      throw new CodedError('NOF0_BACKUP_INVALID', `${table.name}: ${rows} rows were loaded, ${table.rows} expected`);
    onTable?.(table.name, rows);
  }
  for (const { name, value } of sequences)
    if (value !== null) await client.query('SELECT setval($1::regclass, $2)', [client.escapeIdentifier(name), value]);
  for (const table of quoted) await client.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
}

async function makePartitions(client: pg.Client, { name, partitions }: BackupTable): Promise<void> {
  for (const { name: partition, bound, options } of partitions)
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${client.escapeIdentifier(partition)} PARTITION OF ${client.escapeIdentifier(name)} ${bound}` +
        (options.length > 0 ? ` WITH (${options.join(', ')})` : ''),
    );
}

async function loadTable(client: pg.Client, file: string, { name, columns }: BackupTable): Promise<number> {
  const list = columns.map((column) => client.escapeIdentifier(column)).join(', ');
  const copy = client.query(from(`COPY ${client.escapeIdentifier(name)} (${list}) FROM STDIN`));
  await pipeline(createReadStream(file), createGunzip(), copy);
  return copy.rowCount;
}

/** The trade stream lives in Redis alone: every trade's newest revision is promised to it again, in place of what had been promised. */
async function republishTrades(client: pg.Client): Promise<void> {
  await client.query(
    `WITH promised AS (DELETE FROM effects WHERE kind = 'stream')
     INSERT INTO effects (kind, target, ordinal, payload, created_at)
     SELECT 'stream', model_id, row_number() OVER (PARTITION BY model_id ORDER BY exit_ts_ms, id),
       CASE WHEN voided_at IS NOT NULL
         THEN jsonb_build_object('event', 'trade.voided', 'id', id, 'revision', revision, 'model_id', model_id, 'symbol', symbol)
         ELSE jsonb_build_object('event', CASE WHEN revision > 0 THEN 'trade.revised' ELSE 'trade' END, 'id', id, 'revision', revision,
           'model_id', model_id, 'symbol', symbol, 'side', side, 'quantity', quantity, 'entry_price', entry_price,
           'exit_price', exit_price, 'pnl', realized_net_pnl, 'exit_reason', exit_reason, 'ts_ms', exit_ts_ms) END,
       clock_timestamp() - interval '1 minute'
     FROM (SELECT * FROM trades WHERE exit_reason <> 'import' ORDER BY exit_ts_ms DESC, id LIMIT $1) newest`,
    [STREAM_ENTRIES],
  );
}
