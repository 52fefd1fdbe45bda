/** Follows a price that leaves the range of the last twenty bars, and gives up when it falls back to the range's middle. */

import type { FrameAsset } from '../../domain/decision.ts';
import type { DecisionModel } from '../decision-model.ts';
import { HOUR_MS, ruleModel, sideOf, type View } from './rules.ts';

/** The price must be this many ATRs outside: a touch of the edge is no breakout. */
const BUFFER_ATR = 0.25;

/** Donchian 20 breakout; stop 2 ATR, target 4 ATR, exit in the middle of the channel, at most 4 h. */
export function breakout(): DecisionModel {
  return ruleModel({
    kind: 'breakout',
    stops: { atrMultiple: 2, minFraction: 0.01, maxFraction: 0.03, fallbackFraction: 0.01, reward: 2 },
    maxHoldMs: 4 * HOUR_MS,
    sizing: () => ({ equityFraction: 0.15, leverage: 2 }),
    view,
    exit(position, asset) {
      const { donchianHigh20: high, donchianLow20: low } = asset.indicators;
      if (high === null || low === null) return null;
      const middle = (high + low) / 2;
      const sign = sideOf(position) === 'long' ? 1 : -1;
      return (asset.price - middle) * sign < 0
        ? `price fell back through the channel's middle ${middle.toPrecision(6)}`
        : null;
    },
  });
}

function view(asset: FrameAsset): View | null {
  const { donchianHigh20: high, donchianLow20: low, atr14 } = asset.indicators;
  if (high === null || low === null || atr14 === null || atr14 <= 0) return null;
  const above = (asset.price - high) / atr14;
  const below = (low - asset.price) / atr14;
  const side = above >= below ? 'long' : 'short';
  const distance = Math.max(above, below);
  const ready = distance >= BUFFER_ATR;
  const edge = side === 'long' ? `high ${high.toPrecision(6)}` : `low ${low.toPrecision(6)}`;
  const where = distance >= 0 ? 'outside' : 'inside';
  const state = `price ${asset.price} is ${Math.abs(distance).toFixed(2)} ATR ${where} the 20-bar ${edge}`;
  return {
    side,
    ready,
    score: distance,
    confidence: 0.55 + 0.35 * Math.min(1, Math.max(0, distance) / 2),
    reason: ready ? `${state}: breakout` : `${state}; waiting for ${BUFFER_ATR} ATR beyond it`,
    invalidation: `price returns through the middle of the channel at ${((high + low) / 2).toPrecision(6)}`,
  };
}
