/** The paper exchange's own tables. Nobody else reads or writes them. */

import type { Queryable } from './database.ts';

export type PaperAccountRow = {
  account: string;
  no: number;
  cashUsd: number;
  nextOid: number;
  nextSeq: number;
  turnover: number;
};
export type PaperPositionRow = { account: string; symbol: string; size: number; entryPrice: number; leverage: number };
export type PaperOrderRow = {
  oid: number;
  account: string;
  cloid: string;
  symbol: string;
  side: 'buy' | 'sell';
  size: number;
  filledSize: number;
  avgPrice: number | null;
  triggerPrice: number | null;
  tpsl: 'stop' | 'target' | null;
  reduceOnly: boolean;
  leverage: number | null;
  status: 'filled' | 'resting' | 'rejected' | 'canceled';
  error: string | null;
  placedSeq: number;
  tsMs: number;
};
export type PaperFillRow = {
  account: string;
  seq: number;
  oid: number | null;
  cloid: string | null;
  symbol: string;
  side: 'buy' | 'sell';
  price: number;
  size: number;
  startPosition: number;
  feeUsd: number;
  closedPnl: number;
  kind: 'trade' | 'funding';
  tsMs: number;
};
export type MarkRow = { symbol: string; price: number; tsMs: number };
export type MarketEvent = {
  readonly kind: 'tick' | 'funding';
  readonly seq: number;
  readonly symbol: string;
  readonly tsMs: number;
  readonly price: number;
  readonly rate: number;
};

const ACCOUNT = `account, no, cash_usd AS "cashUsd", next_oid AS "nextOid", next_seq AS "nextSeq", turnover`;
const ORDER = `oid, account, cloid, symbol, side, size, filled_size AS "filledSize", avg_price AS "avgPrice", trigger_px AS "triggerPrice", tpsl,
  reduce_only AS "reduceOnly", leverage, status, error, placed_seq AS "placedSeq", ts_ms AS "tsMs"`;
const FILL = `account, seq, oid, cloid, symbol, side, price, size, start_position AS "startPosition", fee_usd AS "feeUsd", closed_pnl AS "closedPnl", kind, ts_ms AS "tsMs"`;

/** Opens accounts that do not exist yet, numbered on from the highest in the order given. */
export async function openAccounts(
  tx: Queryable,
  entries: readonly { account: string; initialUsd: number }[],
): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['paper_accounts']);
  await tx.query(
    `INSERT INTO paper_accounts (account, no, initial_usd, cash_usd)
     SELECT e.account, coalesce((SELECT max(no) FROM paper_accounts), 0) + row_number() OVER (ORDER BY e.ord), e.usd, e.usd
     FROM unnest($1::text[], $2::float8[]) WITH ORDINALITY AS e(account, usd, ord)
     WHERE NOT EXISTS (SELECT 1 FROM paper_accounts p WHERE p.account = e.account)`,
    [entries.map((e) => e.account), entries.map((e) => e.initialUsd)],
  );
}

/**
 * Makes a placement wait for a matcher at work and shows it the tick it comes after. Placements do not wait for each other.
 * Returns the matcher's position.
 */
export async function shareCursor(tx: Queryable, provider: string): Promise<number> {
  const rows = await tx.query<{ seq: number }>('SELECT seq FROM paper_cursor WHERE provider = $1 FOR SHARE', [
    provider,
  ]);
  if (rows[0]) return rows[0].seq;
  await tx.query('INSERT INTO paper_cursor (provider) VALUES ($1) ON CONFLICT DO NOTHING', [provider]);
  return 0;
}

/** The matcher's lease: its cursor row, held until its commit. A second matcher and placements wait their turn. */
export async function claimCursor(tx: Queryable, provider: string): Promise<number> {
  const rows = await tx.query<{ seq: number }>('SELECT seq FROM paper_cursor WHERE provider = $1 FOR UPDATE', [
    provider,
  ]);
  if (rows[0]) return rows[0].seq;
  await tx.query('INSERT INTO paper_cursor (provider) VALUES ($1) ON CONFLICT DO NOTHING', [provider]);
  return claimCursor(tx, provider);
}

