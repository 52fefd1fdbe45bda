/**
 * The analytics payload of one model. Names, units and definitions are those of the arena's original API. Percentages are 0–100,
 * confidence 0–1, holding periods and breaks minutes, times inside the payload float unix seconds. `std_*` are sample standard
 * deviations; everything of an empty group is 0.
 */

import type { AnalyticsFacts, AnalyticsHistory, AnalyticsTrade } from './analytics-input.ts';
import {
  breakMins,
  cycleSamples,
  type Describe,
  type Description,
  type Measure,
  type Sample,
  tradeSamples,
} from './analytics-measures.ts';
import { invocations, signalsTable } from './analytics-signals.ts';
import { maximum, mean, median, minimum, percentage, sampleStd, sum } from './statistics.ts';

export type { AnalyticsFacts, AnalyticsHistory, AnalyticsTrade } from './analytics-input.ts';

/** The payload of `/api/analytics/:modelId`. */
export type AnalyticsPayload = ReturnType<typeof analyticsPayload>;

/** The payload from the statistics of a model's samples, wherever they come from. */
export function analyticsPayload(of: Describe, facts: AnalyticsFacts) {
  const { modelId, lastTrade, lastConversation } = facts;
  return {
    id: modelId,
    model_id: modelId,
    updated_at: facts.updatedAtMs / 1000,
    fee_pnl_moves_breakdown_table: feePnlMoves(of),
    winners_losers_breakdown_table: winnersLosers(of),
    signals_breakdown_table: signalsTable(of, facts),
    last_trade_exit_time: lastTrade === null ? null : lastTrade.exitTsMs / 1000,
    invocation_breakdown_table: invocations(of),
    longs_shorts_breakdown_table: longsShorts(of),
    last_convo_doc_id: lastConversation?.id ?? null,
    last_convo_timestamp: lastConversation === null ? null : lastConversation.tsMs / 1000,
    overall_trades_overview_table: overview(of),
    last_trade_doc_id: lastTrade?.id ?? null,
  };
}

/** Computes the whole payload from the whole history. Time grows with it: this is the reference that upkeep is held to. */
export function computeAnalytics(
  history: AnalyticsHistory,
  facts: Omit<AnalyticsFacts, 'lastTrade'>,
): AnalyticsPayload {
  return analyticsPayload(describeSamples(historySamples(history)), { ...facts, lastTrade: newest(history.trades) });
}

/** Every value of a history. */
function historySamples({ trades, cycles }: AnalyticsHistory): Sample[] {
  const times = cycles.map((cycle) => cycle.executedAtMs).sort((a, b) => a - b);
  return [
    ...trades.flatMap(tradeSamples),
    ...cycles.flatMap(cycleSamples),
    ...times.map((tsMs): Sample => ['invocation', tsMs]),
    ...times.slice(1).map((tsMs, index): Sample => ['break', breakMins(times[index] ?? tsMs, tsMs)]),
  ];
}

function describeSamples(samples: readonly Sample[]): Describe {
  const values = new Map<Measure, number[]>();
  for (const [measure, value] of samples) {
    const own = values.get(measure);
    if (own) own.push(value);
    else values.set(measure, [value]);
  }
  return (measure): Description => {
    const own = values.get(measure) ?? [];
    return {
      n: own.length,
      sum: sum(own),
      mean: mean(own),
      std: sampleStd(own),
      median: median(own),
      minimum: minimum(own),
      maximum: maximum(own),
    };
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

function feePnlMoves(of: Describe) {
  const net = of('net');
  const gross = of('gross');
  const fees = of('fee');
  return {
    std_net_pnl: net.std,
    total_fees_paid: fees.sum,
    overall_pnl_without_fees: gross.sum,
    total_fees_as_pct_of_pnl: net.sum > 0 ? percentage(fees.sum, net.sum) : 0,
    overall_pnl_with_fees: net.sum,
    avg_taker_fee: fees.mean,
    std_gross_pnl: gross.std,
    avg_net_pnl: net.mean,
    biggest_net_loss: net.minimum,
    biggest_net_gain: net.maximum,
    avg_gross_pnl: gross.mean,
    std_taker_fee: fees.std,
  };
}

/** What a group of trades is described by. */
function group(of: Describe, name: 'win' | 'loss' | 'long' | 'short') {
  return { net: of(`net.${name}`), notional: of(`notional.${name}`), hold: of(`hold.${name}`) };
}

function winnersLosers(of: Describe) {
  const winners = group(of, 'win');
  const losers = group(of, 'loss');
  return {
    std_losers_notional: losers.notional.std,
    std_winners_notional: winners.notional.std,
    avg_winners_net_pnl: winners.net.mean,
    win_rate: percentage(winners.net.n, of('net').n),
    std_losers_net_pnl: losers.net.std,
    avg_losers_net_pnl: losers.net.mean,
    std_losers_holding_period: losers.hold.std,
    avg_losers_notional: losers.notional.mean,
    avg_losers_holding_period: losers.hold.mean,
    avg_winners_holding_period: winners.hold.mean,
    std_winners_net_pnl: winners.net.std,
    avg_winners_notional: winners.notional.mean,
    std_winners_holding_period: winners.hold.std,
  };
}

function longsShorts(of: Describe) {
  const longs = group(of, 'long');
  const shorts = group(of, 'short');
  const { n } = of('net');
  return {
    std_longs_holding_period: longs.hold.std,
    std_longs_notional: longs.notional.std,
    std_shorts_notional: shorts.notional.std,
    num_long_trades: longs.net.n,
    avg_longs_notional: longs.notional.mean,
    avg_shorts_holding_period: shorts.hold.mean,
    avg_shorts_net_pnl: shorts.net.mean,
    avg_longs_net_pnl: longs.net.mean,
    std_shorts_holding_period: shorts.hold.std,
    num_short_trades: shorts.net.n,
    long_short_trades_ratio: n === 0 ? 0 : longs.net.n / n,
    std_shorts_net_pnl: shorts.net.std,
    avg_longs_holding_period: longs.hold.mean,
    std_longs_net_pnl: longs.net.std,
    avg_shorts_notional: shorts.notional.mean,
  };
}

function overview(of: Describe) {
  const hold = of('hold');
  const notional = of('notional');
  const share = of('share');
  const asked = of('asked');
  return {
    avg_convo_leverage: asked.mean,
    avg_holding_period_mins: hold.mean,
    avg_take_profit_distance_pct: of('takeProfit').mean,
    median_holding_period_mins: hold.median,
    std_size_of_trade_notional: notional.std,
    avg_size_of_trade_notional: notional.mean,
    total_trades: hold.n,
    median_size_of_trade_notional: notional.median,
    avg_size_of_trade_portfolio_pct: share.mean,
    std_holding_period_mins: hold.std,
    avg_stop_loss_distance_pct: of('stopLoss').mean,
    std_size_of_trade_portfolio_pct: share.std,
    median_convo_leverage: asked.median,
  };
}
