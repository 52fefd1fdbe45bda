/** One look at an open position: where it stands, and whether it should be closed. Pure. */

import type { Bar } from '../bars.ts';
import { addBar, NO_BARS, readIndicators } from '../indicators.ts';
import { type ExitReason, isoTime, type Monitoring } from './published.ts';

/** What the charts say about a stock: computed once a closed minute, whoever holds it. */
export type Chart = {
  readonly rsi1m: number | null;
  /** Histogram of the MACD on five-minute bars, now and a bar before. */
  readonly histogram5m: number | null;
  readonly histogramBefore: number | null;
  readonly macd5m: number | null;
  readonly resistance: number | null;
  readonly support: number | null;
};

export type Watched = {
  readonly symbol: string;
  /** Signed: short < 0. */
  readonly quantity: number;
  readonly entryPrice: number;
  readonly entryTsMs: number;
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
  readonly price: number;
  /** The best price since the entry that was seen before; null at the first look. */
  readonly bestPrice: number | null;
};

export type WatchRules = {
  /** Fraction of the best price; what a position must have gained before, too. */
  readonly trailing: number;
  /** From here on everything is to be closed; null: positions may stay. */
  readonly sessionEndMs: number | null;
};

export type Look = {
  readonly bestPrice: number;
  readonly monitoring: Monitoring;
  readonly exit: { readonly reason: ExitReason; readonly confidence: number } | null;
};

const LEVEL_BARS = 20;
const OVERBOUGHT = 70;
const OVERSOLD = 30;
/** Below it nobody buys any more. */
const WEAK_RSI = 42;
/** A histogram must turn by this fraction of the price to mean something. */
const FLAT = 0.00002;
/** A loss beyond it may not be called noise any more. */
const WEAK_LOSS = -0.002;

export function chartOf(minutes: readonly Bar[], fives: readonly Bar[]): Chart {
  const levels = fives.slice(-LEVEL_BARS);
  const earlier = fives.slice(0, -1).reduce(addBar, NO_BARS);
  const before = readIndicators(earlier);
  const newest = fives.at(-1);
  const now = newest === undefined ? before : readIndicators(addBar(earlier, newest));
  return {
    rsi1m: readIndicators(minutes.reduce(addBar, NO_BARS)).rsi14,
    macd5m: now.macd,
    histogram5m: now.macdHistogram,
    histogramBefore: before.macdHistogram,
    resistance: levels.length === 0 ? null : Math.max(...levels.map(({ high }) => high)),
    support: levels.length === 0 ? null : Math.min(...levels.map(({ low }) => low)),
  };
}

export function lookAt(position: Watched, chart: Chart, nowMs: number, rules: WatchRules): Look {
  const sign = position.quantity < 0 ? -1 : 1;
  const { price, entryPrice } = position;
  const seen = [position.bestPrice ?? entryPrice, entryPrice, price];
  const bestPrice = sign > 0 ? Math.max(...seen) : Math.min(...seen);
  const macd = macdSignal(chart, price);
  return {
    bestPrice,
    exit: exitOf(position, { ...chart, macd }, bestPrice, nowMs, rules),
    monitoring: {
      technical_signals: {
        rsi_1m: { value: rounded(chart.rsi1m, 2), signal: rsiSignal(chart.rsi1m) },
        macd_5m: { value: rounded(chart.histogram5m, 4), signal: macd },
        support_resistance: nextLevel(chart, price, sign),
      },
      profit_target: levelOf(position.takeProfit, price),
      stop_loss: levelOf(position.stopLoss, price),
      time_in_trade: durationText(nowMs - position.entryTsMs),
      timestamp: isoTime(nowMs),
    },
  };
}

function exitOf(
  position: Watched,
  chart: Chart & { readonly macd: string },
  bestPrice: number,
  nowMs: number,
  rules: WatchRules,
): Look['exit'] {
  const sign = position.quantity < 0 ? -1 : 1;
  const { price, entryPrice, stopLoss, takeProfit } = position;
  if (stopLoss !== null && sign * (price - stopLoss) <= 0) return { reason: 'stop_loss', confidence: 1 };
  if (takeProfit !== null && sign * (price - takeProfit) >= 0) return { reason: 'target_reached', confidence: 0.9 };
  if (rules.sessionEndMs !== null && nowMs >= rules.sessionEndMs) return { reason: 'session_end', confidence: 1 };
  const best = sign * (bestPrice / entryPrice - 1);
  const fallen = sign * (1 - price / bestPrice);
  if (best >= rules.trailing && fallen >= rules.trailing) return { reason: 'trailing_stop', confidence: 0.85 };
  const gain = sign * (price / entryPrice - 1);
  const weak = sign > 0 ? (chart.rsi1m ?? 50) < WEAK_RSI : (chart.rsi1m ?? 50) > 100 - WEAK_RSI;
  const against = chart.histogram5m !== null && sign * chart.histogram5m < 0;
  return chart.macd === 'weakening' && weak && against && gain <= WEAK_LOSS
    ? { reason: 'weakening', confidence: 0.6 }
    : null;
}

function rsiSignal(value: number | null): Monitoring['technical_signals']['rsi_1m']['signal'] {
  if (value === null) return 'unknown';
  return value >= OVERBOUGHT ? 'overbought' : value <= OVERSOLD ? 'oversold' : 'neutral';
}

function macdSignal(
  { histogram5m, histogramBefore }: Chart,
  price: number,
): Monitoring['technical_signals']['macd_5m']['signal'] {
  if (histogram5m === null || histogramBefore === null) return 'unknown';
  const turned = histogram5m - histogramBefore;
  if (Math.abs(turned) < FLAT * price) return 'flat';
  return turned < 0 ? 'weakening' : 'strengthening';
}

/** What the price meets next on its way: a resistance above a long position, a support below a short one, else what is nearer. */
function nextLevel(
  { resistance, support }: Chart,
  price: number,
  sign: number,
): Monitoring['technical_signals']['support_resistance'] {
  const above = resistance !== null && resistance > price ? resistance : null;
  const below = support !== null && support < price ? support : null;
  if (above !== null && (sign > 0 || below === null)) return { next_level: above, type: 'resistance' };
  return below === null ? { next_level: null, type: 'unknown' } : { next_level: below, type: 'support' };
}

function levelOf(value: number | null, price: number): Monitoring['stop_loss'] {
  return { value, distance: value === null ? null : `${(Math.abs(value / price - 1) * 100).toFixed(1)}%` };
}

/** `00:27:15`; a position that is held for days counts its hours on. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function rounded(value: number | null, decimals: number): number | null {
  return value === null ? null : Number(value.toFixed(decimals));
}
