/** Fills, and the part of the ledger that new ones may change. All writers run under the account's row lock. */

import type { Direction, Fill, LedgerPosition, LedgerTrade } from '../domain/fill.ts';
import type { Queryable } from './database.ts';
import { onePlan } from './one-plan.ts';

const FILL_COLUMNS = `id, model_id AS "modelId", provider, symbol, side, price, size, start_position AS "startPosition", seq, fee_usd AS "feeUsd",
  closed_pnl AS "closedPnl", oid, cloid, tid, crossed, liquidation, kind, ts_ms AS "tsMs"`;

/** `seq` up to which each model's ledger has everything its exchange told: where the next sync goes on. */
export async function ledgerHeads(db: Queryable, modelIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.query<{ modelId: string; seq: number }>(
    'SELECT model_id AS "modelId", synced_seq AS seq FROM accounts WHERE model_id = ANY($1)',
    [modelIds],
  );
  return new Map(rows.map((row) => [row.modelId, row.seq]));
}

/** Moves the point up to which a ledger is complete; it never goes back. */
export async function moveHead(tx: Queryable, modelId: string, seq: number): Promise<void> {
  await tx.query('UPDATE accounts SET synced_seq = $2 WHERE model_id = $1 AND synced_seq < $2', [modelId, seq]);
}

/** When an entry happened, ms; null when the ledger does not have it. */
export async function entryTimeMs(db: Queryable, id: string): Promise<number | null> {
  const rows = await db.query<{ tsMs: number }>('SELECT ts_ms AS "tsMs" FROM fills WHERE id = $1', [id]);
  return rows[0]?.tsMs ?? null;
}

export type AddedFills = {
  /** The exchange that the model trades at. */
  readonly provider: string;
  readonly version: number;
  /** Ids that were new. */
  readonly added: readonly string[];
  /** Ids that the ledger knows with another content: one of the two is wrong, and it keeps what it had. */
  readonly contradicted: readonly string[];
};

/** Locks the account until the commit and adds the fills that are not there yet. Null when there is no such account. */
export async function addFills(tx: Queryable, modelId: string, fills: readonly Fill[]): Promise<AddedFills | null> {
  const rows = await tx.query<AddedFills>(
    `WITH account AS (
       SELECT model_id, version FROM accounts WHERE model_id = $1 FOR UPDATE
     ), given AS (
       SELECT * FROM jsonb_to_recordset($2::jsonb) AS f(id text, "modelId" text, provider text, symbol text, side text, price float8, size float8,
         "startPosition" float8, seq bigint, "feeUsd" float8, "closedPnl" float8, oid bigint, cloid text, tid bigint, crossed boolean, liquidation boolean,
         kind text, "tsMs" bigint, raw jsonb)
     ), added AS (
       INSERT INTO fills (id, model_id, provider, symbol, side, price, size, start_position, seq, fee_usd, closed_pnl, oid, cloid, tid, crossed, liquidation, kind, ts_ms, raw)
       SELECT id, account.model_id, provider, symbol, side, price, size, "startPosition", seq, "feeUsd", "closedPnl", oid, cloid, tid, crossed, liquidation, kind, "tsMs", raw
       FROM account, given ON CONFLICT (id) DO NOTHING RETURNING id
     ), contradicted AS (
       SELECT given.id FROM given CROSS JOIN LATERAL (
         SELECT 1 FROM fills f WHERE f.id = given.id
           AND (f.model_id, f.symbol, f.kind, f.side, f.price, f.size, f.ts_ms) <> ($1, given.symbol, given.kind, given.side, given.price, given.size, given."tsMs") LIMIT 1) known
     )
     SELECT m.exchange_provider AS provider, account.version, ARRAY(SELECT id FROM added) AS added, ARRAY(SELECT id FROM contradicted) AS contradicted
     FROM account JOIN models m ON m.id = account.model_id`,
    [modelId, JSON.stringify(fills)],
  );
  return rows[0] ?? null;
}

