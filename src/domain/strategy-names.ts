/** Names of the built-in strategies: the arena file may say them, `llm/builtin` implements them. */
export const STRATEGY_NAMES = [
  'trend-follower',
  'mean-reverter',
  'breakout',
  'carry',
  'buy-and-hold',
  'coin-flip',
  'session-trader',
] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];
