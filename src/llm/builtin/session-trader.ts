/** Confirms what the equities desk has seen: entries with the news and the market behind them, exits without hesitation. */

import type { FrameAsset } from '../../domain/decision.ts';
import type { AskedSignal, DeskPackage } from '../../domain/desk/package.ts';
import type { DecisionModel } from '../decision-model.ts';
import { HOUR_MS, type Market, ruleModel, type View } from './rules.ts';

/** Bad news of this strength keeps it out. */
const BEARISH = -0.2;
const NO_ENTRIES: ReadonlySet<string> = new Set(['bearish_trend', 'volatile']);
/** No session is longer. */
const SESSION_HOURS = 6.5;

/** Long only; stop 2 ATR, target 4 ATR, out with every exit signal and at the end of the session at the latest. */
export function sessionTrader(): DecisionModel {
  return ruleModel({
    kind: 'session-trader',
    stops: { atrMultiple: 2, minFraction: 0.004, maxFraction: 0.02, fallbackFraction: 0.01, reward: 2 },
    maxHoldMs: SESSION_HOURS * HOUR_MS,
    sizing: () => ({ equityFraction: 0.2, leverage: 1 }),
    view,
    exit(position, _asset, market) {
      const signal = signalOf(market, 'exit', position.symbol);
      return signal === undefined ? null : `${signal.reason} at ${signal.price}`;
    },
  });
}

function signalOf(market: Market, type: AskedSignal['type'], symbol: string): AskedSignal | undefined {
  return market.request.frame.desk?.signals.find((signal) => signal.type === type && signal.symbol === symbol);
}

function view(asset: FrameAsset, market: Market): View | null {
  const { desk } = market.request.frame;
  const signal = signalOf(market, 'entry', asset.symbol);
  if (desk === undefined || signal === undefined) return null;
  const against = objection(desk, asset.symbol);
  return {
    side: 'long',
    ready: against === null,
    score: signal.confidence,
    confidence: signal.confidence,
    reason: against === null ? `${signal.reason} confirmed` : `${signal.reason} seen, but ${against}`,
    invalidation: 'the stop, or an exit signal of the monitor',
  };
}

function objection(desk: DeskPackage, symbol: string): string | null {
  if (!desk.session.mayEnter) return 'the session is not one for entries now';
  const sentiment = desk.sentiment[symbol];
  if (sentiment !== undefined && sentiment.score <= BEARISH) return `the news are bad (${sentiment.score})`;
  const regime = desk.context?.market_regime;
  return regime !== undefined && NO_ENTRIES.has(regime) ? `the market is ${regime.replace('_', ' ')}` : null;
}
