/** The paper exchange's own tables. Nobody else reads or writes them. */

import type { Holdings, Marks } from '../domain/paper-balances.ts';
import type { AccountRow, BookFill, BookOrder, BookPosition, MarketEvent, PastMove } from '../domain/paper-book.ts';
import type { Queryable } from './database.ts';
import { toJsonb } from './jsonb.ts';
import { onePlan } from './one-plan.ts';
import { RELAXED } from './relaxed.ts';

export type PositionRow = BookPosition & { readonly account: string; readonly symbol: string };
export type FillRow = BookFill & { readonly account: string };
export type MarkRow = { readonly symbol: string; readonly price: number; readonly tsMs: number; readonly seq: number };
export type PastRow = PastMove & { readonly account: string };

/** Some accounts with everything that stands, and the marks, at one moment. */
export type Books = {
  readonly accounts: readonly AccountRow[];
  readonly positions: readonly PositionRow[];
  readonly orders: readonly BookOrder[];
  readonly marks: readonly MarkRow[];
};

/** `seq`: up to where the matcher has worked. `known`: orders that already have one of the client order ids. */
export type OpenedBook = Books & { readonly seq: number; readonly known: readonly BookOrder[] };

/** What is left to do about a batch of events: `seq` and `matchedMs` are where the cursor belongs afterwards. */
export type Batch = Books & {
  readonly worked: number;
  readonly quiet: false;
  readonly seq: number;
  readonly matchedMs: number | null;
  readonly events: readonly MarketEvent[];
  readonly past: readonly PastRow[];
};

/** As Postgres puts them together: the books are a value of their own. */
type Nested<T extends Books> = Omit<T, keyof Books> & { readonly books: Books };

/** What changed in some accounts. Positions of an account that are not listed are gone. */
export type BookChange = {
  readonly accounts: readonly AccountRow[];
  readonly positions: readonly (PositionRow & { readonly highestRate: number })[];
  readonly orders: readonly BookOrder[];
  readonly fills: readonly FillRow[];
};

const FILL = `account, seq, oid, cloid, symbol, side, price, size, start_position AS "startPosition", fee_usd AS "feeUsd", closed_pnl AS "closedPnl",
  crossed, liquidation, kind, ts_ms AS "tsMs"`;

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

/** Accounts as they are at one moment, without a lock, and the market ms up to which everything is matched at that very moment. */
export async function readBooks(
  db: Queryable,
  provider: string,
  accounts: readonly string[],
): Promise<Books & { readonly matchedMs: number }> {
  // The function sees what the statement sees: it is STABLE.
  const rows = await db.query<{ books: Books; matchedMs: number | null }>(
    'SELECT paper_books($1, $2) AS books, (SELECT matched_ms FROM paper_cursor WHERE provider = $1) AS "matchedMs"',
    [provider, accounts],
  );
  const books = rows[0]?.books ?? { accounts: [], positions: [], orders: [], marks: [] };
  return { ...books, matchedMs: rows[0]?.matchedMs ?? 0 };
}

/** Accounts with what their positions are, for those who only look: no locks, no rules. */
export async function paperAccounts(
  db: Queryable,
  provider: string,
  names: readonly string[],
): Promise<(Holdings & { readonly account: string; readonly orders: readonly BookOrder[]; readonly mark: Marks })[]> {
  const { accounts, positions, orders, marks } = await readBooks(db, provider, names);
  const prices = new Map(marks.map(({ symbol, price }) => [symbol, price]));
  return accounts.map(({ account, cashUsd }) => ({
    account,
    cashUsd,
    positions: new Map(positions.filter((row) => row.account === account).map((row) => [row.symbol, row])),
    orders: orders.filter((order) => order.account === account),
    mark: (symbol) => prices.get(symbol),
  }));
}

/** An account under its lock, after a matcher at work is done. */
export async function openBook(
  tx: Queryable,
  provider: string,
  account: string,
  cloids: readonly string[],
): Promise<OpenedBook | null> {
  const rows = await tx.query<{ book: Nested<OpenedBook> }>('SELECT paper_open($1, $2, $3) AS book', [
    provider,
    account,
    cloids,
  ]);
  if (rows[0] === undefined) return null;
  const { books, ...rest } = rows[0].book;
  return books.accounts.length === 0 ? null : { ...books, ...rest };
}

