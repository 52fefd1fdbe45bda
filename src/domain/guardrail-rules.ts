/** The guardrails as a table: each has a code, what it means, the fields of the arena file that set it, and the rule itself. */

import type { Decision, DecisionContext, FrameAsset, MarketFrame, PositionView } from './decision.ts';
import type { Limits, symbolLimits } from './limits.ts';
import type { EntryPlan } from './sizing.ts';

/** What the decisions of one cycle, taken in their order, have used up so far. */
export type Used = { positions: number; marginUsd: number; readonly symbols: Set<string> };

/** Everything a rule may look at. */
export type EntryCase = {
  readonly decision: Decision;
  readonly context: DecisionContext;
  readonly frame: MarketFrame;
  readonly asset: FrameAsset;
  readonly used: Used;
  /** False in a late slot. */
  readonly mayEnter: boolean;
  readonly limits: Limits;
  /** The limits of the symbol. */
  readonly own: ReturnType<typeof symbolLimits>;
  /** Size, leverage and prices as they would be sent. */
  readonly plan: EntryPlan;
  /** A position in the symbol that is open already. */
  readonly held: PositionView | undefined;
  readonly isLong: boolean;
};

type Rule<Code extends string> = {
  readonly code: Code;
  readonly meaning: string;
  /** Fields of `guardrails` in the arena file that set it; none: it always holds. */
  readonly fields: readonly string[];
  /** Why the entry is refused; null when it is not. */
  readonly fails: (entry: EntryCase) => string | null;
};

const rule = <const Code extends string>(
  code: Code,
  meaning: string,
  fields: readonly string[],
  fails: Rule<Code>['fails'],
): Rule<Code> => ({ code, meaning, fields, fails });

const usd = (value: number) => `${value.toFixed(2)} USD`;
const when = (ms: number) => new Date(ms).toISOString();

