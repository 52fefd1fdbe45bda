import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/store/database.ts';
import { migrate, pendingMigrations } from '../../src/store/migrate.ts';
import { applyMigrations, knownMigrations, schemaDdl } from '../../src/store/schema-engine.ts';
import { ensurePartitions } from '../../src/store/tick-partitions.ts';
import { createEmptyDatabase, type FreshDatabase } from './databases.ts';

/** What the migrations have and the schema file cannot say. Nothing else may differ. */
const BEYOND_PRISMA = {
  tables: ['_prisma_migrations'],
  indexes: [
    // Partial indexes.
    'dead_letters_once',
    'dead_letters_open',
    'desk_signals_open',
    'fills_transfers',
    'paper_fills_ts',
    'paper_orders_resting',
    'paper_orders_standing',
    'positions_closed',
    'positions_one_open',
    'positions_open',
    'seasons_one_open',
    'trades_live',
    // Operator class, and an index next to the views.
    'job_runs_payload',
    'snapshots_hourly',
    // Materialized views.
    'v_crypto_prices_latest_key',
    'v_leaderboard_key',
    'v_since_inception_key',
  ],
  sequences: ['projection_seq'],
  functions: [
    'add_held',
    'ensure_tick_partitions',
    'keep_season',
    'note_cycle',
    'note_held',
    'note_trades',
    'paper_books',
    'paper_concerned',
    'paper_match',
    'paper_open',
    'paper_order',
    'refresh_views_nof0',
  ],
  views: ['every_cycle', 'v_crypto_prices_latest', 'v_leaderboard', 'v_since_inception', 'v_trade_totals'],
  partitioned: ['price_ticks'],
  checks: [
    'alerts_state',
    'analytics_pending_kind',
    'analytics_values_count',
    'archives_state',
    'conversation_messages_role',
    'decision_cycles_step',
    'desk_signals_type',
    'effects_kind',
    'fills_kind',
    'fills_side',
    'fills_size',
    'model_analytics_object',
    'model_history_what',
    'positions_side',
    'positions_status',
    'runs_single',
    'schedules_policy',
    'seasons_ended',
    'seasons_frozen',
    'seasons_state',
    'trader_state_state',
    'trades_exit_reason',
  ],
};

/** Tables that grow with every moment of the market, every decision and every fill. Partitions of ticks get theirs when they are made. */
const GROWING = [
  ...['fills', 'trades', 'positions', 'account_equity_snapshots', 'price_candles', 'market_asset_ctx', 'market_frames'],
  ...['funding_rates', 'conversations', 'conversation_messages', 'decision_cycles', 'job_runs', 'paper_fills'],
];
/** Tables with few rows that are updated all the time. */
const CHANGING = [
  ...['effects', 'price_latest', 'accounts', 'trader_state', 'schedules', 'ingest_cursors', 'paper_cursor'],
  ...[
    'paper_marks',
    'paper_accounts',
    'paper_positions',
    'paper_orders',
    'model_analytics',
    'llm_usage',
    'candle_checks',
  ],
];

const USER_TABLES = `c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`;

const COLUMNS = `
  SELECT c.relname || '.' || a.attname AS name,
         format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS what
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE ${USER_TABLES} AND NOT c.relname = ANY($1)`;

const INDEXES = `
  SELECT i.relname AS name, replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') AS what
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
  WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT c.relname = ANY($1)`;

const CONSTRAINTS = `
  SELECT k.conname AS name, c.relname || ' ' || pg_get_constraintdef(k.oid) AS what
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE ${USER_TABLES} AND k.contype IN ('p', 'u', 'f', 'x') AND NOT c.relname = ANY($1)`;

