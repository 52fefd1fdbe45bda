/** What new fills make of the ledger's rows, written in one statement. */

import type { LedgerPosition, LedgerTrade } from '../domain/fill.ts';
import type { Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, effectsIn, insertEffects, type NewEffect } from './effects.ts';
import type { PositionPlan } from './ledger.ts';

export type PositionWrite = LedgerPosition & PositionPlan;

export type TradeWrite = LedgerTrade & {
  readonly revision: number;
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly exitPlan: object;
  readonly exitReason: string;
};

export type LedgerChange = {
  /** New positions and those that changed. */
  readonly positions: readonly PositionWrite[];
  /** Positions that the fills no longer lead to: a late one changed how they began. */
  readonly gonePositions: readonly string[];
  /** New trades and those that changed. */
  readonly trades: readonly TradeWrite[];
  /** Trades that the fills no longer lead to. They stay, with the time. */
  readonly voidedTrades: readonly string[];
};

/** A plan is written when its row appears and kept afterwards; what was not known then may come later. */
const writePositions = (status: 'closed' | 'open', after: string) => `
  INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, confidence, entry_ts_ms, commission, status, entry_oid, sl_oid, tp_oid, stop_loss,
    take_profit, risk_usd, invalidation_condition, slippage, index_col, closed_pnl, exit_ts_ms, exit_price)
  SELECT id, "modelId", symbol, side, "entryPrice", quantity, leverage, confidence, "entryTsMs", commission, status, "entryOid", "slOid", "tpOid", "stopLoss",
    "takeProfit", "riskUsd", "invalidationCondition", slippage, "indexCol", "closedPnl", "exitTsMs", "exitPrice"
  FROM given_positions WHERE status = '${status}' AND (SELECT count(*) FROM ${after}) >= 0
  ON CONFLICT (id) DO UPDATE SET side = excluded.side, entry_price = excluded.entry_price, quantity = excluded.quantity, commission = excluded.commission,
    status = excluded.status, closed_pnl = excluded.closed_pnl, exit_ts_ms = excluded.exit_ts_ms, exit_price = excluded.exit_price, entry_oid = excluded.entry_oid,
    entry_ts_ms = excluded.entry_ts_ms, leverage = coalesce(positions.leverage, excluded.leverage), confidence = coalesce(positions.confidence, excluded.confidence),
    sl_oid = coalesce(positions.sl_oid, excluded.sl_oid), tp_oid = coalesce(positions.tp_oid, excluded.tp_oid),
    stop_loss = coalesce(positions.stop_loss, excluded.stop_loss), take_profit = coalesce(positions.take_profit, excluded.take_profit),
    risk_usd = coalesce(positions.risk_usd, excluded.risk_usd),
    invalidation_condition = coalesce(positions.invalidation_condition, excluded.invalidation_condition), updated_at = now()
  RETURNING 1`;

