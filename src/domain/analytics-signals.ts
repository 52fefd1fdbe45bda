/** The analytics tables about what a model decided and when it was asked; trades come in only for leverage. */

import { type AnalyticsFacts, SIGNALS } from './analytics-input.ts';
import { type Describe, MS_PER_MINUTE } from './analytics-measures.ts';
import { percentage } from './statistics.ts';

/**
 * Counts, shares and confidences are of the decisions; the leverage figures are what the trades ran with, as in the
 * original, whose figures for the leverage that was asked for (`*_convo_leverage`) differ.
 */
export function signalsTable(of: Describe, facts: AnalyticsFacts) {
  return { ...signalCounts(of), ...confidences(of), ...leverages(of), ...exposure(of, facts) };
}

function signalCounts(of: Describe) {
  const [long = 0, short = 0, hold = 0, close = 0] = SIGNALS.map((signal) => of(`signal.${signal}`).n);
  const total = long + short + hold + close;
  return {
    num_long_signals: long,
    num_short_signals: short,
    num_hold_signals: hold,
    num_close_signals: close,
    total_signals: total,
    long_signal_pct: percentage(long, total),
    short_signal_pct: percentage(short, total),
    hold_signal_pct: percentage(hold, total),
    close_signal_pct: percentage(close, total),
    long_short_ratio: short === 0 ? 0 : long / short,
  };
}

function confidences(of: Describe) {
  const all = of('confidence');
  const long = of('confidence.long');
  const short = of('confidence.short');
  const hold = of('confidence.hold');
  const close = of('confidence.close');
  return {
    avg_confidence: all.mean,
    median_confidence: all.median,
    std_confidence: all.std,
    avg_confidence_long: long.mean,
    std_confidence_long: long.std,
    avg_confidence_short: short.mean,
    std_confidence_short: short.std,
    avg_confidence_hold: hold.mean,
    std_confidence_hold: hold.std,
    avg_confidence_close: close.mean,
    std_confidence_close: close.std,
  };
}

function leverages(of: Describe) {
  const all = of('leverage');
  const longs = of('leverage.long');
  const shorts = of('leverage.short');
  return {
    avg_leverage: all.mean,
    median_leverage: all.median,
    std_leverage: all.std,
    avg_leverage_long: longs.mean,
    std_leverage_long: longs.std,
    avg_leverage_short: shorts.mean,
    std_leverage_short: shorts.std,
  };
}

/** Flat is the rest: the three add up to symbols · (invocations − 1) · average break. */
function exposure(of: Describe, { symbolsCount, positionMins }: AnalyticsFacts) {
  const times = of('invocation');
  const spanMins = (times.maximum - times.minimum) / MS_PER_MINUTE;
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
export function invocations(of: Describe) {
  const breaks = of('break');
  return {
    max_invocation_break_mins: breaks.maximum,
    std_invocation_break_mins: breaks.std,
    num_invocations: of('invocation').n,
    min_invocation_break_mins: breaks.minimum,
    avg_invocation_break_mins: breaks.mean,
  };
}
