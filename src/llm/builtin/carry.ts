/** Earns funding: holds the symbols with the largest rates, on the side that is paid. Does not look at the price's direction. */

import type { FrameAsset } from '../../domain/decision.ts';
import type { DecisionModel } from '../decision-model.ts';
import { pct, type Side } from './plan.ts';
import { HOUR_MS, type Market, ruleModel, sideOf, type View } from './rules.ts';

/** Entered when among so many largest rates … */
const ENTER_RANK = 3;
/** … and left when no longer among so many: the gap keeps two close rates from swapping places every hour. */
const KEEP_RANK = 4;

/** Funding carry on the receiving side of the highest |funding|; stop and target 1.5 % or 4 ATR, at most 6 h. */
export function carry(): DecisionModel {
  return ruleModel({
    kind: 'carry',
    stops: { atrMultiple: 4, minFraction: 0.015, maxFraction: 0.04, fallbackFraction: 0.015, reward: 1 },
    maxHoldMs: 6 * HOUR_MS,
    sizing: () => ({ equityFraction: 0.2, leverage: 2 }),
    view,
    exit(position, asset, market) {
      const { fundingRate } = asset;
      if (fundingRate === null) return null;
      if (fundingRate !== 0 && receivingSide(fundingRate) !== sideOf(position)) {
        return `funding turned to ${rate(fundingRate)}: the ${sideOf(position)} position would pay`;
      }
      const rank = rankOf(asset, market);
      return rank > KEEP_RANK ? `funding ${rate(fundingRate)} fell to rank ${rank}` : null;
    },
  });
}

function view(asset: FrameAsset, market: Market): View | null {
  const { fundingRate } = asset;
  if (fundingRate === null) {
    const reason = 'no funding rate is known, and without one there is nothing to earn';
    return { side: 'long', ready: false, score: -1, confidence: 0.5, reason, invalidation: '' };
  }
  const rank = rankOf(asset, market);
  const side = receivingSide(fundingRate);
  const ready = fundingRate !== 0 && rank <= ENTER_RANK;
  const state = `funding ${rate(fundingRate)} is number ${rank} by size`;
  return {
    side,
    ready,
    score: Math.abs(fundingRate),
    // 0.01 % an hour is about 88 % a year: as good as it gets.
    confidence: 0.55 + 0.35 * Math.min(1, Math.abs(fundingRate) / 0.0001),
    reason: ready ? `${state}: ${side} receives it` : `${state}; only the first ${ENTER_RANK} are held`,
    invalidation: `funding changes its sign or leaves the first ${KEEP_RANK}`,
  };
}

/** Longs pay a positive rate. */
function receivingSide(fundingRate: number): Side {
  return fundingRate > 0 ? 'short' : 'long';
}

/** 1 for the largest |funding|; equal rates rank by symbol, as `market.assets` are sorted. */
function rankOf(asset: FrameAsset, market: Market): number {
  const size = Math.abs(asset.fundingRate ?? 0);
  const ahead = market.assets.filter((other) => {
    const otherSize = Math.abs(other.fundingRate ?? 0);
    return otherSize > size || (otherSize === size && other.symbol < asset.symbol);
  });
  return ahead.length + 1;
}

function rate(fundingRate: number): string {
  return `${pct(fundingRate, 4)} an hour`;
}
