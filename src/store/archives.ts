/** Days of rows that leave the tables for a file and may come back: what they are, and the list of their files. */

import { crossing } from '../telemetry/boundaries.ts';
import type { Database, Queryable } from './database.ts';

export const ARCHIVE_KINDS = ['ticks', 'contexts', 'candles', 'frames', 'decisions', 'desk'] as const;
export type ArchiveKind = (typeof ARCHIVE_KINDS)[number];

export const DAY_MS = 86_400_000;

/** What a table had: how many rows, and the sum of a part of every row's MD5, in whatever order they come. */
export type Digest = { readonly rows: number; readonly sum: string };
export type Digests = Readonly<Record<string, Digest>>;

export type Archive = {
  readonly id: number;
  readonly kind: ArchiveKind;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of several files of a day: rows may come after it was archived. */
  readonly part: number;
  /** `written`: the rows are still there as well; `removed`: they are in the file alone; `restored`: they have come back. */
  readonly state: 'written' | 'removed' | 'restored';
  /** Name in the archive's folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly tables: Digests;
  readonly removedAt: Date | null;
};
export type NewArchive = Pick<Archive, 'kind' | 'fromMs' | 'toMs' | 'file' | 'bytes' | 'sha256' | 'tables'>;

/** A table with the rows `t` of it that belong to [$1, $2), market ms. */
type Share = {
  readonly table: string;
  readonly where: string;
  /** The column that a day is found by; absent: its rows come and go with those of a table before it. */
  readonly time?: string;
};
/** Whoever is referred to comes first. */
type Kind = readonly Share[];

/** Finished, counted by the analytics, and not the newest of its model: that one says what came last. */
const CYCLE = (alias: string) =>
  `${alias}.slot_ms >= $1 AND ${alias}.slot_ms < $2 AND ${alias}.step = 'done'
   AND ${alias}.slot_ms < (SELECT max(newer.slot_ms) FROM decision_cycles newer WHERE newer.model_id = ${alias}.model_id)
   AND NOT EXISTS (SELECT 1 FROM analytics_pending p WHERE p.model_id = ${alias}.model_id AND p.kind = 'cycle' AND p.item = ${alias}.id::text)`;
const CONVERSATION = (alias: string) =>
  `${alias}.decision_cycle_id IN (SELECT d.id FROM decision_cycles d WHERE ${CYCLE('d')})`;

const dayOf = (table: string, time: string, more = ''): Share => ({
  ...{ table, time },
  where: `t.${time} >= $1 AND t.${time} < $2${more}`,
});

/** Never the last day on which the equities desk has scanned its market, nor the one before: what it says of itself is made from them. */
const BEFORE_LAST_LOOK = ` AND t.ts_ms < (SELECT max(ts_ms) - max(ts_ms) % ${DAY_MS} - ${DAY_MS} FROM desk_watchlists)`;
/** A position that is open is asked about by what was seen of it, and no reason is signalled twice. */
const NOT_OPEN = ` AND NOT EXISTS (SELECT 1 FROM positions p WHERE p.id = t.position_id AND p.status = 'open')`;

const KINDS: Readonly<Record<ArchiveKind, Kind>> = {
  ticks: [dayOf('price_ticks', 'ts_ms')],
  contexts: [dayOf('market_asset_ctx', 'ts_ms')],
  candles: [dayOf('price_candles', 'open_ts_ms')],
  frames: [dayOf('market_frames', 'slot_ms')],
  decisions: [
    { table: 'decision_cycles', time: 'slot_ms', where: CYCLE('t') },
    { table: 'conversations', where: CONVERSATION('t') },
    {
      table: 'conversation_messages',
      where: `t.conversation_id IN (SELECT c.id FROM conversations c WHERE ${CONVERSATION('c')})`,
    },
  ],
  desk: [
    dayOf('desk_signals', 'ts_ms', `${BEFORE_LAST_LOOK} AND t.decided_slot_ms IS NOT NULL${NOT_OPEN}`),
    dayOf('desk_monitoring', 'ts_ms', `${BEFORE_LAST_LOOK}${NOT_OPEN}`),
    ...['desk_watchlists', 'desk_candidates', 'desk_news', 'desk_sentiment', 'desk_contexts'].map((table) =>
      dayOf(table, 'ts_ms', BEFORE_LAST_LOOK),
    ),
  ],
};

export const tablesOf = (kind: ArchiveKind): readonly string[] => KINDS[kind].map(({ table }) => table);

const DIGEST = `count(*) AS rows, coalesce(sum(('x' || left(md5(line), 13))::bit(52)::bigint), 0)::text AS sum`;

const COLUMNS = `id, kind, from_ms AS "fromMs", to_ms AS "toMs", part, state, file, bytes, sha256, tables, removed_at AS "removedAt"`;

/** All files there are, oldest days first. */
export function listArchives(db: Queryable): Promise<Archive[]> {
  return db.query<Archive>(`SELECT ${COLUMNS} FROM archives ORDER BY kind, from_ms, part`);
}

export async function findArchive(db: Queryable, id: number): Promise<Archive | null> {
  return (await db.query<Archive>(`SELECT ${COLUMNS} FROM archives WHERE id = $1`, [id]))[0] ?? null;
}

/** A file of the kind whose rows have not been removed yet. */
export async function writtenArchive(db: Queryable, kind: ArchiveKind): Promise<Archive | null> {
  const rows = await db.query<Archive>(
    `SELECT ${COLUMNS} FROM archives WHERE kind = $1 AND state = 'written' ORDER BY from_ms, part LIMIT 1`,
    [kind],
  );
  return rows[0] ?? null;
}

/** First ms of the oldest day before `beforeMs` that has rows to archive. Days that were restored are left alone. */
export async function oldestDay(db: Queryable, kind: ArchiveKind, beforeMs: number): Promise<number | null> {
  if (kind === 'ticks') return oldestTickDay(db, beforeMs);
  const oldest = KINDS[kind].flatMap(({ table, where, time }) =>
    time === undefined
      ? []
      : `SELECT min(t.${time}) AS ms FROM ${table} t WHERE ${where}
         AND NOT EXISTS (SELECT 1 FROM archives a WHERE a.kind = $3 AND a.state = 'restored' AND t.${time} >= a.from_ms AND t.${time} < a.to_ms)`,
  );
  const [row] = await db.query<{ ms: number | null }>(
    `SELECT min(ms) AS ms FROM (${oldest.join(' UNION ALL ')}) each`,
    [0, beforeMs, kind],
  );
  return row?.ms == null ? null : row.ms - (row.ms % DAY_MS);
}

/** The day of the oldest partition. None while the paper exchange has not worked through all of it. */
async function oldestTickDay(db: Queryable, beforeMs: number): Promise<number | null> {
  const [row] = await db.query<{ ms: number }>(
    `SELECT day.ms FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL (SELECT (extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')) * 1000)::bigint AS ms) day
     WHERE i.inhparent = 'price_ticks'::regclass AND day.ms < $1
       AND NOT EXISTS (SELECT 1 FROM archives a WHERE a.kind = 'ticks' AND a.state = 'restored' AND a.from_ms = day.ms)
     ORDER BY day.ms LIMIT 1`,
    [beforeMs],
  );
  if (row === undefined) return null;
  const unmatched = await db.query(
    `SELECT 1 FROM paper_cursor c CROSS JOIN LATERAL (
       SELECT 1 FROM price_ticks t WHERE t.provider = c.provider AND t.seq > c.seq AND t.ts_ms >= $1 AND t.ts_ms < $2 LIMIT 1) late LIMIT 1`,
    [row.ms, row.ms + DAY_MS],
  );
  return unmatched.length > 0 ? null : row.ms;
}

const GROUP_ROWS = 2000;

/**
 * Every row of a day as a line of JSON, table by table, all of one moment. The transaction stays open while they are written out; it
 * locks nothing.
 */
export function exportDay(
  db: Database,
  kind: ArchiveKind,
  fromMs: number,
  take: (table: string, lines: readonly string[]) => Promise<void>,
): Promise<void> {
  return db.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    for (const { table, where } of KINDS[kind]) {
      const cursor = `archive_${table}`;
      await tx.query(
        `DECLARE ${cursor} NO SCROLL CURSOR FOR SELECT row_to_json(t)::text AS line FROM ${table} t WHERE ${where}`,
        [fromMs, fromMs + DAY_MS],
      );
      for (let rows = GROUP_ROWS; rows === GROUP_ROWS; ) {
        const group = await tx.query<{ line: string }>(`FETCH ${GROUP_ROWS} FROM ${cursor}`);
        rows = group.length;
        if (rows > 0)
          await take(
            table,
            group.map(({ line }) => line),
          );
      }
    }
  });
}

