/** The other baseline: chance. Whoever does not beat it has shown nothing. */

import type { PositionView } from '../../domain/decision.ts';
import { uniform } from '../../domain/random.ts';
import type { DecisionModel } from '../decision-model.ts';
import { type Market, MINUTE_MS, ruleModel, type View } from './rules.ts';

/** Chance of an entry per symbol and cycle. */
const ENTRY_CHANCE = 0.25;
const MIN_HOLD_MS = 20 * MINUTE_MS;
const MAX_HOLD_MS = 150 * MINUTE_MS;

/** Enters at random, long or short by a coin, and leaves after a random 20 to 150 minutes; stop and target 2.5 ATR. */
export function coinFlip(): DecisionModel {
  return ruleModel({
    kind: 'coin-flip',
    stops: { atrMultiple: 2.5, minFraction: 0.012, maxFraction: 0.03, fallbackFraction: 0.012, reward: 1 },
    maxHoldMs: MAX_HOLD_MS,
    sizing: () => ({ equityFraction: 0.1, leverage: 2 }),
    view: (asset, market) => flip(asset.symbol, market),
    exit(position, _asset, market) {
      const holdMs = holdingTimeMs(position, market);
      const heldMs = market.request.context.slotMs - position.entryTsMs;
      return heldMs >= holdMs ? `its time of ${(holdMs / MINUTE_MS).toFixed(0)} min, drawn at entry, is over` : null;
    },
  });
}

function flip(symbol: string, market: Market): View {
  const { seed, context } = market.request;
  const draw = uniform(seed, 'coin-flip/enter', context.modelId, context.slotMs, symbol);
  const side = uniform(seed, 'coin-flip/side', context.modelId, context.slotMs, symbol) < 0.5 ? 'long' : 'short';
  const ready = draw < ENTRY_CHANCE;
  return {
    side,
    ready,
    score: 1 - draw,
    confidence: 0.5,
    reason: ready
      ? `the coin says ${side} (drew ${draw.toFixed(3)}, enters below ${ENTRY_CHANCE})`
      : `drew ${draw.toFixed(3)}, enters below ${ENTRY_CHANCE}: not this time`,
    invalidation: 'none: there was no reason to begin with',
  };
}

/** Depends on the entry alone, so that every later cycle knows the same one without any memory. */
function holdingTimeMs(position: PositionView, market: Market): number {
  const { seed, context } = market.request;
  const share = uniform(seed, 'coin-flip/hold', context.modelId, position.entryTsMs, position.symbol);
  return MIN_HOLD_MS + share * (MAX_HOLD_MS - MIN_HOLD_MS);
}
