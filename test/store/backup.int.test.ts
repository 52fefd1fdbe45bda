import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { connectRedis, openRedis } from '../../src/redis/connections.ts';
import { forgetRun } from '../../src/redis/forget-run.ts';
import { dump } from '../../src/store/backup/dump.ts';
import { load } from '../../src/store/backup/load.ts';
import { MANIFEST, type Manifest, readBackup } from '../../src/store/backup/manifest.ts';
import { replacementFor } from '../../src/store/backup/replace.ts';
import { migrate } from '../../src/store/migrate.ts';
import { knownMigrations } from '../../src/store/schema-engine.ts';
import { startCluster } from '../platform/redis-nodes.ts';
import { tempDir } from '../temp-dir.ts';
import { createEmptyDatabase } from './databases.ts';

let dir = '';
let url = '';
let drop: () => Promise<void>;
let manifest: Manifest;

const DAY_MS = 86_400_000;
/** 2026-01-01 */
const T0 = 1_767_225_600_000;

async function query<T extends object = Record<string, unknown>>(text: string, on = url): Promise<T[]> {
  const client = new pg.Client({ connectionString: on });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Everything in a table, in an order that does not depend on where rows lie. */
const rowsOf = async (table: string, on = url) =>
  (await query<{ text: string }>(`SELECT t::text AS text FROM ${table} t ORDER BY 1`, on)).map(({ text }) => text);

const TABLES = ['models', 'price_ticks', 'trades', 'audit_log', 'analytics_pending', 'schedules'];
const snapshot = async (on = url) =>
  Object.fromEntries(await Promise.all(TABLES.map(async (table) => [table, await rowsOf(table, on)] as const)));

const trade = (id: string, revision: number, voided = 'NULL') =>
  `INSERT INTO trades (id, model_id, symbol, side, quantity, entry_price, exit_price, exit_ts_ms, exit_reason, realized_net_pnl, revision, voided_at)
   VALUES ('${id}', 'carry', 'BTC', 'long', 0.1, 0.1, 0.2, ${T0}, 'signal', 0.010000000000000002, ${revision}, ${voided})`;

beforeAll(async () => {
  dir = path.join(await tempDir('nof0-backup-'), 'one');
  ({ url, drop } = await createEmptyDatabase());
  await migrate(url);
  await query(`
    INSERT INTO runs (name, kind, settings, seed) VALUES ('test', 'synthetic', '{}', 'seed');
    INSERT INTO models (id, display_name, exchange_provider, market_provider, config) VALUES ('carry', E'tab\\t, line\\n, back\\\\slash, ü', 'paper', 'x', '{"a": [1, null]}');
    INSERT INTO symbols (symbol) VALUES ('BTC');
    SELECT ensure_tick_partitions(${T0}, ${T0 + DAY_MS});
    INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq) VALUES ('x', 'BTC', 0.1, ${T0}, 1), ('x', 'BTC', 1e-7, ${T0 + DAY_MS}, 2);
    ${trade('standing', 0)}; ${trade('revised', 2)}; ${trade('voided', 1, 'now()')};
    INSERT INTO effects (kind, target, payload) VALUES ('stream', 'carry', '{"id": "standing", "revision": 0}'), ('project', 'leaderboard', '{}');
    SELECT nextval('projection_seq') FROM generate_series(1, 41);
  `);
  manifest = await dump({ databaseUrl: url, run: 'test', dir, archiveDir: path.join(dir, 'none') });
});
afterAll(async () => {
  await drop();
  await rm(path.dirname(dir), { recursive: true, force: true });
});

/** Restores the backup into a database of its own. */
async function restored(from = dir): Promise<{ url: string; drop(): Promise<void> }> {
  const other = await createEmptyDatabase();
  await load(other.url, from, await readBackup(from));
  return other;
}

describe('a backup', () => {
  it('has every table of the database, and says how many rows', async () => {
    const there = await query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
    );
    expect([...manifest.tables.map(({ name }) => name), '_prisma_migrations'].sort()).toEqual(
      there.map(({ name }) => name).sort(),
    );
    expect(manifest.tables.find(({ name }) => name === 'price_ticks')).toMatchObject({
      rows: 2,
      partitions: [{ name: 'price_ticks_20260101' }, { name: 'price_ticks_20260102' }],
    });
    expect(await readBackup(dir)).toEqual(manifest);
  });

  it('stands at one moment, whatever is written while it is made', async () => {
    const second = path.join(path.dirname(dir), 'second');
    const taken = await dump({
      databaseUrl: url,
      run: 'test',
      dir: second,
      archiveDir: path.join(dir, 'none'),
      // Between two tables of the backup: one commit that changes two of those that come after.
      onTable: async (name) => {
        if (name !== 'accounts') return;
        await query(
          `INSERT INTO audit_log (who, what) VALUES ('late', 'late'); INSERT INTO symbols (symbol) VALUES ('LATE')`,
        );
      },
    });
    const rows = (name: string) => taken.tables.find((table) => table.name === name)?.rows;
    expect(rows('symbols')).toBe(1);
    expect(rows('audit_log')).toBe(0);
    await query(`DELETE FROM symbols WHERE symbol = 'LATE'; DELETE FROM audit_log`);
  });

  it('restored is the same to the letter: partitions, numbers, text, and nothing counted anew', async () => {
    const before = await snapshot();
    const copy = await restored();
    try {
      expect(await snapshot(copy.url)).toEqual(before);
      const bounds = `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound, c.reloptions FROM pg_class c WHERE relispartition AND relkind = 'r' ORDER BY 1`;
      expect(await query(bounds, copy.url)).toEqual(await query(bounds));
      const enabled = `SELECT count(*)::int AS n FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'`;
      expect(await query(enabled, copy.url)).toEqual(await query(enabled));
    } finally {
      await copy.drop();
    }
  });

  it('goes on counting where the run was', async () => {
    const copy = await restored();
    try {
      expect(await query(`SELECT nextval('projection_seq')::int AS token`, copy.url)).toEqual([{ token: 42 }]);
      const [row] = await query<{ id: number }>(
        `INSERT INTO effects (kind, target) VALUES ('project', 'x') RETURNING id::int`,
        copy.url,
      );
      const [highest] = await query<{ id: number }>('SELECT max(id)::int AS id FROM effects');
      expect(row?.id).toBeGreaterThan(highest?.id ?? 0);
    } finally {
      await copy.drop();
    }
  });

  it('promises every trade to the stream again, once, as what it is now', async () => {
    const copy = await restored();
    try {
      const promised = await query<{ payload: Record<string, unknown> }>(
        `SELECT payload FROM effects WHERE kind = 'stream' ORDER BY payload->>'id'`,
        copy.url,
      );
      expect(promised.map(({ payload }) => [payload.event, payload.id, payload.revision])).toEqual([
        ['trade.revised', 'revised', 2],
        ['trade', 'standing', 0],
        ['trade.voided', 'voided', 1],
      ]);
      expect(promised[1]?.payload).toMatchObject({ pnl: 0.010000000000000002, ts_ms: T0, exit_reason: 'signal' });
    } finally {
      await copy.drop();
    }
  });

  it('of an older version is brought to this one', async () => {
    const older = await createEmptyDatabase();
    const from = path.join(path.dirname(dir), 'older');
    const known = await knownMigrations();
    await migrate(older.url, known.slice(0, -1));
    await query(`INSERT INTO symbols (symbol) VALUES ('OLD')`, older.url);
    expect(
      (await dump({ databaseUrl: older.url, run: 'test', dir: from, archiveDir: path.join(dir, 'none') })).migrations,
    ).toEqual(known.slice(0, -1));
    const copy = await restored(from);
    try {
      expect(await rowsOf('symbols', copy.url)).toEqual([expect.stringContaining('OLD')]);
      expect(await migrate(copy.url)).toEqual([]);
    } finally {
      await Promise.all([older.drop(), copy.drop()]);
    }
  });
});

