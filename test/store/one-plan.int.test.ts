import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Queryable } from '../../src/store/database.ts';
import { promisesOfAll, settleEffects } from '../../src/store/effects.ts';
import { ledgerTails } from '../../src/store/ledger.ts';
import { fillsAfter } from '../../src/store/paper-books.ts';
import { settleAndFire } from '../../src/store/schedules.ts';
import { snapshotBases } from '../../src/store/snapshots.ts';
import { createRun, type TestRun } from '../harness.ts';

/** Postgres looks at the values of the first five calls before it thinks of one plan for all. */
const CALLS = 10;
const ROWS = 20_000;

let run: TestRun;
let client: pg.Client;
let name = '';
/** One connection, the statements of each test under its name. */
const db: Queryable = {
  async query<T extends object>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await client.query({ name, text, values })).rows as T[];
  },
};

beforeAll(async () => {
  run = await createRun();
  client = new pg.Client({ connectionString: run.servers.databaseUrl });
  await client.connect();
  await client.query(
    `INSERT INTO effects (kind, target) SELECT 'enqueue', 'job_' || i FROM generate_series(1, ${ROWS}) AS i`,
  );
  await client.query('ANALYZE');
});

afterAll(async () => {
  await client.end();
  await run.close();
});

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  settles: () => settleEffects(db, [{ target: 'snapshot_m_1', ids: null }]),
  'settles and fires': () => settleAndFire(db, [{ target: 'snapshot_m_1', ids: null }], null),
  'asks what is promised': () => promisesOfAll(db, ['snapshot_m_1']),
  'reads new fills': () => fillsAfter(db, [{ account: 'm', seq: 1 }]),
  'reads tails of a ledger': () => ledgerTails(db, 'm', 'synthetic', [{ symbol: 'BTC', earliestMs: 1 }]),
  'reads what snapshots are made of': () => snapshotBases(db, 'synthetic', ['m']),
};

describe('a statement of every slot is planned once, not for every call: the one that', () => {
  it.each(Object.entries(calls))('%s', async (label, call) => {
    name = label;
    for (let i = 0; i < CALLS; i++) await call();
    const { rows } = await client.query<{ once: string }>(
      'SELECT generic_plans AS once FROM pg_prepared_statements WHERE name = $1',
      [label],
    );
    expect(Number(rows[0]?.once)).toBeGreaterThan(0);
  });
});

describe('the one plan of a settlement', () => {
  it('finds the rows by index', async () => {
    name = '';
    let asked: { text: string; values: unknown[] } | null = null;
    await settleEffects(
      {
        query: async (text, values = []) => {
          asked = { text, values };
          return [];
        },
      },
      [{ target: 'job_1', ids: [1] }],
    );
    const { text } = asked ?? { text: '' };
    await client.query('SET plan_cache_mode = force_generic_plan');
    await client.query(`PREPARE settlement(bigint[], text[], text[]) AS ${text}`);
    const { rows } = await client.query(`EXPLAIN EXECUTE settlement('{1}', '{job_1}', '{job_1}')`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('effects_pkey');
    expect(plan).toContain('effects_kind_target_id_idx');
    expect(plan).not.toContain('Seq Scan on effects');
  });
});
