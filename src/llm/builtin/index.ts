/** The built-in strategies by name. They trade without a key, a network or a bill. */

import type { StrategyName } from '../../domain/strategy-names.ts';
import type { DecisionModel } from '../decision-model.ts';
import { breakout } from './breakout.ts';
import { buyAndHold } from './buy-and-hold.ts';
import { carry } from './carry.ts';
import { coinFlip } from './coin-flip.ts';
import { meanReverter } from './mean-reverter.ts';
import { sessionTrader } from './session-trader.ts';
import { trendFollower } from './trend-follower.ts';

export type BuiltinStrategy = {
  /** One line for lists and help texts. */
  readonly description: string;
  readonly create: () => DecisionModel;
};

export const BUILTIN_STRATEGIES: Readonly<Record<StrategyName, BuiltinStrategy>> = {
  'trend-follower': { description: 'EMA 20/50 trend with MACD confirmation, out when it turns', create: trendFollower },
  'mean-reverter': { description: 'fades Bollinger and RSI extremes back to the mean', create: meanReverter },
  breakout: { description: 'follows a price that leaves its 20-bar range', create: breakout },
  carry: { description: 'receives funding on the symbols with the largest rates', create: carry },
  'buy-and-hold': { description: 'buys every symbol once, unlevered, and keeps it (baseline)', create: buyAndHold },
  'coin-flip': { description: 'random entries and exits from the seed (baseline)', create: coinFlip },
  'session-trader': {
    description: 'confirms what the equities desk sees, holds where there is no desk',
    create: sessionTrader,
  },
};