/** Rules of entries, in the order they are judged in; the first that fails gives its code. */
export const ENTRY_RULES = [
  rule('LATE', 'The slot is older than its interval, at most a minute.', [], ({ mayEnter }) =>
    mayEnter ? null : 'the slot is too old for an entry',
  ),
  rule(
    'NO_SESSION',
    'The equities desk takes no entries now: its session has not begun, is over, or is about to end.',
    [],
    ({ frame }) =>
      frame.desk === undefined || frame.desk.session.mayEnter ? null : 'the session takes no entries now',
  ),
  rule(
    'NO_SIGNAL',
    'The equities desk buys only what its screen has signalled as an entry and put before the model at this slot.',
    [],
    ({ frame: { desk }, asset }) =>
      desk === undefined || desk.signals.some(({ type, symbol }) => type === 'entry' && symbol === asset.symbol)
        ? null
        : `there is no entry signal for ${asset.symbol} at this slot`,
  ),
  rule(
    'NO_SHORT',
    'The equities desk sells nothing that it does not hold: borrowing stocks is not modelled.',
    [],
    ({ frame, isLong, asset }) =>
      frame.desk === undefined || isLong ? null : `${asset.symbol} would have to be borrowed to be sold`,
  ),
  rule(
    'STALE_FRAME',
    'The price in the frame is older than allowed at the slot.',
    ['maxPriceAge'],
    ({ frame, asset, limits }) =>
      frame.slotMs - asset.priceTsMs > limits.maxPriceAgeMs
        ? `the price of ${asset.symbol} is of ${when(asset.priceTsMs)}, ${frame.slotMs - asset.priceTsMs} ms before the slot`
        : null,
  ),
  rule(
    'DAILY_LOSS',
    'The account lost too much since the UTC day began; no entries until it ends.',
    ['maxDailyLoss'],
    (entry) => paused(entry, 'DAILY_LOSS'),
  ),
  rule(
    'SHARPE_PAUSE',
    'The Sharpe ratio of the account is too low; no entries for a while.',
    ['minSharpe', 'sharpeAfter', 'sharpePause'],
    (entry) => paused(entry, 'SHARPE_PAUSE'),
  ),
  rule('LOW_CONFIDENCE', 'The stated confidence is too low.', ['minConfidence'], ({ decision, limits }) =>
    decision.confidence < limits.minConfidence
      ? `confidence ${decision.confidence} is below ${limits.minConfidence}`
      : null,
  ),
  rule('NO_ADD', 'A position of the same side is open, and adding is not allowed.', ['allowAdd'], (entry) =>
    entry.held !== undefined && entry.held.quantity > 0 === entry.isLong && !entry.limits.allowAdd
      ? `there is a position in ${entry.asset.symbol}; adding is not allowed`
      : null,
  ),
  rule('NO_HEDGE', 'A position of the other side is open, and hedging is not allowed.', ['allowHedge'], (entry) =>
    entry.held !== undefined && entry.held.quantity > 0 !== entry.isLong && !entry.limits.allowHedge
      ? `there is a position against it in ${entry.asset.symbol}; hedging is not allowed`
      : null,
  ),
  rule(
    'COOLDOWN',
    'A position in the symbol was closed a short while ago.',
    ['cooldown'],
    ({ asset, context, decision }) => {
      const cooling = context.history.cooldowns.find(({ symbol }) => symbol === decision.symbol);
      return cooling !== undefined && context.slotMs < cooling.untilMs
        ? `${asset.symbol} was closed a short while ago and rests until ${when(cooling.untilMs)}`
        : null;
    },
  ),
  rule('MAX_POSITIONS', 'Too many positions are open.', ['maxPositions'], ({ held, used, limits }) =>
    held === undefined && used.positions >= limits.maxPositions
      ? `at most ${limits.maxPositions} positions at a time`
      : null,
  ),
  rule(
    'LOW_LIQUIDITY',
    'The symbol is traded too little: volume of 24 hours, or open interest where it is known. Unknown both is too little.',
    ['minVolume24hUsd', 'minOpenInterestUsd'],
    illiquid,
  ),
  rule('SIZE_MISSING', 'An entry needs position_size_usd.', [], ({ decision }) =>
    typeof decision.position_size_usd === 'number' ? null : 'an entry needs position_size_usd',
  ),
  rule(
    'SIZE_TOO_SMALL',
    "The size in USD is too small, or less than one lot of the symbol's size grid.",
    ['minPositionUsd'],
    ({ plan, limits }) =>
      plan.notionalUsd < limits.size.minUsd || plan.size <= 0
        ? `${usd(plan.notionalUsd)} is below ${usd(limits.size.minUsd)} or less than a lot`
        : null,
  ),
  rule('SIZE_TOO_LARGE', 'The size in USD is too large.', ['maxPositionUsd'], (entry) =>
    value(entry) > entry.limits.size.maxUsd ? `${usd(value(entry))} is above ${usd(entry.limits.size.maxUsd)}` : null,
  ),
  rule(
    'VALUE_BELOW_BAND',
    'The value of the position is too small a part of the equity.',
    ['minPositionToEquity'],
    (entry) =>
      value(entry) < entry.own.minUsd
        ? `${usd(value(entry))} is below the band from ${usd(entry.own.minUsd)} on`
        : null,
  ),
  rule(
    'VALUE_ABOVE_BAND',
    'The value of the position is too large a multiple of the equity; majors and others have their own.',
    ['maxPositionToEquity', 'maxPositionToEquityOthers'],
    (entry) =>
      value(entry) > entry.own.maxUsd ? `${usd(value(entry))} is above the band up to ${usd(entry.own.maxUsd)}` : null,
  ),
  rule(
    'LEVERAGE_TOO_HIGH',
    "The leverage is above that of the symbol: its class's cap, or its own, or the exchange's maximum.",
    ['majors', 'maxLeverage', 'maxLeverageOthers', 'maxLeverageOf'],
    ({ decision, own, asset }) =>
      (decision.leverage ?? 1) > own.maxLeverage
        ? `leverage ${decision.leverage} is above ${own.maxLeverage} for ${asset.symbol}`
        : null,
  ),
  rule(
    'MARGIN_USAGE',
    'Too much of the equity would be bound as margin, at the leverage that is granted.',
    ['maxMarginUsage'],
    ({ plan, used, limits, context }) => {
      const margin = used.marginUsd + plan.marginUsd;
      return margin > limits.maxMarginUsage * context.account.equityUsd
        ? `margin would be ${usd(margin)}, more than ${limits.maxMarginUsage} of the equity`
        : null;
    },
  ),
  rule('STOP_MISSING', 'An entry needs stop_loss.', [], ({ plan }) =>
    plan.stopLoss === null ? 'an entry needs a stop_loss' : null,
  ),
  rule('STOP_WRONG_SIDE', 'The stop is on the winning side of the price.', [], ({ plan, asset, isLong }) =>
    stopDistance(plan, asset, isLong) <= 0 ? `stop ${plan.stopLoss} is on the wrong side of ${asset.price}` : null,
  ),
  rule('STOP_TOO_NEAR', 'The stop is too near to the price.', ['minStopDistance'], ({ plan, asset, isLong, limits }) =>
    stopDistance(plan, asset, isLong) < limits.minStopDistance * asset.price
      ? `stop ${plan.stopLoss} is nearer to ${asset.price} than ${limits.minStopDistance}`
      : null,
  ),
  rule('STOP_TOO_FAR', 'The stop is too far from the price.', ['maxStopDistance'], ({ plan, asset, isLong, limits }) =>
    stopDistance(plan, asset, isLong) > limits.maxStopDistance * asset.price
      ? `stop ${plan.stopLoss} is farther from ${asset.price} than ${limits.maxStopDistance}`
      : null,
  ),
  rule('TARGET_MISSING', 'An entry needs take_profit.', [], ({ plan }) =>
    plan.takeProfit === null ? 'an entry needs a take_profit' : null,
  ),
  rule('TARGET_WRONG_SIDE', 'The target is on the losing side of the price.', [], ({ plan, asset, isLong }) =>
    reward(plan, asset, isLong) <= 0 || (plan.takeProfit ?? 0) <= 0
      ? `target ${plan.takeProfit} is on the wrong side of ${asset.price}`
      : null,
  ),
  rule(
    'REWARD_RISK',
    'The target is too near for the distance of the stop.',
    ['minRewardRisk'],
    ({ plan, asset, isLong, limits }) => {
      const ratio = reward(plan, asset, isLong) / stopDistance(plan, asset, isLong);
      return ratio < limits.minRewardRisk
        ? `the target is worth ${ratio.toFixed(2)} of the risk, less than ${limits.minRewardRisk}`
        : null;
    },
  ),
  rule(
    'RISK_PER_TRADE',
    'Too much of the equity would be lost at the stop.',
    ['maxRiskPerTrade'],
    ({ plan, asset, isLong, limits, context }) => {
      const risk = (plan.notionalUsd * stopDistance(plan, asset, isLong)) / asset.price;
      return risk > limits.maxRiskPerTrade * context.account.equityUsd
        ? `${usd(risk)} would be lost at the stop, more than ${limits.maxRiskPerTrade} of the equity`
        : null;
    },
  ),
] as const;

