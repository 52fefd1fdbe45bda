/** Bets on the way back: buys what fell out of its Bollinger band fast, sells what shot out of it, leaves at the middle. */

import type { FrameAsset } from '../../domain/decision.ts';
import type { DecisionModel } from '../decision-model.ts';
import { pct } from './plan.ts';
import { HOUR_MS, ruleModel, sideOf, type View } from './rules.ts';

/** Distance from the middle in standard deviations; the band itself is at 2. */
const MIN_DEVIATIONS = 1.9;
/** RSI 7 at or beyond 50 ± this. */
const MIN_RSI_OFFSET = 20;
/** A faster hour than this is an event, not an excursion: do not stand in its way. */
const MAX_CHANGE_1H = 0.03;

/** Bollinger / RSI mean reversion; stop 2.5 ATR, target as far, exit at the middle band, at most 3 h. */
export function meanReverter(): DecisionModel {
  return ruleModel({
    kind: 'mean-reverter',
    stops: { atrMultiple: 2.5, minFraction: 0.01, maxFraction: 0.03, fallbackFraction: 0.01, reward: 1 },
    maxHoldMs: 3 * HOUR_MS,
    sizing: () => ({ equityFraction: 0.15, leverage: 2 }),
    view,
    exit(position, asset) {
      const middle = asset.indicators.bollMiddle;
      if (middle === null) return null;
      const sign = sideOf(position) === 'long' ? 1 : -1;
      return (asset.price - middle) * sign >= 0 ? `price is back at the middle band (${middle.toPrecision(6)})` : null;
    },
  });
}

function view(asset: FrameAsset): View | null {
  const { bollUpper, bollMiddle, rsi7 } = asset.indicators;
  if (bollUpper === null || bollMiddle === null || rsi7 === null || bollUpper <= bollMiddle) return null;
  const deviations = (asset.price - bollMiddle) / ((bollUpper - bollMiddle) / 2);
  const sign = deviations < 0 ? 1 : -1;
  const isFar = Math.abs(deviations) >= MIN_DEVIATIONS && (50 - rsi7) * sign >= MIN_RSI_OFFSET;
  const change1h = asset.change1h ?? 0;
  const isCalm = Math.abs(change1h) <= MAX_CHANGE_1H;
  const state = `price ${deviations.toFixed(2)} deviations from its mean, RSI 7 ${rsi7.toFixed(0)}`;
  const waiting = isFar ? `but ${pct(change1h)} in an hour is no excursion` : 'not stretched enough to snap back';
  return {
    side: sign > 0 ? 'long' : 'short',
    ready: isFar && isCalm,
    score: Math.abs(deviations),
    confidence: 0.5 + 0.4 * Math.min(1, Math.abs(deviations) / 4),
    reason:
      isFar && isCalm ? `${state}: expecting the way back to ${bollMiddle.toPrecision(6)}` : `${state}; ${waiting}`,
    invalidation: `no return to the middle band within 3 h, or the move runs on to the stop`,
  };
}
