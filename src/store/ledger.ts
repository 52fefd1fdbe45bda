/** Fills and what is derived from them. All writers run under the account's row lock. */

import type { Fill, LedgerPosition, LedgerTrade } from '../domain/fill.ts';
import type { Queryable } from './database.ts';

const FILL_COLUMNS = `id, model_id AS "modelId", provider, symbol, side, price, size, start_position AS "startPosition", seq, fee_usd AS "feeUsd",
  closed_pnl AS "closedPnl", oid, cloid, tid, crossed, liquidation, kind, ts_ms AS "tsMs"`;

/** Locks the account until the commit. False when there is no such account. */
export async function lockAccount(tx: Queryable, modelId: string): Promise<boolean> {
  return (await tx.query('SELECT 1 FROM accounts WHERE model_id = $1 FOR UPDATE', [modelId])).length > 0;
}

/** Counts the account's version up and adds what new fills moved to its sums. Returns the new version. */
export async function moveAccount(tx: Queryable, modelId: string, fills: readonly Fill[]): Promise<number> {
  const sum = (of: (fill: Fill) => number) => fills.reduce((total, fill) => total + of(fill), 0);
  const cash = (kind: Fill['kind']) => sum((fill) => (fill.kind === kind ? fill.closedPnl : 0));
  const rows = await tx.query<{ version: number }>(
    `UPDATE accounts SET version = version + 1, realized_usd = realized_usd + $2, fees_usd = fees_usd + $3, funding_usd = funding_usd + $4, transfers_usd = transfers_usd + $5,
       turnover_usd = turnover_usd + $6, updated_at = now() WHERE model_id = $1 RETURNING version`,
    [
      modelId,
      cash('trade'),
      sum((fill) => fill.feeUsd),
      cash('funding'),
      cash('transfer'),
      sum((fill) => (fill.kind === 'trade' ? fill.price * fill.size : 0)),
    ],
  );
  return rows[0]?.version ?? 0;
}

/** Newest `seq` the ledger knows of each model: where the next sync goes on. */
export async function ledgerHeads(db: Queryable, modelIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.query<{ modelId: string; seq: number }>(
    `SELECT m.id AS "modelId", coalesce((SELECT seq FROM fills WHERE model_id = m.id ORDER BY seq DESC LIMIT 1), 0) AS seq FROM unnest($1::text[]) AS m(id)`,
    [modelIds],
  );
  return new Map(rows.map((row) => [row.modelId, row.seq]));
}

/** Adds fills that are not there yet; returns the ids that were new. */
export async function insertFills(tx: Queryable, fills: readonly Fill[]): Promise<Set<string>> {
  const rows = await tx.query<{ id: string }>(
    `INSERT INTO fills (id, model_id, provider, symbol, side, price, size, start_position, seq, fee_usd, closed_pnl, oid, cloid, tid, crossed, liquidation, kind, ts_ms)
     SELECT id, "modelId", provider, symbol, side, price, size, "startPosition", seq, "feeUsd", "closedPnl", oid, cloid, tid, crossed, liquidation, kind, "tsMs"
     FROM jsonb_to_recordset($1::jsonb) AS f(id text, "modelId" text, provider text, symbol text, side text, price float8, size float8, "startPosition" float8,
       seq bigint, "feeUsd" float8, "closedPnl" float8, oid bigint, cloid text, tid bigint, crossed boolean, liquidation boolean, kind text, "tsMs" bigint)
     ON CONFLICT (id) DO NOTHING RETURNING id`,
    [JSON.stringify(fills)],
  );
  return new Set(rows.map((row) => row.id));
}

/**
 * The fills of one (model, symbol) from the last flat point at or before `tsMs` on: what has to be folded again when a fill of that
 * time arrives. Flat is what the exchange says and the ledger's own positions agree to: while a fill is missing they do not, and a
 * position that ends in that very millisecond belongs to the fold. Without a flat point it is the whole history.
 */
export function fillsFromFlat(tx: Queryable, modelId: string, symbol: string, tsMs: number): Promise<Fill[]> {
  return tx.query<Fill>(
    `WITH flat AS (
       SELECT f.ts_ms FROM fills f WHERE f.model_id = $1 AND f.symbol = $2 AND f.kind = 'trade' AND f.start_position = 0 AND f.ts_ms <= $3
         AND NOT EXISTS (
           SELECT 1 FROM (
             SELECT exit_ts_ms FROM positions WHERE model_id = $1 AND symbol = $2 AND entry_ts_ms < f.ts_ms ORDER BY entry_ts_ms DESC, exit_ts_ms DESC LIMIT 1
           ) before WHERE before.exit_ts_ms IS NULL OR before.exit_ts_ms >= f.ts_ms)
       ORDER BY f.ts_ms DESC LIMIT 1
     )
     SELECT ${FILL_COLUMNS} FROM fills
     WHERE model_id = $1 AND symbol = $2 AND kind IN ('trade', 'opening') AND ts_ms >= coalesce((SELECT ts_ms FROM flat), 0)`,
    [modelId, symbol, tsMs],
  );
}

