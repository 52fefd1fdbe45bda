/** From the universe to ranked candidates: what is watched, what was seen in it, and how good it looks. Pure. */

import type { Bar } from '../bars.ts';
import type { Indicators } from '../decision.ts';
import { addBar, NO_BARS, readIndicators } from '../indicators.ts';
import type { SignalName } from './published.ts';

/** A stock as the screen sees it. Bars are closed ones, oldest first, and reach into the sessions before. */
export type Screened = {
  readonly symbol: string;
  readonly price: number;
  readonly bars: readonly Bar[];
  /** Whether the newest bar is of this session and has just ended; what an older one shows is no signal any more. */
  readonly isCurrent: boolean;
  /** Change since the last close, as a fraction; null when there was none. */
  readonly change: number | null;
  /** −1 to 1; 0 when nobody wrote anything. */
  readonly sentiment: number;
};

export type Candidate = {
  readonly symbol: string;
  readonly score: number;
  readonly price: number;
  readonly signals: readonly SignalName[];
  readonly macd: number | null;
  readonly rsi: number | null;
};

const WINDOW = 20;
/** Bars that the MACD and its signal need, and one more for a cross. */
const LEAST_BARS = 26 + 9 + 1;
const MIN_PRICE_USD = 5;
const SURGE = 2;
/** How near to the support a low must have come, and how far the price must have left it. */
const SUPPORT_TOUCH = 0.0015;
const SUPPORT_LEFT = 0.003;
const RECENT = 3;
const OVERBOUGHT = 75;

/** How much a signal alone is worth; together they come nearer to 1 and never pass it. */
const WEIGHTS: Readonly<Record<SignalName, number>> = {
  breakout: 0.5,
  volume_surge: 0.3,
  support_bounce: 0.45,
  macd_cross: 0.4,
};

/** The busiest stocks: those that moved most on the most unusual volume. */
export function watchlistOf(stocks: readonly Screened[], count: number): string[] {
  return stocks
    .filter(({ price, bars }) => price >= MIN_PRICE_USD && bars.length > WINDOW)
    .map((stock) => ({ symbol: stock.symbol, activity: activityOf(stock) }))
    .sort((a, b) => b.activity - a.activity || (a.symbol < b.symbol ? -1 : 1))
    .slice(0, count)
    .map(({ symbol }) => symbol);
}

/** Candidates among the watched, best first. What shows no signal is none. */
export function rankCandidates(stocks: readonly Screened[], watchlist: readonly string[], count: number): Candidate[] {
  return stocks
    .filter(({ symbol }) => watchlist.includes(symbol))
    .map(candidateOf)
    .filter(({ signals }) => signals.length > 0)
    .sort((a, b) => b.score - a.score || (a.symbol < b.symbol ? -1 : 1))
    .slice(0, count);
}

function activityOf({ bars, change }: Screened): number {
  return Math.abs(change ?? 0) * Math.max(0.5, relativeVolume(bars, RECENT));
}

/** Volume of the newest bars over that of the window before them. */
function relativeVolume(bars: readonly Bar[], recent: number): number {
  const before = mean(bars.slice(-WINDOW - recent, -recent).map(({ volume }) => volume));
  return before > 0 ? mean(bars.slice(-recent).map(({ volume }) => volume)) / before : 1;
}

export function candidateOf(stock: Screened): Candidate {
  const { symbol, price, bars, isCurrent, change, sentiment } = stock;
  const earlier = bars.slice(0, -1).reduce(addBar, NO_BARS);
  const newest = bars.at(-1);
  const before = readIndicators(earlier);
  const now = newest === undefined ? before : readIndicators(addBar(earlier, newest));
  const strength = now.rsi14;
  const signals = isCurrent ? signalsOf(bars, now, before) : [];
  const seen = 1 - signals.reduce((left, signal) => left * (1 - WEIGHTS[signal]), 1);
  const momentum = Math.max(-0.1, Math.min(0.1, 5 * (change ?? 0)));
  const tired = strength !== null && strength > OVERBOUGHT ? 0.15 : 0;
  const score = signals.length === 0 ? 0 : seen + momentum + 0.15 * sentiment - tired;
  return {
    symbol,
    price,
    signals,
    score: Math.round(100 * Math.max(0, Math.min(1, score))) / 100,
    macd: now.macd,
    rsi: strength,
  };
}

function signalsOf(bars: readonly Bar[], now: Indicators, before: Indicators): SignalName[] {
  if (bars.length < LEAST_BARS) return [];
  const found: SignalName[] = [];
  if (isBreakout(bars)) found.push('breakout');
  if (relativeVolume(bars, 1) >= SURGE) found.push('volume_surge');
  if (isSupportBounce(bars)) found.push('support_bounce');
  if (isMacdCross(now, before)) found.push('macd_cross');
  return found;
}

/** The newest bar closed above everything of the window before it. */
function isBreakout(bars: readonly Bar[]): boolean {
  const newest = bars.at(-1);
  return newest !== undefined && newest.close > Math.max(...bars.slice(-WINDOW - 1, -1).map(({ high }) => high));
}

/** The price came down to the low of the window, held there, and turned up. */
function isSupportBounce(bars: readonly Bar[]): boolean {
  const newest = bars.at(-1);
  if (newest === undefined || newest.close <= newest.open) return false;
  const support = Math.min(...bars.slice(-WINDOW - RECENT, -RECENT).map(({ low }) => low));
  const lowest = Math.min(...bars.slice(-RECENT).map(({ low }) => low));
  const held = Math.abs(lowest / support - 1) <= SUPPORT_TOUCH;
  return held && newest.close >= support * (1 + SUPPORT_LEFT);
}

/** The MACD line went above its signal with the newest bar. */
function isMacdCross(now: Indicators, before: Indicators): boolean {
  return (
    now.macdHistogram !== null && before.macdHistogram !== null && now.macdHistogram > 0 && before.macdHistogram <= 0
  );
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