/** Moves past events that concern no account. Says how many events there were, and whether some are left to be worked through. */
export async function skipQuiet(
  db: Queryable,
  provider: string,
  most: number,
): Promise<{ readonly worked: number; readonly quiet: boolean }> {
  const rows = await db.query<{ step: { worked: number; quiet: boolean } }>(
    `WITH ${RELAXED} SELECT paper_match($1, $2, false) AS step FROM relaxed`,
    [provider, most],
  );
  return rows[0]?.step ?? { worked: 0, quiet: true };
}

/** The events behind the cursor with the accounts they concern, all locked until the commit. Null when they concern nobody any more. */
export async function claimBatch(tx: Queryable, provider: string, most: number): Promise<Batch | null> {
  const rows = await tx.query<{ step: Nested<Batch> | { quiet: true } }>('SELECT paper_match($1, $2, true) AS step', [
    provider,
    most,
  ]);
  const step = rows[0]?.step;
  if (step === undefined || step.quiet) return null;
  const { books, ...rest } = step;
  return { ...books, ...rest };
}

export async function moveCursor(
  tx: Queryable,
  provider: string,
  to: { readonly seq: number; readonly matchedMs: number | null },
  marks: readonly MarkRow[],
): Promise<void> {
  await tx.query(
    `WITH moved AS (
       UPDATE paper_cursor SET seq = $2, matched_ms = greatest(matched_ms, coalesce($3::bigint, 0)), updated_at = now() WHERE provider = $1
     )
     INSERT INTO paper_marks (provider, symbol, price, seq, ts_ms)
     SELECT $1, m.* FROM unnest($4::text[], $5::float8[], $6::bigint[], $7::bigint[]) AS m(symbol, price, seq, ts_ms)
     ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, seq = excluded.seq, ts_ms = excluded.ts_ms`,
    [
      provider,
      to.seq,
      to.matchedMs,
      marks.map((m) => m.symbol),
      marks.map((m) => m.price),
      marks.map((m) => m.seq),
      marks.map((m) => m.tsMs),
    ],
  );
}

/** Market ms up to which everything that was ingested is matched. */
export async function matchedUntil(db: Queryable, provider: string): Promise<number> {
  const rows = await db.query<{ ms: number }>('SELECT matched_ms AS ms FROM paper_cursor WHERE provider = $1', [
    provider,
  ]);
  return rows[0]?.ms ?? 0;
}

export async function ordersByCloid(db: Queryable, account: string, cloids: readonly string[]): Promise<BookOrder[]> {
  const rows = await db.query<{ placed: BookOrder }>(
    'SELECT paper_order(o) AS placed FROM paper_orders o WHERE account = $1 AND cloid = ANY($2)',
    [account, cloids],
  );
  return rows.map((row) => row.placed);
}