/** Rules that hold for exits, or for every action. They are no figures and cannot be set. */
export const ACTION_RULES = [
  { code: 'UNKNOWN_SYMBOL', meaning: 'The symbol is not in the frame of the slot.' },
  { code: 'DUPLICATE_SYMBOL', meaning: 'The answer has an accepted action on the symbol already.' },
  { code: 'NO_POSITION', meaning: 'There is no position to close.' },
  { code: 'WRONG_SIDE', meaning: 'The position to close is of the other side.' },
] as const;

export type GuardrailCode = (typeof ENTRY_RULES | typeof ACTION_RULES)[number]['code'];

function paused({ context }: EntryCase, code: 'DAILY_LOSS' | 'SHARPE_PAUSE'): string | null {
  const { pause } = context.history;
  return pause?.code === code && context.slotMs < pause.untilMs ? `no entries until ${when(pause.untilMs)}` : null;
}

function illiquid({ asset, limits }: EntryCase): string | null {
  const { volume24h, openInterest } = asset;
  if (volume24h === null && openInterest === null) return `how much ${asset.symbol} is traded is not known`;
  if (volume24h !== null && volume24h < limits.minVolume24hUsd)
    return `${usd(volume24h)} traded in 24 h is below ${usd(limits.minVolume24hUsd)}`;
  const interestUsd = openInterest === null ? null : openInterest * asset.price;
  return interestUsd !== null && interestUsd < limits.minOpenInterestUsd
    ? `open interest of ${usd(interestUsd)} is below ${usd(limits.minOpenInterestUsd)}`
    : null;
}

/** Notional of the position after the entry: what is held on the same side counts. */
function value({ plan, held, isLong, asset }: EntryCase): number {
  const added = held !== undefined && held.quantity > 0 === isLong;
  return plan.notionalUsd + (added ? Math.abs(held.quantity) * asset.price : 0);
}

/** How far the price may go against the entry; negative where the stop is on the other side. */
function stopDistance(plan: EntryPlan, asset: FrameAsset, isLong: boolean): number {
  const stop = plan.stopLoss ?? 0;
  return isLong ? asset.price - stop : stop - asset.price;
}

function reward(plan: EntryPlan, asset: FrameAsset, isLong: boolean): number {
  const target = plan.takeProfit ?? 0;
  return isLong ? target - asset.price : asset.price - target;
}
