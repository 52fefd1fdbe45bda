/** A commit as a story makes it: seven statements of one transaction, on tables of the benchmark's own. */

import type { Database } from '../src/store/database.ts';

export async function createWorkTables(db: Database): Promise<void> {
  await db.query('CREATE TABLE bench_accounts (id text PRIMARY KEY, cash float8 NOT NULL, version bigint NOT NULL)');
  await db.query(
    'CREATE TABLE bench_entries (id bigserial PRIMARY KEY, owner text NOT NULL, slot bigint NOT NULL, amount float8 NOT NULL)',
  );
  await db.query('CREATE INDEX bench_entries_owner ON bench_entries (owner, slot)');
}

/** Takes an own account, books three entries on it, sums them up, stores the sum and reads it back. */
export function sevenStatements(db: Database, { modelId, slotMs }: { modelId: string; slotMs: number }): Promise<void> {
  const owner = `${modelId}:${slotMs}`;
  return db.transaction(async (tx) => {
    await tx.query('INSERT INTO bench_accounts (id, cash, version) VALUES ($1, 1000, 0) ON CONFLICT DO NOTHING', [
      owner,
    ]);
    for (const amount of [1, -2, 3])
      await tx.query('INSERT INTO bench_entries (owner, slot, amount) VALUES ($1, $2, $3)', [owner, slotMs, amount]);
    const [sum] = await tx.query<{ total: number }>('SELECT sum(amount) AS total FROM bench_entries WHERE owner = $1', [
      owner,
    ]);
    await tx.query('UPDATE bench_accounts SET cash = cash + $2, version = version + 1 WHERE id = $1', [
      owner,
      sum?.total ?? 0,
    ]);
    await tx.query('SELECT cash, version FROM bench_accounts WHERE id = $1', [owner]);
  });
}