/** What makes two versions of a trade the same: everything the ledger derives, by column. */
const TRADE_FIGURES = {
  quantity: 'quantity',
  entryPrice: 'entry_price',
  exitPrice: 'exit_price',
  realizedGrossPnl: 'realized_gross_pnl',
  realizedNetPnl: 'realized_net_pnl',
  entryCommission: 'entry_commission_dollars',
  exitCommission: 'exit_commission_dollars',
  entryTsMs: 'entry_ts_ms',
  exitTsMs: 'exit_ts_ms',
  entryOid: 'entry_oid',
  entryTid: 'entry_tid',
  exitTid: 'exit_tid',
  entrySz: 'entry_sz',
  exitSz: 'exit_sz',
  entryCrossed: 'entry_crossed',
  exitCrossed: 'exit_crossed',
  exitLiquidation: 'exit_liquidation IS NOT NULL',
} as const satisfies Partial<Record<keyof LedgerTrade, string>>;

const POSITION_FIGURES = {
  side: 'side',
  status: 'status',
  entryPrice: 'entry_price',
  quantity: 'quantity',
  entryTsMs: 'entry_ts_ms',
  entryOid: 'entry_oid',
  commission: 'commission',
  closedPnl: 'closed_pnl',
  exitTsMs: 'exit_ts_ms',
  exitPrice: 'exit_price',
} as const satisfies Partial<Record<keyof LedgerPosition, string>>;

const columnsOf = (figures: Readonly<Record<string, string>>) =>
  Object.entries(figures)
    .map(([name, column]) => `${column} AS "${name}"`)
    .join(', ');
const sameIn =
  <T>(names: readonly (keyof T)[]) =>
  (a: T, b: T) =>
    names.every((name) => a[name] === b[name]);

type TradeFigures = Pick<LedgerTrade, keyof typeof TRADE_FIGURES>;
type PositionFigures = Pick<LedgerPosition, keyof typeof POSITION_FIGURES>;
export const sameTrade = sameIn<TradeFigures>(Object.keys(TRADE_FIGURES) as (keyof TradeFigures)[]);
export const samePosition = sameIn<PositionFigures>(Object.keys(POSITION_FIGURES) as (keyof PositionFigures)[]);

export type KnownTrade = TradeFigures & { readonly id: string; readonly revision: number; readonly voided: boolean };

/** What stands beside the figures that the ledger derives: the decision's plan, and the orders that carry it out. */
export type PositionPlan = {
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
  readonly riskUsd: number | null;
  readonly invalidationCondition: string | null;
  readonly slOid: number | null;
  readonly tpOid: number | null;
  readonly slippage: number | null;
  readonly indexCol: string | null;
};

const PLAN_COLUMNS = `leverage, confidence, stop_loss AS "stopLoss", take_profit AS "takeProfit", risk_usd AS "riskUsd",
  invalidation_condition AS "invalidationCondition", sl_oid AS "slOid", tp_oid AS "tpOid", slippage, index_col AS "indexCol"`;

export type KnownPosition = PositionFigures & PositionPlan & { readonly id: string; readonly side: Direction };

/** The ledger of one symbol from its last flat point before some new fills on: all that they may change. */
export type LedgerTail = {
  readonly symbol: string;
  readonly fromMs: number;
  /** Nothing was executed before. */
  readonly fromBeginning: boolean;
  /** Null when nobody knows the instrument. */
  readonly sizeDecimals: number | null;
  readonly fills: readonly Fill[];
  readonly positions: readonly KnownPosition[];
  readonly trades: readonly KnownTrade[];
  /** Trades that the closing orders of these fills had made before: keeps the ordinals of trade ids stable. */
  readonly priorTrades: readonly { readonly oid: number; readonly count: number }[];
};

const MODEL = onePlan('$1::text');
/** Whether something was held just before a moment. Positions of a symbol follow each other, so the last one before it tells. */
const heldBefore = (moment: string) => `coalesce((
  SELECT b.exit_ts_ms IS NULL OR b.exit_ts_ms >= ${moment} FROM positions b
  WHERE b.model_id = ${MODEL} AND b.symbol = asked.symbol AND b.entry_ts_ms < ${moment} ORDER BY b.entry_ts_ms DESC, b.exit_ts_ms DESC NULLS FIRST LIMIT 1), false)`;