/** An account with its positions, its resting orders and the marks, as they were at one moment: one statement is one snapshot. */
export async function accountView(
  db: Queryable,
  provider: string,
  account: string,
): Promise<{
  account: PaperAccountRow | null;
  positions: PaperPositionRow[];
  resting: PaperOrderRow[];
  marks: MarkRow[];
}> {
  const list = (sql: string) => `(SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]'::jsonb) FROM (${sql}) r)`;
  const rows = await db.query<{
    accounts: PaperAccountRow[];
    positions: PaperPositionRow[];
    resting: PaperOrderRow[];
    marks: MarkRow[];
  }>(
    `SELECT ${list(`SELECT ${ACCOUNT} FROM paper_accounts WHERE account = $1`)} AS accounts,
            ${list(`SELECT account, symbol, size, entry_price AS "entryPrice", leverage FROM paper_positions WHERE account = $1 ORDER BY symbol`)} AS positions,
            ${list(`SELECT ${ORDER} FROM paper_orders WHERE status = 'resting' AND account = $1 ORDER BY oid`)} AS resting,
            ${list(`SELECT symbol, price, ts_ms AS "tsMs" FROM paper_marks WHERE provider = $2`)} AS marks`,
    [account, provider],
  );
  const [view] = rows;
  return {
    account: view?.accounts[0] ?? null,
    positions: view?.positions ?? [],
    resting: view?.resting ?? [],
    marks: view?.marks ?? [],
  };
}

export async function moveCursor(
  tx: Queryable,
  provider: string,
  seq: number,
  tsMs: number,
  marks: readonly (MarkRow & { seq: number })[],
): Promise<void> {
  await tx.query(
    `WITH moved AS (UPDATE paper_cursor SET seq = $2, ts_ms = greatest(ts_ms, $3), updated_at = now() WHERE provider = $1)
     INSERT INTO paper_marks (provider, symbol, price, seq, ts_ms)
     SELECT $1, m.* FROM unnest($4::text[], $5::float8[], $6::bigint[], $7::bigint[]) AS m(symbol, price, seq, ts_ms)
     ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, seq = excluded.seq, ts_ms = excluded.ts_ms`,
    [
      provider,
      seq,
      tsMs,
      marks.map((m) => m.symbol),
      marks.map((m) => m.price),
      marks.map((m) => m.seq),
      marks.map((m) => m.tsMs),
    ],
  );
}

/** Ticks and funding prints behind the cursor, in the order they were ingested. */
export function eventsAfter(tx: Queryable, provider: string, seq: number, limit: number): Promise<MarketEvent[]> {
  return tx.query<MarketEvent>(
    `SELECT * FROM (
       (SELECT 'tick' AS kind, seq, symbol, ts_ms AS "tsMs", price, 0::float8 AS rate FROM price_ticks WHERE provider = $1 AND seq > $2 ORDER BY seq LIMIT $3)
       UNION ALL
       (SELECT 'funding', seq, symbol, ts_ms, oracle_price, rate FROM funding_rates WHERE provider = $1 AND seq > $2 ORDER BY seq LIMIT $3)
     ) events ORDER BY seq LIMIT $3`,
    [provider, seq, limit],
  );
}

export function marks(tx: Queryable, provider: string): Promise<MarkRow[]> {
  return tx.query<MarkRow>('SELECT symbol, price, ts_ms AS "tsMs" FROM paper_marks WHERE provider = $1', [provider]);
}

/** Locks accounts in id order: two transactions that need the same accounts never wait for each other in a circle. */
export function lockAccounts(tx: Queryable, accounts: readonly string[]): Promise<PaperAccountRow[]> {
  return tx.query<PaperAccountRow>(
    `SELECT ${ACCOUNT} FROM paper_accounts WHERE account = ANY($1) ORDER BY account FOR UPDATE`,
    [accounts],
  );
}

export function positionsOf(tx: Queryable, accounts: readonly string[]): Promise<PaperPositionRow[]> {
  return tx.query<PaperPositionRow>(
    `SELECT account, symbol, size, entry_price AS "entryPrice", leverage FROM paper_positions WHERE account = ANY($1) ORDER BY account, symbol`,
    [accounts],
  );
}

/** Accounts that hold one of the symbols. */
export async function holders(tx: Queryable, symbols: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ account: string }>(
    'SELECT DISTINCT account FROM paper_positions WHERE symbol = ANY($1)',
    [symbols],
  );
  return rows.map((row) => row.account);
}

export function restingOrders(tx: Queryable, symbols: readonly string[]): Promise<PaperOrderRow[]> {
  return tx.query<PaperOrderRow>(
    `SELECT ${ORDER} FROM paper_orders WHERE status = 'resting' AND symbol = ANY($1) ORDER BY oid`,
    [symbols],
  );
}

export function restingOrdersOf(db: Queryable, account: string): Promise<PaperOrderRow[]> {
  return db.query<PaperOrderRow>(
    `SELECT ${ORDER} FROM paper_orders WHERE status = 'resting' AND account = $1 ORDER BY oid`,
    [account],
  );
}