describe('a backup that is refused before anything is touched', () => {
  let bad = '';
  beforeEach(async () => {
    bad = path.join(path.dirname(dir), 'bad');
    await rm(bad, { recursive: true, force: true });
    await cp(dir, bad, { recursive: true });
  });
  const edit = async (change: (text: string) => string) => {
    const file = path.join(bad, MANIFEST);
    await writeFile(file, change(await readFile(file, 'utf8')));
  };
  const refused = (message: RegExp) =>
    expect(readBackup(bad)).rejects.toMatchObject({
      code: 'NOF0_BACKUP_INVALID',
      message: expect.stringMatching(message),
    });

  it('has a damaged file', async () => {
    await appendFile(path.join(bad, 'models.copy.gz'), 'x');
    await refused(/models\.copy\.gz is damaged/);
  });

  it('lacks a file', async () => {
    await rm(path.join(bad, 'trades.copy.gz'));
    await refused(/trades\.copy\.gz/);
  });

  it('was never finished', async () => {
    await rm(path.join(bad, MANIFEST));
    await refused(/backup\.json/);
  });

  it('was made by a newer version', async () => {
    await edit((text) => text.replace(/"(\d{4}_\w+)"\n/, '"$1",\n    "9999_future"\n'));
    await refused(/newer version, with 9999_future/);
  });

  it('would run somebody’s statement', async () => {
    await edit((text) => text.replace('"price_ticks_20260101"', '"x; DROP TABLE runs"'));
    await refused(/backup\.json/);
  });
});