const list = (sql: string) => `(SELECT coalesce(json_agg(r), '[]') FROM (${sql}) r)`;
const OWN = `model_id = ${MODEL} AND symbol = flat.symbol`;
/** From the flat point on. The end of all time is there for the planner, which takes a range without one for a third of the table. */
const behind = (column: string) => `${column} BETWEEN from_ms AND ${Number.MAX_SAFE_INTEGER}`;

/**
 * The tails of some symbols' ledgers. A flat point is where the ledger's own positions leave nothing held and no execution of the same
 * millisecond lies on the other side; the last one at or before `earliestMs` counts. Its cost depends on what lies behind that point only.
 *
 * @param provider market whose instruments tell the size of a lot
 */
export function ledgerTails(
  tx: Queryable,
  modelId: string,
  provider: string,
  asked: readonly { readonly symbol: string; readonly earliestMs: number }[],
): Promise<LedgerTail[]> {
  return tx.query<LedgerTail>(
    `WITH flat AS MATERIALIZED (
       SELECT asked.symbol, CASE WHEN NOT ${heldBefore('asked.earliest')} THEN asked.earliest ELSE coalesce((
         SELECT p.entry_ts_ms FROM positions p
         WHERE p.model_id = ${MODEL} AND p.symbol = asked.symbol AND p.entry_ts_ms <= asked.earliest AND NOT ${heldBefore('p.entry_ts_ms')}
         ORDER BY p.entry_ts_ms DESC LIMIT 1), 0) END AS from_ms
       FROM unnest(${onePlan('$2::text[]')}, ${onePlan('$3::bigint[]')}) AS asked(symbol, earliest)
     )
     SELECT symbol, from_ms AS "fromMs",
            coalesce((SELECT ts_ms FROM fills WHERE ${OWN} AND kind IN ('trade', 'opening') ORDER BY ts_ms LIMIT 1) >= from_ms, true) AS "fromBeginning",
            (SELECT size_decimals FROM market_assets WHERE provider = $4 AND symbol = flat.symbol) AS "sizeDecimals",
            ${list(`SELECT ${FILL_COLUMNS} FROM fills WHERE ${OWN} AND kind IN ('trade', 'opening') AND ${behind('ts_ms')}`)} AS fills,
            ${list(`SELECT id, ${columnsOf(POSITION_FIGURES)}, ${PLAN_COLUMNS} FROM positions WHERE ${OWN} AND ${behind('entry_ts_ms')} ORDER BY entry_ts_ms`)} AS positions,
            ${list(`SELECT id, revision, voided_at IS NOT NULL AS voided, ${columnsOf(TRADE_FIGURES)}
              FROM trades WHERE ${OWN} AND ${behind('entry_ts_ms')} AND exit_reason <> 'import'`)} AS trades,
            ${list(`SELECT closing.oid, prior.count FROM (SELECT DISTINCT oid FROM fills WHERE ${OWN} AND ${behind('ts_ms')} AND oid IS NOT NULL) closing
              CROSS JOIN LATERAL (SELECT count(*) AS count FROM trades
                WHERE exit_oid = closing.oid AND ${OWN} AND entry_ts_ms < from_ms AND voided_at IS NULL AND exit_reason <> 'import') prior
              WHERE prior.count > 0`)} AS "priorTrades"
     FROM flat ORDER BY symbol`,
    [modelId, asked.map((each) => each.symbol), asked.map((each) => each.earliestMs), provider],
  );
}

/** All entries of a model, for checks. */
export function fillsOf(db: Queryable, modelId: string): Promise<Fill[]> {
  return db.query<Fill>(`SELECT ${FILL_COLUMNS} FROM fills WHERE model_id = $1 ORDER BY ts_ms, seq`, [modelId]);
}
