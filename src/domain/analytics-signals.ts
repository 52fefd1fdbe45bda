/** The analytics tables about what a model decided and when it was asked; trades come in only for leverage. */

import type { AnalyticsInput, AnalyticsTrade } from './analytics-input.ts';
import { maximum, mean, median, minimum, percentage, sampleStd } from './statistics.ts';

const MS_PER_MINUTE = 60_000;

/**
 * Counts, shares and confidences are of the decisions; the leverage figures are what the trades ran with, as in the
 * original, whose figures for the leverage that was asked for (`*_convo_leverage`) differ.
 */
export function signalsTable(input: AnalyticsInput) {
  return {
    ...signalCounts(input.signals),
    ...confidences(input.signals),
    ...leverages(input.trades),
    ...exposure(input),
  };
}

function signalCounts({ long, short, hold, close }: AnalyticsInput['signals']) {
  const total = long.count + short.count + hold.count + close.count;
  return {
    num_long_signals: long.count,
    num_short_signals: short.count,
    num_hold_signals: hold.count,
    num_close_signals: close.count,
    total_signals: total,
    long_signal_pct: percentage(long.count, total),
    short_signal_pct: percentage(short.count, total),
    hold_signal_pct: percentage(hold.count, total),
    close_signal_pct: percentage(close.count, total),
    long_short_ratio: short.count === 0 ? 0 : long.count / short.count,
  };
}

function confidences({ long, short, hold, close }: AnalyticsInput['signals']) {
  const all = [long, short, hold, close].flatMap((signals) => signals.confidences);
  return {
    avg_confidence: mean(all),
    median_confidence: median(all),
    std_confidence: sampleStd(all),
    avg_confidence_long: mean(long.confidences),
    std_confidence_long: sampleStd(long.confidences),
    avg_confidence_short: mean(short.confidences),
    std_confidence_short: sampleStd(short.confidences),
    avg_confidence_hold: mean(hold.confidences),
    std_confidence_hold: sampleStd(hold.confidences),
    avg_confidence_close: mean(close.confidences),
    std_confidence_close: sampleStd(close.confidences),
  };
}

function leverages(trades: readonly AnalyticsTrade[]) {
  const known = trades.flatMap(({ side, leverage }) => (leverage === null ? [] : [{ side, leverage }]));
  const all = known.map((trade) => trade.leverage);
  const longs = known.filter((trade) => trade.side === 'long').map((trade) => trade.leverage);
  const shorts = known.filter((trade) => trade.side === 'short').map((trade) => trade.leverage);
  return {
    avg_leverage: mean(all),
    median_leverage: median(all),
    std_leverage: sampleStd(all),
    avg_leverage_long: mean(longs),
    std_leverage_long: sampleStd(longs),
    avg_leverage_short: mean(shorts),
    std_leverage_short: sampleStd(shorts),
  };
}

/** Flat is the rest: the three add up to symbols · (invocations − 1) · average break. */
function exposure({ invocationTsMs, symbolsCount, positionMins }: AnalyticsInput) {
  const spanMins = (maximum(invocationTsMs) - minimum(invocationTsMs)) / MS_PER_MINUTE;
  // A position minute beyond the last invocation must not turn into negative flat time.
  const flat = Math.max(0, symbolsCount * spanMins - positionMins.long - positionMins.short);
  const total = positionMins.long + positionMins.short + flat;
  return {
    mins_long_combined: positionMins.long,
    mins_short_combined: positionMins.short,
    mins_flat_combined: flat,
    pct_mins_long_combined: percentage(positionMins.long, total),
    pct_mins_short_combined: percentage(positionMins.short, total),
    pct_mins_flat_combined: percentage(flat, total),
  };
}

/** The invocation table: how often the model was asked, and the minutes between. */
export function invocations(invocationTsMs: readonly number[]) {
  const times = invocationTsMs.toSorted((a, b) => a - b);
  const breaks = times.slice(1).map((tsMs, index) => (tsMs - (times[index] ?? tsMs)) / MS_PER_MINUTE);
  return {
    max_invocation_break_mins: maximum(breaks),
    std_invocation_break_mins: sampleStd(breaks),
    num_invocations: times.length,
    min_invocation_break_mins: minimum(breaks),
    avg_invocation_break_mins: mean(breaks),
  };
}
