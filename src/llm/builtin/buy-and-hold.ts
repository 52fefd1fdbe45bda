/** The baseline: buys every symbol once without borrowing and never sells. */

import type { DecisionModel } from '../decision-model.ts';
import { type Market, ruleModel, type View } from './rules.ts';

/** Share of the allowed margin that is invested; the rest pays fees and funding. */
const INVESTED = 0.9;
const MAX_EQUITY_FRACTION = 0.25;

/** Equal parts of all symbols at leverage 1. Its stop at −30 % and target at +60 % are there because every entry needs them. */
export function buyAndHold(): DecisionModel {
  return ruleModel({
    kind: 'buy-and-hold',
    stops: { atrMultiple: 0, minFraction: 0.3, maxFraction: 0.3, fallbackFraction: 0.3, reward: 2 },
    maxHoldMs: null,
    sizing(market) {
      const { limits } = market.request.context;
      const parts = Math.max(1, Math.min(market.assets.length, limits.maxPositions));
      return { equityFraction: Math.min(MAX_EQUITY_FRACTION, (INVESTED * limits.maxMarginUsage) / parts), leverage: 1 };
    },
    view: (asset, market): View => ({
      side: 'long',
      ready: true,
      // The most traded ones first, in case there is not room for all.
      score: asset.volume24h ?? 0,
      confidence: 0.6,
      reason: `${asset.symbol} is not held yet; buying its equal part of ${parts(market)} and keeping it`,
      invalidation: 'none: it is held whatever happens',
    }),
    exit: () => null,
  });
}

function parts(market: Market): string {
  return `${market.assets.length} symbols`;
}