const NAMES = {
  sequences: `SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace`,
  functions: `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
  views: `SELECT relname AS name FROM pg_class WHERE relkind IN ('m', 'v') AND relnamespace = 'public'::regnamespace`,
  partitioned: `SELECT relname AS name FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace`,
  checks: `SELECT conname AS name FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace`,
} as const;

type Named = { readonly name: string; readonly what: string };

async function catalog(database: FreshDatabase, query: string): Promise<string[]> {
  const rows = await database.query<Named>(query, [BEYOND_PRISMA.tables]);
  return rows.map(({ name, what }) => `${name}: ${what}`).sort();
}

async function names(database: FreshDatabase, query: string): Promise<string[]> {
  return (await database.query<{ name: string }>(query)).map(({ name }) => name).sort();
}

describe('schema and migrations', () => {
  let migrated: FreshDatabase;
  let generated: FreshDatabase;

  beforeAll(async () => {
    [migrated, generated] = await Promise.all([createEmptyDatabase(), createEmptyDatabase()]);
    await applyMigrations(migrated.url);
    await generated.query(await schemaDdl(generated.url));
  });

  afterAll(async () => {
    await Promise.all([migrated.drop(), generated.drop()]);
  });

  it('have the same tables with the same columns, types, nullability and defaults', async () => {
    const wanted = await catalog(generated, COLUMNS);
    expect(wanted.length).toBeGreaterThan(200);
    expect(await catalog(migrated, COLUMNS)).toEqual(wanted);
  });

  it('have the same indexes, but for those that Prisma cannot say', async () => {
    const wanted = await catalog(generated, INDEXES);
    const found = await catalog(migrated, INDEXES);
    expect(wanted.length).toBeGreaterThan(30);
    const beyond = (line: string) => BEYOND_PRISMA.indexes.includes(line.split(':')[0] ?? '');
    expect(found.filter((line) => !beyond(line))).toEqual(wanted);
    expect(found.filter(beyond)).toHaveLength(BEYOND_PRISMA.indexes.length);
  });

  it('have the same primary keys, and no foreign keys', async () => {
    const wanted = await catalog(generated, CONSTRAINTS);
    expect(await catalog(migrated, CONSTRAINTS)).toEqual(wanted);
    expect(wanted.filter((line) => line.includes('FOREIGN KEY'))).toEqual([]);
  });

  it.each(['sequences', 'functions', 'views', 'partitioned', 'checks'] as const)(
    'differ in %s only by what is listed',
    async (kind) => {
      const wanted = await names(generated, NAMES[kind]);
      const found = await names(migrated, NAMES[kind]);
      expect(found).toEqual([...wanted, ...BEYOND_PRISMA[kind]].sort());
    },
  );
});

describe('migrating', () => {
  let database: FreshDatabase;

  beforeAll(async () => {
    database = await createEmptyDatabase();
  });

  afterAll(async () => {
    await database.drop();
  });

  it('finds everything pending in an empty database, and nothing once two processes migrated it at the same time', async () => {
    const known = await knownMigrations();
    expect(await pendingMigrations(await database.connect())).toEqual(known);
    const applied = await Promise.all([migrate(database.url), migrate(database.url)]);
    // One of them applied all, the other one waited and found nothing to do.
    expect(applied.flat()).toEqual(known);
    expect(applied.some((names) => names.length === 0)).toBe(true);
    expect(await pendingMigrations(await database.connect())).toEqual([]);
  });

  it('applies nothing the second time, whoever asks', async () => {
    expect(await migrate(database.url)).toEqual([]);
    expect(await applyMigrations(database.url)).toEqual([]);
  });

  it('leaves a history that the Prisma command line can read', async () => {
    const rows = await database.query<{ name: string; done: boolean }>(
      'SELECT migration_name AS name, finished_at IS NOT NULL AND rolled_back_at IS NULL AS done FROM _prisma_migrations ORDER BY migration_name',
    );
    expect(rows).toEqual((await knownMigrations()).map((name) => ({ name, done: true })));
  });
});

describe('what the migrations add', () => {
  const DAY_MS = 86_400_000;
  const DAY = Date.UTC(2026, 0, 1);
  let database: FreshDatabase;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    await migrate(database.url);
  });

  afterAll(async () => {
    await database.drop();
  });

  const partitions = () =>
    names(
      database,
      `SELECT relname AS name FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'price_ticks_%'`,
    );

  it('refreshes the views, also when they are empty, and shows what changed', async () => {
    await database.query('SELECT refresh_views_nof0()');
    await database.query(
      `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ('m', 'Model', 'paper', 'synthetic')`,
    );
    await database.query(
      `INSERT INTO accounts (model_id, initial_equity_usd, inception_ts_ms) VALUES ('m', 10000, ${DAY})`,
    );
    await database.query(
      `INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ('synthetic', 'BTC', 100000, ${DAY})`,
    );
    await database.query(
      `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd) VALUES ('m', ${DAY}, 11000)`,
    );
    await database.query('SELECT refresh_views_nof0()');
    expect(await database.query('SELECT symbol, price FROM v_crypto_prices_latest')).toEqual([
      { symbol: 'BTC', price: 100_000 },
    ]);
    const board = await database.query<{ model_id: string; return_pct: number }>(
      'SELECT model_id, return_pct FROM v_leaderboard',
    );
    expect(board).toEqual([{ model_id: 'm', return_pct: expect.closeTo(10, 9) }]);
    expect(await database.query('SELECT model_id, value FROM v_since_inception')).toEqual([
      { model_id: 'm', value: 11_000 },
    ]);
  });

  it('refreshes the views from two processes at once', async () => {
    const clients = await Promise.all([database.connect(), database.connect()]);
    const refreshes = clients.map((client) => client.query('SELECT refresh_views_nof0()'));
    await expect(Promise.all(refreshes)).resolves.toHaveLength(2);
  });

  it('says for every hot table when it is vacuumed, and leaves room in pages whose rows change again and again', async () => {
    const tables = await database.query<{ name: string; options: string[] }>(
      `SELECT relname AS name, reloptions AS options FROM pg_class WHERE relkind = 'r' AND NOT relispartition AND reloptions IS NOT NULL`,
    );
    const vacuumed = tables.filter(({ options }) => options.some((option) => option.startsWith('autovacuum_vacuum')));
    expect(vacuumed.map(({ name }) => name)).toEqual(expect.arrayContaining([...GROWING, ...CHANGING]));
    const roomy = tables.filter(({ options }) => options.some((option) => option.startsWith('fillfactor')));
    expect(roomy.map(({ name }) => name)).toEqual(expect.arrayContaining(CHANGING));
  });

  it('allows one open position a model and symbol, and any number of closed ones', async () => {
    const open = (id: string, model: string, symbol: string, status: string) =>
      database.query(
        `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, entry_ts_ms, status) VALUES ($1, $2, $3, 'long', 1, 1, 1, $4)`,
        [id, model, symbol, status],
      );
    await open('p1', 'm', 'BTC', 'closed');
    await open('p2', 'm', 'BTC', 'closed');
    await open('p3', 'm', 'BTC', 'open');
    await open('p4', 'm', 'ETH', 'open');
    await open('p5', 'n', 'BTC', 'open');
    await expect(open('p6', 'm', 'BTC', 'open')).rejects.toThrow(/positions_one_open/);
    await database.query(`UPDATE positions SET status = 'closed' WHERE id = 'p3'`);
    await open('p6', 'm', 'BTC', 'open');
  });

  it('refuses what a check forbids', async () => {
    await expect(database.query(`INSERT INTO effects (kind, target) VALUES ('shout', 'x')`)).rejects.toThrow(
      /effects_kind/,
    );
    await expect(
      database.query(`INSERT INTO runs (id, name, kind, settings, seed) VALUES (2, 'x', 'replay', '{}', 's')`),
    ).rejects.toThrow(/runs_single/);
  });

  it('makes a partition a UTC day once, though five processes meet the days together', async () => {
    const pools = Array.from({ length: 5 }, () => {
      return new Database(database.url, { max: 1, applicationName: 'test', onError: () => {} });
    });
    try {
      const ticks = Array.from({ length: 7 }, (_, day) => ({
        provider: 'p',
        symbol: 'BTC',
        price: 1,
        tsMs: DAY + day * DAY_MS,
        source: 'test',
      }));
      await Promise.all(pools.map((db) => ensurePartitions(db, ticks)));
      await Promise.all(pools.map((db) => ensurePartitions(db, ticks)));
    } finally {
      await Promise.all(pools.map((db) => db.close()));
    }
    const expected = Array.from({ length: 7 }, (_, day) => `price_ticks_2026010${day + 1}`);
    expect(await partitions()).toEqual(expected);
  });

  it('counts the partitions it makes, and makes none twice', async () => {
    const make = () =>
      database.query<{ made: number }>('SELECT ensure_tick_partitions($1, $2) AS made', [
        DAY + 5 * DAY_MS,
        DAY + 9 * DAY_MS,
      ]);
    expect(await make()).toEqual([{ made: 3 }]);
    expect(await make()).toEqual([{ made: 0 }]);
  });

  it('puts the first and the last millisecond of a day into the same partition', async () => {
    await database.query(
      `INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq) VALUES ('p', 'BTC', 1, $1, 1), ('p', 'BTC', 2, $2, 2), ('p', 'BTC', 3, $3, 3)`,
      [DAY, DAY + DAY_MS - 1, DAY + DAY_MS],
    );
    const rows = await database.query<{ part: string; ticks: string }>(
      'SELECT tableoid::regclass::text AS part, count(*) AS ticks FROM price_ticks GROUP BY 1 ORDER BY 1',
    );
    expect(rows).toEqual([
      { part: 'price_ticks_20260101', ticks: '2' },
      { part: 'price_ticks_20260102', ticks: '1' },
    ]);
  });

  it('refuses the same tick twice', async () => {
    await expect(
      database.query(`INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq) VALUES ('p', 'BTC', 9, $1, 4)`, [
        DAY,
      ]),
    ).rejects.toThrow(/duplicate key/);
  });
});