/** Parts refer to each other's counts: a row must be closed before another one of the symbol is opened, for only one may be open. */
const WRITE = `
  WITH given_positions AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS p(id text, "modelId" text, symbol text, side text, "entryPrice" float8, quantity float8, leverage float8,
      confidence float8, "entryTsMs" bigint, commission float8, status text, "entryOid" bigint, "slOid" bigint, "tpOid" bigint, "stopLoss" float8, "takeProfit" float8,
      "riskUsd" float8, "invalidationCondition" text, slippage float8, "indexCol" text, "closedPnl" float8, "exitTsMs" bigint, "exitPrice" float8)
  ), gone AS (
    DELETE FROM positions WHERE id = ANY($3) RETURNING 1
  ), closed AS (${writePositions('closed', 'gone')}), opened AS (${writePositions('open', 'closed')}),
  given_trades AS (
    SELECT * FROM jsonb_to_recordset($4::jsonb) AS t(id text, "modelId" text, symbol text, side text, quantity float8, leverage float8, confidence float8,
      "entryPrice" float8, "entryTsMs" bigint, "entryOid" bigint, "entryTid" bigint, "entrySz" float8, "entryCrossed" boolean, "entryCommission" float8,
      "entryClosedPnl" float8, "exitPrice" float8, "exitTsMs" bigint, "exitOid" bigint, "exitTid" bigint, "exitSz" float8, "exitCrossed" boolean,
      "exitCommission" float8, "exitClosedPnl" float8, "exitLiquidation" boolean, "exitPlan" jsonb, "exitReason" text, "realizedGrossPnl" float8,
      "realizedNetPnl" float8, "totalCommission" float8, revision int)
  ), before AS (
    SELECT coalesce(sum(realized_gross_pnl::numeric), 0) AS gross FROM trades WHERE id = ANY($10) AND voided_at IS NULL
  ), written AS (
    INSERT INTO trades (id, model_id, symbol, side, trade_type, quantity, leverage, confidence, entry_price, entry_ts_ms, entry_oid, entry_tid, entry_sz, entry_crossed,
      entry_commission_dollars, entry_closed_pnl, exit_price, exit_ts_ms, exit_oid, exit_tid, exit_sz, exit_crossed, exit_commission_dollars, exit_closed_pnl,
      exit_liquidation, exit_plan, exit_reason, realized_gross_pnl, realized_net_pnl, total_commission_dollars, revision)
    SELECT id, "modelId", symbol, side, side, quantity, leverage, confidence, "entryPrice", "entryTsMs", "entryOid", "entryTid", "entrySz", "entryCrossed",
      "entryCommission", "entryClosedPnl", "exitPrice", "exitTsMs", "exitOid", "exitTid", "exitSz", "exitCrossed", "exitCommission", "exitClosedPnl",
      CASE WHEN "exitLiquidation" THEN '{"liquidated": true}'::jsonb END, "exitPlan", "exitReason", "realizedGrossPnl", "realizedNetPnl", "totalCommission", revision
    FROM given_trades
    ON CONFLICT (id) DO UPDATE SET side = excluded.side, trade_type = excluded.trade_type, quantity = excluded.quantity, entry_price = excluded.entry_price,
      entry_ts_ms = excluded.entry_ts_ms, entry_oid = excluded.entry_oid, entry_tid = excluded.entry_tid, entry_sz = excluded.entry_sz,
      entry_crossed = excluded.entry_crossed, entry_commission_dollars = excluded.entry_commission_dollars, entry_closed_pnl = excluded.entry_closed_pnl,
      exit_price = excluded.exit_price, exit_ts_ms = excluded.exit_ts_ms, exit_tid = excluded.exit_tid, exit_sz = excluded.exit_sz, exit_crossed = excluded.exit_crossed,
      exit_liquidation = excluded.exit_liquidation, exit_commission_dollars = excluded.exit_commission_dollars, leverage = excluded.leverage,
      confidence = excluded.confidence, exit_plan = excluded.exit_plan, exit_reason = excluded.exit_reason, exit_closed_pnl = excluded.exit_closed_pnl,
      realized_gross_pnl = excluded.realized_gross_pnl, realized_net_pnl = excluded.realized_net_pnl,
      total_commission_dollars = excluded.total_commission_dollars, revision = excluded.revision, voided_at = NULL
    RETURNING realized_gross_pnl::numeric AS gross
  ), voided AS (
    UPDATE trades SET voided_at = now(), revision = revision + 1 WHERE id = ANY($5) AND voided_at IS NULL RETURNING 1
  ), added AS (
    SELECT coalesce(sum(fee_usd::numeric) FILTER (WHERE kind <> 'opening'), 0) AS fees,
           coalesce(sum(closed_pnl::numeric) FILTER (WHERE kind = 'funding'), 0) AS funding,
           coalesce(sum(closed_pnl::numeric) FILTER (WHERE kind = 'transfer'), 0) AS transfers,
           coalesce(sum((price * size)::numeric) FILTER (WHERE kind = 'trade'), 0) AS turnover
    FROM fills WHERE id = ANY($6)
  ), account AS (
    UPDATE accounts SET version = version + 1, realized_usd = realized_usd + (SELECT coalesce(sum(gross), 0) FROM written) - (SELECT gross FROM before),
      fees_usd = fees_usd + added.fees, funding_usd = funding_usd + added.funding, transfers_usd = transfers_usd + added.transfers,
      turnover_usd = turnover_usd + added.turnover, synced_seq = greatest(synced_seq, $7), updated_at = now()
    FROM added WHERE model_id = $1 RETURNING 1
  )
  ${insertEffects(`account, ${effectsIn('$8::jsonb')}`, 'place', '$9::int')}`;

/**
 * Writes what some new fills (already added, in the same transaction) change: positions, trades, the account's sums and version,
 * the point up to which its ledger is complete, and the effects. Returns the effects. Nothing comes after it.
 *
 * The sums are exact decimals of the rows they add up, so that they do not depend on the order in which fills were learnt.
 */
export function writeLedger(
  last: Queryable,
  modelId: string,
  change: LedgerChange,
  fillIds: readonly string[],
  syncedSeq: number,
  effects: readonly NewEffect[],
): Promise<EffectRow[]> {
  return last.query<EffectRow>(WRITE, [
    modelId,
    JSON.stringify(change.positions),
    change.gonePositions,
    JSON.stringify(change.trades),
    change.voidedTrades,
    fillIds,
    syncedSeq,
    JSON.stringify(effects),
    EFFECT_LEASE_MS,
    [...change.voidedTrades, ...change.trades.map((trade) => trade.id)],
  ]);
}