/** Writes what changed in some accounts in one statement: accounts, positions, orders and fills. */
export async function writeBooks(tx: Queryable, change: BookChange): Promise<void> {
  await tx.query(
    `WITH gone AS (
       DELETE FROM paper_positions p USING jsonb_to_recordset($1::jsonb) AS a(account text)
       WHERE p.account = a.account AND NOT EXISTS (
         SELECT 1 FROM jsonb_to_recordset($2::jsonb) AS n(account text, symbol text) WHERE n.account = p.account AND n.symbol = p.symbol)
     ), held AS (
       INSERT INTO paper_positions (account, symbol, size, entry_price, leverage, margin_mode, margin_usd, highest_rate)
       SELECT account, symbol, size, "entryPrice", leverage, "marginMode", "marginUsd", "highestRate"
       FROM jsonb_to_recordset($2::jsonb) AS n(account text, symbol text, size float8, "entryPrice" float8, leverage float8, "marginMode" text, "marginUsd" float8, "highestRate" float8)
       ON CONFLICT (account, symbol) DO UPDATE SET size = excluded.size, entry_price = excluded.entry_price, leverage = excluded.leverage,
         margin_mode = excluded.margin_mode, margin_usd = excluded.margin_usd, highest_rate = excluded.highest_rate
     ), placed AS (
       INSERT INTO paper_orders (oid, account, cloid, symbol, side, size, filled_size, avg_price, limit_price, trigger_px, tif, tpsl, grouping, parent_oid,
         reduce_only, leverage, margin_mode, status, error, placed_seq, ts_ms)
       SELECT oid, account, cloid, symbol, side, size, "filledSize", "avgPrice", "limitPrice", "triggerPrice", tif, tpsl, grouping, "parentOid",
         "reduceOnly", leverage, "marginMode", status, error, "placedSeq", "tsMs"
       FROM jsonb_to_recordset($3::jsonb) AS o(oid bigint, account text, cloid text, symbol text, side text, size float8, "filledSize" float8, "avgPrice" float8,
         "limitPrice" float8, "triggerPrice" float8, tif text, tpsl text, grouping text, "parentOid" bigint, "reduceOnly" boolean, leverage float8,
         "marginMode" text, status text, error text, "placedSeq" bigint, "tsMs" bigint)
       ON CONFLICT (oid) DO UPDATE SET size = excluded.size, filled_size = excluded.filled_size, avg_price = excluded.avg_price, status = excluded.status,
         error = excluded.error, placed_seq = excluded.placed_seq, ts_ms = excluded.ts_ms
     ), filled AS (
       INSERT INTO paper_fills (account, seq, oid, cloid, symbol, side, price, size, start_position, fee_usd, closed_pnl, crossed, liquidation, kind, ts_ms)
       SELECT account, seq, oid, cloid, symbol, side, price, size, "startPosition", "feeUsd", "closedPnl", crossed, liquidation, kind, "tsMs"
       FROM jsonb_to_recordset($4::jsonb) AS f(account text, seq bigint, oid bigint, cloid text, symbol text, side text, price float8, size float8,
         "startPosition" float8, "feeUsd" float8, "closedPnl" float8, crossed boolean, liquidation boolean, kind text, "tsMs" bigint)
     )
     UPDATE paper_accounts p SET cash_usd = a."cashUsd", next_oid = a."nextOid", next_seq = a."nextSeq", turnover = a.turnover, volumes = a.volumes,
       settings = a.settings, updated_at = now()
     FROM jsonb_to_recordset($1::jsonb) AS a(account text, "cashUsd" float8, "nextOid" bigint, "nextSeq" bigint, turnover float8, volumes jsonb, settings jsonb)
     WHERE p.account = a.account`,
    [
      JSON.stringify(change.accounts),
      JSON.stringify(change.positions),
      toJsonb(change.orders),
      JSON.stringify(change.fills),
    ],
  );
}

/** Where a look at an account's fills goes on. */
export type FillsAfter = { readonly account: string; readonly seq: number };

/** The fills of each account behind its `seq`, in the order of the questions. The fence keeps it at one index lookup an account. */
export async function fillsAfter(db: Queryable, asked: readonly FillsAfter[]): Promise<FillRow[][]> {
  const rows = await db.query<FillRow & { place: number }>(
    `SELECT a.place, f.* FROM unnest(${onePlan('$1::text[]')}, ${onePlan('$2::bigint[]')}) WITH ORDINALITY AS a(name, after, place)
     CROSS JOIN LATERAL (SELECT ${FILL} FROM paper_fills WHERE account = a.name AND paper_fills.seq > a.after OFFSET 0) f ORDER BY a.place, f.seq`,
    [asked.map(({ account }) => account), asked.map(({ seq }) => seq)],
  );
  const found = asked.map((): FillRow[] => []);
  for (const { place, ...row } of rows) found[place - 1]?.push(row);
  return found;
}

/** Whether the account has an entry with this client order id. */
export async function hasFillOf(db: Queryable, account: string, cloid: string): Promise<boolean> {
  return (
    (await db.query('SELECT 1 FROM paper_fills WHERE account = $1 AND cloid = $2 LIMIT 1', [account, cloid])).length > 0
  );
}

export function fillHeads(db: Queryable): Promise<{ account: string; seq: number }[]> {
  return db.query('SELECT account, next_seq - 1 AS seq FROM paper_accounts WHERE next_seq > 1');
}

/** What the market says about its instruments, by symbol. */
export async function assetTerms(
  db: Queryable,
  provider: string,
): Promise<Map<string, { sizeDecimals: number; tickSize: number | null; maxLeverage: number; onlyIsolated: boolean }>> {
  const rows = await db.query<{
    symbol: string;
    sizeDecimals: number;
    tickSize: number | null;
    maxLeverage: number;
    onlyIsolated: boolean;
  }>(
    'SELECT symbol, size_decimals AS "sizeDecimals", tick_size AS "tickSize", max_leverage AS "maxLeverage", only_isolated AS "onlyIsolated" FROM market_assets WHERE provider = $1',
    [provider],
  );
  return new Map(rows.map(({ symbol, ...terms }) => [symbol, terms]));
}
