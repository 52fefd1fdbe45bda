/** Brings a database to this version's schema, once, whoever asks at the same time. */

import pg from 'pg';
import { applyMigrations, knownMigrations } from './schema-engine.ts';

/** Held while tables are changed; a backup shares it, so that they keep still. */
export const MIGRATE_LOCK = 'nof0_migrate';

/**
 * Applies what is missing, or of that only what is named. Returns the names of the applied migrations; none when the database was up
 * to date.
 */
export async function migrate(databaseUrl: string, only?: readonly string[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [MIGRATE_LOCK]);
    const missing = await pendingMigrations(client);
    return missing.length === 0 ? [] : await applyMigrations(databaseUrl, only);
  } finally {
    // The lock ends with the session.
    await client.end();
  }
}

/** Names of the migrations that the database does not have. Needs no schema engine, so that every start can ask. */
export async function pendingMigrations(client: {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}): Promise<string[]> {
  const known = await knownMigrations();
  const table = await client.query(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`);
  if (table.rows[0]?.there !== true) return known;
  const applied = await client.query(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  const names = new Set(applied.rows.map((row) => row.name));
  return known.filter((name) => !names.has(name));
}
