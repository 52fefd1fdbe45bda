/** Shapes of the public API that also stand in Redis. Times inside trades and positions are float unix seconds. */

/** A position as stored, without anything that depends on the market. */
export type StoredPosition = {
  readonly modelId: string;
  readonly symbol: string;
  readonly side: 'long' | 'short';
  readonly quantity: number;
  readonly entryPrice: number;
  readonly entryTsMs: number;
  readonly entryOid: number | null;
  readonly slOid: number | null;
  readonly tpOid: number | null;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly riskUsd: number | null;
  readonly invalidationCondition: string | null;
  readonly waitForFill: boolean;
  readonly slippage: number | null;
  readonly indexCol: string | null;
  readonly commission: number | null;
  readonly closedPnl: number | null;
  /** Highest leverage the exchange allows; with it goes the maintenance margin. */
  readonly maxLeverage: number | null;
};

/**
 * Liquidation price of a cross position that has nothing but its own margin behind it, USD.
 * liq = price − side · margin / size / (1 − l · side) with l = 1 / (2 · maxLeverage), as the real exchange computes it.
 */
export function liquidationPrice(
  position: Pick<StoredPosition, 'quantity' | 'entryPrice' | 'leverage' | 'maxLeverage'>,
): number {
  const side = Math.sign(position.quantity);
  const size = Math.abs(position.quantity);
  if (size === 0) return 0;
  const maintenance = 1 / (2 * (position.maxLeverage ?? 20));
  const initialMargin = (size * position.entryPrice) / (position.leverage ?? 1);
  const available = initialMargin - size * position.entryPrice * maintenance;
  return Math.max(0, position.entryPrice - (side * available) / size / (1 - maintenance * side));
}

/** A position of the API, marked to market now. */
export function publishedPosition(position: StoredPosition, markPrice: number) {
  const leverage = position.leverage ?? 1;
  return {
    entry_oid: position.entryOid ?? -1,
    oid: position.entryOid ?? -1,
    tp_oid: position.tpOid ?? -1,
    sl_oid: position.slOid ?? -1,
    risk_usd: position.riskUsd ?? 0,
    confidence: position.confidence ?? 0,
    index_col: position.indexCol,
    exit_plan: {
      profit_target: position.takeProfit,
      stop_loss: position.stopLoss,
      invalidation_condition: position.invalidationCondition,
    },
    entry_time: position.entryTsMs / 1000,
    symbol: position.symbol,
    entry_price: position.entryPrice,
    margin: Math.abs(position.quantity * position.entryPrice) / leverage,
    wait_for_fill: position.waitForFill,
    current_price: markPrice,
    closed_pnl: position.closedPnl ?? 0,
    liquidation_price: liquidationPrice(position),
    commission: position.commission ?? 0,
    leverage,
    slippage: position.slippage ?? 0,
    quantity: position.quantity,
    unrealized_pnl: position.quantity * (markPrice - position.entryPrice),
  };
}

export type PublishedPosition = ReturnType<typeof publishedPosition>;

/** A trade as stored. */
export type StoredTrade = {
  readonly id: string;
  readonly modelId: string;
  readonly symbol: string;
  readonly side: string;
  readonly tradeType: string | null;
  readonly quantity: number;
  readonly leverage: number | null;
  readonly confidence: number | null;
  readonly entryPrice: number;
  readonly entryTsMs: number;
  readonly entryOid: number | null;
  readonly entryTid: number | null;
  readonly entrySz: number | null;
  readonly entryCrossed: boolean | null;
  readonly entryCommissionDollars: number | null;
  readonly entryClosedPnl: number | null;
  readonly entryLiquidation: unknown;
  readonly exitPrice: number;
  readonly exitTsMs: number;
  readonly exitOid: number | null;
  readonly exitTid: number | null;
  readonly exitSz: number | null;
  readonly exitCrossed: boolean | null;
  readonly exitCommissionDollars: number | null;
  readonly exitClosedPnl: number | null;
  readonly exitLiquidation: unknown;
  readonly exitPlan: Record<string, unknown>;
  readonly exitReason: string | null;
  readonly realizedGrossPnl: number;
  readonly realizedNetPnl: number;
  readonly totalCommissionDollars: number;
  readonly revision: number;
};

/** `2025-10-24 15:00:35.473000`, as the original writes times for people: without a fraction at whole seconds. */
function humanTime(tsMs: number): string {
  const text = new Date(tsMs).toISOString().replace('T', ' ');
  return tsMs % 1000 === 0 ? text.slice(0, 19) : `${text.slice(0, 23)}000`;
}

/** Float seconds as the original writes them inside texts: `1761318035.0`, `1761318035.473`. */
function floatText(seconds: number): string {
  return Number.isInteger(seconds) ? `${seconds}.0` : String(seconds);
}

/** The 33 fields of a trade of the API. */
export function publishedTrade(trade: StoredTrade) {
  const entry = trade.entryTsMs / 1000;
  const exit = trade.exitTsMs / 1000;
  return {
    id: trade.id,
    trade_id: `${floatText(entry)}_${trade.symbol}_${floatText(exit)}_${trade.modelId}`,
    model_id: trade.modelId,
    symbol: trade.symbol,
    side: trade.side,
    trade_type: trade.tradeType ?? trade.side,
    quantity: trade.quantity,
    leverage: trade.leverage ?? 1,
    confidence: trade.confidence ?? 0,
    entry_price: trade.entryPrice,
    entry_time: entry,
    entry_human_time: humanTime(trade.entryTsMs),
    entry_oid: trade.entryOid,
    entry_tid: trade.entryTid,
    entry_sz: trade.entrySz,
    entry_crossed: trade.entryCrossed,
    entry_commission_dollars: trade.entryCommissionDollars,
    entry_closed_pnl: trade.entryClosedPnl,
    entry_liquidation: trade.entryLiquidation,
    exit_price: trade.exitPrice,
    exit_time: exit,
    exit_human_time: humanTime(trade.exitTsMs),
    exit_oid: trade.exitOid,
    exit_tid: trade.exitTid,
    exit_sz: trade.exitSz,
    exit_crossed: trade.exitCrossed,
    exit_commission_dollars: trade.exitCommissionDollars,
    exit_closed_pnl: trade.exitClosedPnl,
    exit_liquidation: trade.exitLiquidation,
    exit_plan: trade.exitPlan,
    realized_gross_pnl: trade.realizedGrossPnl,
    realized_net_pnl: trade.realizedNetPnl,
    total_commission_dollars: trade.totalCommissionDollars,
  };
}

export type PublishedTrade = ReturnType<typeof publishedTrade>;
