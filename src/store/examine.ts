/** What an operator's tool asks of a Postgres server, without changing anything there. */

import pg from 'pg';
import { surelyAheadMs } from '../domain/time.ts';
import { pendingMigrations } from './migrate.ts';

const TIMEOUT_MS = 5000;

export type PostgresFacts = {
  /** Such as 18.1. */
  readonly version: string;
  readonly majorVersion: number;
  /** Migrations of this version that the database does not have. */
  readonly pending: readonly string[];
  /** By how much its clock is ahead of this process', ms. */
  readonly clockAheadMs: number;
};

/** Throws what the driver throws when nobody answers, or when there is no such database. */
export async function examinePostgres(databaseUrl: string): Promise<PostgresFacts> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    application_name: 'nof0 doctor',
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const asked = Date.now();
    const { rows } = await client.query<{ version: string; number: number; nowMs: number }>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
              (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"`,
    );
    const answered = Date.now();
    const [row] = rows;
    return {
      version: row?.version ?? 'unknown',
      majorVersion: Math.floor((row?.number ?? 0) / 10_000),
      pending: await pendingMigrations(client),
      clockAheadMs: surelyAheadMs(row?.nowMs ?? answered, asked, answered),
    };
  } finally {
    await client.end().catch(() => {
      // It was never connected, or has gone: there is nothing left to end.
    });
  }
}