/** Lists a file that is written. Null when another process has listed one of the same day that is not done with yet. */
export async function addArchive(db: Queryable, archive: NewArchive): Promise<Archive | null> {
  const { kind, fromMs, toMs, file, bytes, sha256, tables } = archive;
  const rows = await db.query<Archive>(
    `INSERT INTO archives (kind, from_ms, to_ms, part, file, bytes, sha256, tables)
     SELECT $1, $2, $3, (SELECT coalesce(max(part), 0) + 1 FROM archives WHERE kind = $1 AND from_ms = $2), $4, $5, $6, $7
     WHERE NOT EXISTS (SELECT 1 FROM archives WHERE kind = $1 AND from_ms = $2 AND state <> 'removed')
     ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [kind, fromMs, toMs, file, bytes, sha256, JSON.stringify(tables)],
  );
  return rows[0] ?? null;
}

/** Takes a file off the list whose rows are all still there and were never anywhere else. */
export async function forgetArchive(db: Queryable, id: number): Promise<boolean> {
  const rows = await db.query(
    `DELETE FROM archives WHERE id = $1 AND state = 'written' AND removed_at IS NULL RETURNING id`,
    [id],
  );
  return rows.length > 0;
}

/** Why rows were not removed: they are not those of the file. Rolls the removal back. */
class Differs extends Error {}

const LOCK_TIMEOUT_MS = 1000;

/**
 * Removes the rows of a day, if they are exactly those that were found in its file: one transaction, which also says so in the list.
 * `gone`: another process has done it.
 */
export async function removeArchived(
  db: Database,
  { id, kind, fromMs, toMs }: Archive,
  found: Digests,
): Promise<'removed' | 'differs' | 'gone'> {
  try {
    return await db.transaction(async (tx) => {
      const listed = await tx.query(`SELECT 1 FROM archives WHERE id = $1 AND state = 'written' FOR UPDATE`, [id]);
      if (listed.length === 0) return 'gone';
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      const removed = kind === 'ticks' ? await dropTicks(tx, fromMs) : await deleteRows(tx, kind, fromMs, toMs);
      for (const table of tablesOf(kind)) {
        const [there, inFile] = [removed[table], found[table] ?? { rows: 0, sum: '0' }];
        if (there?.rows !== inFile.rows || there.sum !== inFile.sum) throw new Differs();
      }
      await tx.query(`UPDATE archives SET state = 'removed', removed_at = now(), restored_at = NULL WHERE id = $1`, [
        id,
      ]);
      return 'removed';
    });
  } catch (error) {
    if (error instanceof Differs) return 'differs';
    throw error;
  }
}

async function deleteRows(tx: Queryable, kind: ArchiveKind, fromMs: number, toMs: number): Promise<Digests> {
  const digests: Record<string, Digest> = {};
  if (kind === 'decisions') {
    await tx.query(
      `INSERT INTO archived_cycles (id, model_id, slot_ms, cycle_number, step, executed_at, decisions)
       SELECT t.id, t.model_id, t.slot_ms, t.cycle_number, t.step, t.executed_at, coalesce((
         SELECT jsonb_agg(jsonb_build_object('confidence', j->'confidence', 'leverage', j->'leverage', 'action', j->'action'))
         FROM jsonb_array_elements(coalesce(t.decisions, '[]'::jsonb)) j), '[]'::jsonb)
       FROM decision_cycles t WHERE ${CYCLE('t')}`,
      [fromMs, toMs],
    );
  }
  for (const { table, where } of KINDS[kind].toReversed()) {
    const [digest] = await crossing(`delete ${table}`, () =>
      tx.query<Digest>(
        `WITH gone AS (DELETE FROM ${table} t WHERE ${where} RETURNING row_to_json(t)::text AS line) SELECT ${DIGEST} FROM gone`,
        [fromMs, toMs],
      ),
    );
    digests[table] = digest ?? { rows: 0, sum: '0' };
  }
  return digests;
}

/** A day without rows needs no file; a partition of ticks that is still empty goes. */
export async function dropEmptyDay(db: Database, kind: ArchiveKind, fromMs: number): Promise<void> {
  if (kind !== 'ticks') return;
  await db
    .transaction(async (tx) => {
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      if (((await dropTicks(tx, fromMs)).price_ticks?.rows ?? 0) > 0) throw new Differs();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Differs)) throw error;
    });
}

/** A partition goes as a whole. Nobody writes into it between the look and the end of the transaction. */
async function dropTicks(tx: Queryable, fromMs: number): Promise<Digests> {
  const partition = `price_ticks_${new Date(fromMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
  const [there] = await tx.query<{ is: boolean }>('SELECT to_regclass($1) IS NOT NULL AS is', [partition]);
  if (there?.is !== true) return { price_ticks: { rows: 0, sum: '0' } };
  await tx.query(`LOCK TABLE ${partition} IN SHARE MODE`);
  const [digest] = await tx.query<Digest>(
    `SELECT ${DIGEST} FROM (SELECT row_to_json(t)::text AS line FROM ${partition} t) lines`,
  );
  await crossing('drop partition', () => tx.query(`DROP TABLE ${partition}`));
  return { price_ticks: digest ?? { rows: 0, sum: '0' } };
}

/**
 * Brings rows back: `rows` gives them to `put`, a table's lines at a time. One transaction; rows that are there already are left alone.
 * Returns how many came, null when somebody else has brought them back meanwhile.
 */
export function restoreArchived(
  db: Database,
  { id, kind, fromMs }: Archive,
  rows: (put: (table: string, lines: readonly string[]) => Promise<void>) => Promise<void>,
): Promise<number | null> {
  return db.transaction(async (tx) => {
    const listed = await tx.query(`SELECT 1 FROM archives WHERE id = $1 AND state = 'removed' FOR UPDATE`, [id]);
    if (listed.length === 0) return null;
    if (kind === 'ticks') await tx.query('SELECT ensure_tick_partitions($1, $1)', [fromMs]);
    let came = 0;
    await rows(async (table, lines) => {
      const json = `[${lines.join(',')}]`;
      const [put] = await tx.query<{ n: number }>(
        `WITH put AS (INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json) ON CONFLICT DO NOTHING RETURNING 1)
         SELECT count(*) AS n FROM put`,
        [json],
      );
      came += put?.n ?? 0;
      if (table === 'decision_cycles') await uncount(tx, json);
    });
    await tx.query(`UPDATE archives SET state = 'restored', restored_at = now() WHERE id = $1`, [id]);
    return came;
  });
}

/** Cycles that come back are counted already: the note that every finished cycle leaves is taken back. */
async function uncount(tx: Queryable, json: string): Promise<void> {
  await tx.query(
    `WITH back AS (SELECT id, model_id FROM json_populate_recordset(NULL::decision_cycles, $1::json)),
     noted AS (DELETE FROM analytics_pending p USING back b WHERE p.model_id = b.model_id AND p.kind = 'cycle' AND p.item = b.id::text)
     DELETE FROM archived_cycles a USING back b WHERE a.id = b.id`,
    [json],
  );
}

/** Rows that were restored may leave again: the next run looks whether they are still those of the file, and removes them. */
export async function releaseArchive(db: Queryable, id: number): Promise<boolean> {
  const rows = await db.query(
    `UPDATE archives SET state = 'written' WHERE id = $1 AND state = 'restored' RETURNING id`,
    [id],
  );
  return rows.length > 0;
}