export function ordersByCloid(db: Queryable, account: string, cloids: readonly string[]): Promise<PaperOrderRow[]> {
  return db.query<PaperOrderRow>(`SELECT ${ORDER} FROM paper_orders WHERE account = $1 AND cloid = ANY($2)`, [
    account,
    cloids,
  ]);
}

/** Writes what changed in some accounts in one statement: accounts, positions, orders and fills. */
export async function writeBooks(
  tx: Queryable,
  change: {
    accounts: readonly PaperAccountRow[];
    positions: readonly PaperPositionRow[];
    orders: readonly PaperOrderRow[];
    fills: readonly PaperFillRow[];
  },
): Promise<void> {
  await tx.query(
    `WITH gone AS (
       DELETE FROM paper_positions p USING jsonb_to_recordset($1::jsonb) AS a(account text)
       WHERE p.account = a.account AND NOT EXISTS (
         SELECT 1 FROM jsonb_to_recordset($2::jsonb) AS n(account text, symbol text) WHERE n.account = p.account AND n.symbol = p.symbol)
     ), held AS (
       INSERT INTO paper_positions (account, symbol, size, entry_price, leverage)
       SELECT account, symbol, size, "entryPrice", leverage
       FROM jsonb_to_recordset($2::jsonb) AS n(account text, symbol text, size float8, "entryPrice" float8, leverage float8)
       ON CONFLICT (account, symbol) DO UPDATE SET size = excluded.size, entry_price = excluded.entry_price, leverage = excluded.leverage
     ), placed AS (
       INSERT INTO paper_orders (oid, account, cloid, symbol, side, size, filled_size, avg_price, trigger_px, tpsl, reduce_only, leverage, status, error, placed_seq, ts_ms)
       SELECT oid, account, cloid, symbol, side, size, "filledSize", "avgPrice", "triggerPrice", tpsl, "reduceOnly", leverage, status, error, "placedSeq", "tsMs"
       FROM jsonb_to_recordset($3::jsonb) AS o(oid bigint, account text, cloid text, symbol text, side text, size float8, "filledSize" float8, "avgPrice" float8,
         "triggerPrice" float8, tpsl text, "reduceOnly" boolean, leverage float8, status text, error text, "placedSeq" bigint, "tsMs" bigint)
       ON CONFLICT (oid) DO UPDATE SET filled_size = excluded.filled_size, avg_price = excluded.avg_price, status = excluded.status
     ), filled AS (
       INSERT INTO paper_fills (account, seq, oid, cloid, symbol, side, price, size, start_position, fee_usd, closed_pnl, kind, ts_ms)
       SELECT account, seq, oid, cloid, symbol, side, price, size, "startPosition", "feeUsd", "closedPnl", kind, "tsMs"
       FROM jsonb_to_recordset($4::jsonb) AS f(account text, seq bigint, oid bigint, cloid text, symbol text, side text, price float8, size float8,
         "startPosition" float8, "feeUsd" float8, "closedPnl" float8, kind text, "tsMs" bigint)
     )
     UPDATE paper_accounts p SET cash_usd = a."cashUsd", next_oid = a."nextOid", next_seq = a."nextSeq", turnover = a.turnover, updated_at = now()
     FROM jsonb_to_recordset($1::jsonb) AS a(account text, "cashUsd" float8, "nextOid" bigint, "nextSeq" bigint, turnover float8)
     WHERE p.account = a.account`,
    [
      JSON.stringify(change.accounts),
      JSON.stringify(change.positions),
      JSON.stringify(change.orders),
      JSON.stringify(change.fills),
    ],
  );
}

export function fillsAfter(db: Queryable, account: string, seq: number): Promise<PaperFillRow[]> {
  return db.query<PaperFillRow>(`SELECT ${FILL} FROM paper_fills WHERE account = $1 AND seq > $2 ORDER BY seq`, [
    account,
    seq,
  ]);
}

export function fillHeads(db: Queryable): Promise<{ account: string; seq: number }[]> {
  return db.query('SELECT account, next_seq - 1 AS seq FROM paper_accounts WHERE next_seq > 1');
}

export async function sizeDecimalsOf(
  db: Queryable,
  provider: string,
): Promise<Map<string, { sizeDecimals: number; maxLeverage: number }>> {
  const rows = await db.query<{ symbol: string; sizeDecimals: number; maxLeverage: number }>(
    'SELECT symbol, size_decimals AS "sizeDecimals", max_leverage AS "maxLeverage" FROM market_assets WHERE provider = $1',
    [provider],
  );
  return new Map(rows.map((row) => [row.symbol, row]));
}
