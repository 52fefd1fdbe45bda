/** Goes with the trend: the averages apart, price and MACD on the same side. Leaves when the averages or the price turn. */

import type { FrameAsset } from '../../domain/decision.ts';
import type { DecisionModel } from '../decision-model.ts';
import { HOUR_MS, ruleModel, sideOf, type View } from './rules.ts';

/** The averages must be this many ATRs apart before their order counts as a trend rather than noise. */
const MIN_SPREAD_ATR = 0.8;

/** A bar must close this many ATRs beyond EMA 50 to break the trend; less is a pullback. */
const BROKEN_ATR = 0.5;

/** EMA 20 / 50 trend following with MACD confirmation; stop 2.5 ATR, target half as far again, at most 6 h. */
export function trendFollower(): DecisionModel {
  return ruleModel({
    kind: 'trend-follower',
    stops: { atrMultiple: 2.5, minFraction: 0.01, maxFraction: 0.03, fallbackFraction: 0.01, reward: 1.5 },
    maxHoldMs: 6 * HOUR_MS,
    sizing: () => ({ equityFraction: 0.15, leverage: 2 }),
    view,
    exit(position, asset) {
      const { ema20, ema50, atr14 } = asset.indicators;
      if (ema20 === null || ema50 === null || atr14 === null) return null;
      const sign = sideOf(position) === 'long' ? 1 : -1;
      if ((ema20 - ema50) * sign < 0) return `EMA 20 crossed EMA 50 against the ${sideOf(position)} position`;
      const close = asset.closes.at(-1);
      if (close !== undefined && (ema50 - close) * sign > BROKEN_ATR * atr14)
        return `a bar closed beyond EMA 50 at ${close}: trend broken`;
      return null;
    },
  });
}

function view(asset: FrameAsset): View | null {
  const { ema20, ema50, atr14, macd } = asset.indicators;
  if (ema20 === null || ema50 === null || atr14 === null || macd === null || atr14 <= 0) return null;
  const spread = (ema20 - ema50) / atr14;
  const sign = spread >= 0 ? 1 : -1;
  const isWide = Math.abs(spread) >= MIN_SPREAD_ATR;
  const isConfirmed = (asset.price - ema20) * sign > 0 && macd * sign > 0;
  const strength = Math.min(1, Math.abs(spread) / 3);
  const state = `EMA 20 is ${Math.abs(spread).toFixed(2)} ATR ${sign > 0 ? 'above' : 'below'} EMA 50`;
  const waiting = isWide ? 'price and MACD do not confirm' : `less than ${MIN_SPREAD_ATR} ATR is no trend`;
  return {
    side: sign > 0 ? 'long' : 'short',
    ready: isWide && isConfirmed,
    score: strength,
    confidence: 0.55 + 0.35 * strength,
    reason: isWide && isConfirmed ? `${state}, price and MACD confirm` : `${state}; ${waiting}`,
    invalidation: `EMA 20 crosses EMA 50, or a bar closes ${sign > 0 ? 'below' : 'above'} EMA 50 (${ema50.toPrecision(6)})`,
  };
}