/** All executions of a model, for checks. */
export function fillsOf(db: Queryable, modelId: string): Promise<Fill[]> {
  return db.query<Fill>(`SELECT ${FILL_COLUMNS} FROM fills WHERE model_id = $1 ORDER BY ts_ms, seq`, [modelId]);
}

export type KnownTrade = {
  readonly id: string;
  readonly revision: number;
  readonly voided: boolean;
  readonly figures: string;
};

/** What makes two versions of a trade the same: everything the ledger derives, by column. */
const FIGURES = {
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

type Figures = Pick<LedgerTrade, keyof typeof FIGURES>;
const FIGURE_NAMES = Object.keys(FIGURES) as (keyof Figures)[];
const FIGURE_COLUMNS = FIGURE_NAMES.map((name) => `${FIGURES[name]} AS "${name}"`).join(', ');

export function tradeFigures(trade: Figures): string {
  return FIGURE_NAMES.map((name) => trade[name]).join('|');
}

/** Trades of one (model, symbol) that a fold from `fromMs` on replaces. */
export async function tradesFrom(
  tx: Queryable,
  modelId: string,
  symbol: string,
  fromMs: number,
): Promise<KnownTrade[]> {
  const rows = await tx.query<Figures & { id: string; revision: number; voided: boolean }>(
    `SELECT id, revision, voided_at IS NOT NULL AS voided, ${FIGURE_COLUMNS}
     FROM trades WHERE model_id = $1 AND symbol = $2 AND entry_ts_ms >= $3 AND exit_reason <> 'import'`,
    [modelId, symbol, fromMs],
  );
  return rows.map((row) => ({ id: row.id, revision: row.revision, voided: row.voided, figures: tradeFigures(row) }));
}

/** How many trades each order had closed before `fromMs`: keeps the ordinals of trade ids stable. */
export async function tradesBefore(
  tx: Queryable,
  modelId: string,
  symbol: string,
  fromMs: number,
  oids: readonly number[],
): Promise<Map<number, number>> {
  const rows = await tx.query<{ oid: number; count: number }>(
    `SELECT exit_oid AS oid, count(*) AS count FROM trades WHERE model_id = $1 AND symbol = $2 AND exit_oid = ANY($4::bigint[]) AND entry_ts_ms < $3 AND voided_at IS NULL GROUP BY exit_oid`,
    [modelId, symbol, fromMs, oids],
  );
  return new Map(rows.map((row) => [row.oid, row.count]));
}

/** What the decision said about a position: goes beside the figures that the ledger derives. */
export type PositionPlan = {
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
  readonly riskUsd: number | null;
  readonly invalidationCondition: string | null;
};

export type PositionWrite = LedgerPosition & PositionPlan;

/**
 * Writes the positions of a fold and removes those that the fold no longer knows (a late fill changed how a position began).
 * Plan columns are written when the row appears and kept afterwards.
 */
export async function writePositions(
  tx: Queryable,
  modelId: string,
  symbol: string,
  fromMs: number,
  positions: readonly PositionWrite[],
): Promise<void> {
  const json = JSON.stringify(positions);
  // A closed row must be closed before another one of the symbol is opened: there is at most one open row.
  await tx.query(
    `DELETE FROM positions WHERE model_id = $1 AND symbol = $2 AND entry_ts_ms >= $3 AND NOT (id = ANY($4::text[]))`,
    [modelId, symbol, fromMs, positions.map((position) => position.id)],
  );
  for (const status of ['closed', 'open']) {
    if (!positions.some((position) => position.status === status)) continue;
    await tx.query(
      `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, confidence, entry_ts_ms, commission, status, entry_oid, stop_loss, take_profit,
         risk_usd, invalidation_condition, closed_pnl, exit_ts_ms, exit_price)
       SELECT id, "modelId", symbol, side, "entryPrice", quantity, leverage, confidence, "entryTsMs", commission, status, "entryOid", "stopLoss", "takeProfit",
         "riskUsd", "invalidationCondition", "closedPnl", "exitTsMs", "exitPrice"
       FROM jsonb_to_recordset($1::jsonb) AS p(id text, "modelId" text, symbol text, side text, "entryPrice" float8, quantity float8, leverage float8, confidence float8,
         "entryTsMs" bigint, commission float8, status text, "entryOid" bigint, "stopLoss" float8, "takeProfit" float8, "riskUsd" float8, "invalidationCondition" text,
         "closedPnl" float8, "exitTsMs" bigint, "exitPrice" float8)
       WHERE status = $2
       ON CONFLICT (id) DO UPDATE SET side = excluded.side, entry_price = excluded.entry_price, quantity = excluded.quantity, commission = excluded.commission,
         status = excluded.status, closed_pnl = excluded.closed_pnl, exit_ts_ms = excluded.exit_ts_ms, exit_price = excluded.exit_price, updated_at = now()`,
      [json, status],
    );
  }
}

export type TradeWrite = LedgerTrade & {
  readonly revision: number;
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly exitPlan: object;
  readonly exitReason: string;
};

/** Writes new and revised trades. */
export async function writeTrades(tx: Queryable, trades: readonly TradeWrite[]): Promise<void> {
  if (trades.length === 0) return;
  await tx.query(
    `INSERT INTO trades (id, model_id, symbol, side, trade_type, quantity, leverage, confidence, entry_price, entry_ts_ms, entry_oid, entry_tid, entry_sz, entry_crossed,
       entry_commission_dollars, entry_closed_pnl, exit_price, exit_ts_ms, exit_oid, exit_tid, exit_sz, exit_crossed, exit_commission_dollars, exit_closed_pnl,
       exit_liquidation, exit_plan, exit_reason, realized_gross_pnl, realized_net_pnl, total_commission_dollars, revision)
     SELECT id, "modelId", symbol, side, side, quantity, leverage, confidence, "entryPrice", "entryTsMs", "entryOid", "entryTid", "entrySz", "entryCrossed",
       "entryCommission", "entryClosedPnl", "exitPrice", "exitTsMs", "exitOid", "exitTid", "exitSz", "exitCrossed", "exitCommission", "exitClosedPnl",
       CASE WHEN "exitLiquidation" THEN '{"liquidated": true}'::jsonb END, "exitPlan", "exitReason", "realizedGrossPnl", "realizedNetPnl", "totalCommission", revision
     FROM jsonb_to_recordset($1::jsonb) AS t(id text, "modelId" text, symbol text, side text, quantity float8, leverage float8, confidence float8, "entryPrice" float8,
       "entryTsMs" bigint, "entryOid" bigint, "entryTid" bigint, "entrySz" float8, "entryCrossed" boolean, "entryCommission" float8, "entryClosedPnl" float8,
       "exitPrice" float8, "exitTsMs" bigint, "exitOid" bigint, "exitTid" bigint, "exitSz" float8, "exitCrossed" boolean, "exitCommission" float8, "exitClosedPnl" float8,
       "exitLiquidation" boolean, "exitPlan" jsonb, "exitReason" text, "realizedGrossPnl" float8, "realizedNetPnl" float8, "totalCommission" float8, revision int)
     ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, entry_price = excluded.entry_price, entry_ts_ms = excluded.entry_ts_ms, entry_oid = excluded.entry_oid,
       entry_tid = excluded.entry_tid, entry_sz = excluded.entry_sz, entry_crossed = excluded.entry_crossed,
       entry_commission_dollars = excluded.entry_commission_dollars, entry_closed_pnl = excluded.entry_closed_pnl, exit_price = excluded.exit_price,
       exit_ts_ms = excluded.exit_ts_ms, exit_tid = excluded.exit_tid, exit_sz = excluded.exit_sz, exit_crossed = excluded.exit_crossed, exit_liquidation = excluded.exit_liquidation,
       exit_commission_dollars = excluded.exit_commission_dollars, leverage = excluded.leverage, confidence = excluded.confidence, exit_plan = excluded.exit_plan, exit_reason = excluded.exit_reason,
       exit_closed_pnl = excluded.exit_closed_pnl, realized_gross_pnl = excluded.realized_gross_pnl, realized_net_pnl = excluded.realized_net_pnl,
       total_commission_dollars = excluded.total_commission_dollars, revision = excluded.revision, voided_at = NULL`,
    [JSON.stringify(trades)],
  );
}

/** Marks trades that the ledger no longer leads to. They stay, with the time. */
export async function voidTrades(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length > 0)
    await tx.query(
      'UPDATE trades SET voided_at = now(), revision = revision + 1 WHERE id = ANY($1::text[]) AND voided_at IS NULL',
      [ids],
    );
}
