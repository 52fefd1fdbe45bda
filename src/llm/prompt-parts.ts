/** What the prompts of both desks are made of. */

import type { FrameAsset, Indicators } from '../domain/decision.ts';
import type { Placeholder } from '../domain/prompt-template.ts';

/** Everything that is filled in, beside the slot itself. */
export type PromptParts = Readonly<Record<Exclude<Placeholder, 'time' | 'decision_number'>, string>>;

/** What only the equities desk has to say. */
export const NO_DESK = {
  session: 'none',
  signals: 'none',
  sentiment: 'none',
  monitoring: 'none',
  market_context: 'none',
};

const CLOSES_SHOWN = 12;

export function when(tsMs: number): string {
  return new Date(tsMs).toISOString();
}

export function indicatorLine({ symbol, indicators, closes }: FrameAsset): string {
  // A frame that was stored before an indicator existed lacks it.
  const of = (key: keyof Indicators): string => number(indicators[key] ?? null);
  return [
    `${symbol}: EMA 20/50/200 ${of('ema20')} / ${of('ema50')} / ${of('ema200')}`,
    `MACD ${of('macd')} signal ${of('macdSignal')} histogram ${of('macdHistogram')}`,
    `RSI 7/14 ${of('rsi7')} / ${of('rsi14')}`,
    `ATR 14 ${of('atr14')}`,
    `Bollinger ${of('bollLower')} / ${of('bollMiddle')} / ${of('bollUpper')}`,
    `20-bar low/high ${of('donchianLow20')} / ${of('donchianHigh20')}`,
    `volume to its mean of 5/20 bars ${of('volumeRatio5')} / ${of('volumeRatio20')}`,
    `closes ${closes.slice(-CLOSES_SHOWN).join(', ') || '-'}`,
  ].join('; ');
}

export function money(value: number): string {
  return `${value.toFixed(2)} USD`;
}

export function percent(fraction: number, digits = 2): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

export function percentOr(fraction: number | null, digits = 2): string {
  return fraction === null ? '-' : percent(fraction, digits);
}

/** Six significant digits without an exponent: enough to decide on, and few tokens. */
export function number(value: number | null): string {
  return value === null ? '-' : Number(value.toPrecision(6)).toString();
}