describe('putting a database in the place of another', () => {
  const nameOf = (address: string) => new URL(address).pathname.slice(1);
  const databases = async (like: string) =>
    (
      await query<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE datname LIKE '${like}%' ORDER BY 1`)
    ).map(({ name }) => name);

  it('keeps the old one under another name', async () => {
    const old = await createEmptyDatabase();
    await migrate(old.url);
    await query(`INSERT INTO symbols (symbol) VALUES ('OLD')`, old.url);
    const replacement = await replacementFor(old.url);
    await load(replacement.url, dir, manifest);
    const kept = (await replacement.swap()) ?? '';
    const keptUrl = Object.assign(new URL(old.url), { pathname: `/${kept}` }).toString();
    expect(await rowsOf('symbols', keptUrl)).toEqual([expect.stringContaining('OLD')]);
    expect(await rowsOf('symbols', old.url)).toEqual([expect.stringContaining('BTC')]);
    expect(await databases(nameOf(old.url))).toEqual([nameOf(old.url), kept].sort());
    await query(`DROP DATABASE ${kept}`);
    await old.drop();
  });

  it('keeps nothing of one that held no run', async () => {
    const old = await createEmptyDatabase();
    const replacement = await replacementFor(old.url);
    expect(await replacement.swap()).toBeNull();
    expect(await databases(nameOf(old.url))).toEqual([nameOf(old.url)]);
    await old.drop();
  });

  it('is refused while somebody works on it, at the beginning and at the end', async () => {
    const old = await createEmptyDatabase();
    const worker = new pg.Client({ connectionString: old.url, application_name: 'nof0 worker' });
    const replacement = await replacementFor(old.url);
    await worker.connect();
    await expect(replacementFor(old.url)).rejects.toMatchObject({
      code: 'NOF0_RUN_BUSY',
      message: expect.stringContaining('nof0 worker'),
    });
    await expect(replacement.swap()).rejects.toMatchObject({ code: 'NOF0_RUN_BUSY' });
    await worker.end();
    await replacement.discard();
    expect(await databases(nameOf(old.url))).toEqual([nameOf(old.url)]);
    await old.drop();
  });
});

describe('forgetting a run', () => {
  it.each(['one server', 'a cluster'])('takes all its keys and no other run’s, of %s', async (kind) => {
    const cluster = kind === 'a cluster' ? await startCluster(3) : null;
    const redis = openRedis(cluster?.url ?? inject('cacheRedisUrl'), 'test', () => {});
    try {
      await connectRedis(redis, 'cache', kind);
      const own = ['forget:leaderboard', 'v:{forget:leaderboard}', '{forget:trades}:stream', 'forget:bull:x:1'];
      const other = ['forget.two:leaderboard', 'v:{forget.two:leaderboard}', '{forget.two:trades}:stream'];
      for (const key of [...own, ...other]) await redis.set(key, '1', 'PX', 60_000);
      expect(await forgetRun(redis, 'forget')).toBe(own.length);
      for (const key of own) expect(await redis.exists(key), key).toBe(0);
      for (const key of other) expect(await redis.exists(key), key).toBe(1);
    } finally {
      redis.disconnect();
      await cluster?.close();
    }
  });
});
