/**
 * The analytics payload of one model, computed in full from its history. Names, units and definitions are those of the
 * arena's original API. Percentages are 0–100, confidence 0–1, holding periods and breaks minutes, times inside the payload
 * float unix seconds. `std_*` are sample standard deviations; everything of an empty group is 0.
 */

import type { AnalyticsInput, AnalyticsTrade } from './analytics-input.ts';
import { invocations, signalsTable } from './analytics-signals.ts';
import { maximum, mean, median, minimum, percentage, sampleStd, sum } from './statistics.ts';

export type { AnalyticsInput, AnalyticsSignals, AnalyticsTrade } from './analytics-input.ts';

const MS_PER_MINUTE = 60_000;

/** The payload of `/api/analytics/:modelId`. */
export type AnalyticsPayload = ReturnType<typeof computeAnalytics>;

/** Computes the whole payload. Pure; time grows with the history, so it is the reference for incremental upkeep. */
export function computeAnalytics(input: AnalyticsInput) {
  const lastTrade = newest(input.trades);
  return {
    id: input.modelId,
    model_id: input.modelId,
    updated_at: input.updatedAtMs / 1000,
    fee_pnl_moves_breakdown_table: feePnlMoves(input.trades),
    winners_losers_breakdown_table: winnersLosers(input.trades),
    signals_breakdown_table: signalsTable(input),
    last_trade_exit_time: lastTrade === null ? null : lastTrade.exitTsMs / 1000,
    invocation_breakdown_table: invocations(input.invocationTsMs),
    longs_shorts_breakdown_table: longsShorts(input.trades),
    last_convo_doc_id: input.lastConversation?.id ?? null,
    last_convo_timestamp: input.lastConversation === null ? null : input.lastConversation.tsMs / 1000,
    overall_trades_overview_table: overview(input),
    last_trade_doc_id: lastTrade?.id ?? null,
  };
}

function newest(trades: readonly AnalyticsTrade[]): AnalyticsTrade | null {
  let last: AnalyticsTrade | null = null;
  for (const trade of trades) {
    // Equal exit times are decided by id, so that the order of the input does not show.
    const later = last === null || trade.exitTsMs > last.exitTsMs;
    if (last === null || later || (trade.exitTsMs === last.exitTsMs && trade.id > last.id)) last = trade;
  }
  return last;
}

function feePnlMoves(trades: readonly AnalyticsTrade[]) {
  const net = trades.map((trade) => trade.netPnl);
  const gross = trades.map((trade) => trade.grossPnl);
  const fees = trades.map((trade) => trade.feeUsd);
  const netTotal = sum(net);
  return {
    std_net_pnl: sampleStd(net),
    total_fees_paid: sum(fees),
    overall_pnl_without_fees: sum(gross),
    total_fees_as_pct_of_pnl: netTotal > 0 ? percentage(sum(fees), netTotal) : 0,
    overall_pnl_with_fees: netTotal,
    avg_taker_fee: mean(fees),
    std_gross_pnl: sampleStd(gross),
    avg_net_pnl: mean(net),
    biggest_net_loss: minimum(net),
    biggest_net_gain: maximum(net),
    avg_gross_pnl: mean(gross),
    std_taker_fee: sampleStd(fees),
  };
}

/** What every group of trades is described by. */
function describe(trades: readonly AnalyticsTrade[]) {
  const net = trades.map((trade) => trade.netPnl);
  const notional = trades.map(notionalUsd);
  const hold = trades.map(holdMins);
  return {
    avgNet: mean(net),
    stdNet: sampleStd(net),
    avgNotional: mean(notional),
    stdNotional: sampleStd(notional),
    medianNotional: median(notional),
    avgHold: mean(hold),
    stdHold: sampleStd(hold),
    medianHold: median(hold),
  };
}

function winnersLosers(trades: readonly AnalyticsTrade[]) {
  const won = trades.filter((trade) => trade.netPnl > 0);
  const winners = describe(won);
  const losers = describe(trades.filter((trade) => trade.netPnl <= 0));
  return {
    std_losers_notional: losers.stdNotional,
    std_winners_notional: winners.stdNotional,
    avg_winners_net_pnl: winners.avgNet,
    win_rate: percentage(won.length, trades.length),
    std_losers_net_pnl: losers.stdNet,
    avg_losers_net_pnl: losers.avgNet,
    std_losers_holding_period: losers.stdHold,
    avg_losers_notional: losers.avgNotional,
    avg_losers_holding_period: losers.avgHold,
    avg_winners_holding_period: winners.avgHold,
    std_winners_net_pnl: winners.stdNet,
    avg_winners_notional: winners.avgNotional,
    std_winners_holding_period: winners.stdHold,
  };
}

function longsShorts(trades: readonly AnalyticsTrade[]) {
  const longTrades = trades.filter((trade) => trade.side === 'long');
  const longs = describe(longTrades);
  const shorts = describe(trades.filter((trade) => trade.side === 'short'));
  return {
    std_longs_holding_period: longs.stdHold,
    std_longs_notional: longs.stdNotional,
    std_shorts_notional: shorts.stdNotional,
    num_long_trades: longTrades.length,
    avg_longs_notional: longs.avgNotional,
    avg_shorts_holding_period: shorts.avgHold,
    avg_shorts_net_pnl: shorts.avgNet,
    avg_longs_net_pnl: longs.avgNet,
    std_shorts_holding_period: shorts.stdHold,
    num_short_trades: trades.length - longTrades.length,
    long_short_trades_ratio: trades.length === 0 ? 0 : longTrades.length / trades.length,
    std_shorts_net_pnl: shorts.stdNet,
    avg_longs_holding_period: longs.avgHold,
    std_longs_net_pnl: longs.stdNet,
    avg_shorts_notional: shorts.avgNotional,
  };
}

function overview({ trades, signals }: AnalyticsInput) {
  const all = describe(trades);
  const asked = [...signals.long.leverages, ...signals.short.leverages];
  const equityShares = trades.flatMap((trade) =>
    trade.entryEquityUsd === null ? [] : [percentage(notionalUsd(trade), trade.entryEquityUsd)],
  );
  return {
    avg_convo_leverage: mean(asked),
    avg_holding_period_mins: all.avgHold,
    avg_take_profit_distance_pct: mean(distances(trades, 'takeProfit')),
    median_holding_period_mins: all.medianHold,
    std_size_of_trade_notional: all.stdNotional,
    avg_size_of_trade_notional: all.avgNotional,
    total_trades: trades.length,
    median_size_of_trade_notional: all.medianNotional,
    avg_size_of_trade_portfolio_pct: mean(equityShares),
    std_holding_period_mins: all.stdHold,
    avg_stop_loss_distance_pct: mean(distances(trades, 'stopLoss')),
    std_size_of_trade_portfolio_pct: sampleStd(equityShares),
    median_convo_leverage: median(asked),
  };
}

/** Distances from the entry price in percent of it, of the trades that had such a price. */
function distances(trades: readonly AnalyticsTrade[], level: 'stopLoss' | 'takeProfit'): number[] {
  return trades.flatMap((trade) => {
    const price = trade[level];
    return price === null ? [] : [percentage(Math.abs(price - trade.entryPrice), trade.entryPrice)];
  });
}

function notionalUsd(trade: AnalyticsTrade): number {
  return Math.abs(trade.quantity) * trade.entryPrice;
}

function holdMins(trade: AnalyticsTrade): number {
  return (trade.exitTsMs - trade.entryTsMs) / MS_PER_MINUTE;
}
