/** Limits that no decision may pass. Pure: the same decision in the same context is judged the same way, at any time. */

import type { Decision, DecisionContext, FrameAsset, MarketFrame } from './decision.ts';

export type GuardrailCode =
  | 'UNKNOWN_SYMBOL'
  | 'DUPLICATE_SYMBOL'
  | 'LOW_CONFIDENCE'
  | 'NO_POSITION'
  | 'WRONG_SIDE'
  | 'POSITION_EXISTS'
  | 'LATE'
  | 'MAX_POSITIONS'
  | 'SIZE_MISSING'
  | 'SIZE_TOO_SMALL'
  | 'SIZE_TOO_LARGE'
  | 'LEVERAGE_TOO_HIGH'
  | 'MARGIN_USAGE'
  | 'STOP_MISSING'
  | 'STOP_WRONG_SIDE'
  | 'STOP_TOO_NEAR'
  | 'TARGET_WRONG_SIDE';

export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly code: GuardrailCode; readonly reason: string };

export type Limits = DecisionContext['limits'] & { readonly minStopDistance: number };

/** What the decisions of one cycle, taken in their order, have used up so far. */
export type Used = { positions: number; marginUsd: number; readonly symbols: Set<string> };

export function startUsed(context: DecisionContext): Used {
  return { positions: context.positions.length, marginUsd: context.account.marginUsedUsd, symbols: new Set() };
}

const accepted: Verdict = { accepted: true };
const reject = (code: GuardrailCode, reason: string): Verdict => ({ accepted: false, code, reason });

/** Judges one decision. An accepted one is counted into `used`. `mayEnter` false: the slot is late, only exits are allowed. */
export function judge(
  decision: Decision,
  context: DecisionContext,
  frame: MarketFrame,
  limits: Limits,
  used: Used,
  mayEnter: boolean,
): Verdict {
  if (decision.action === 'hold') return accepted;
  const asset = frame.assets[decision.symbol];
  if (asset === undefined) return reject('UNKNOWN_SYMBOL', `${decision.symbol} is not traded here`);
  if (used.symbols.has(decision.symbol))
    return reject('DUPLICATE_SYMBOL', `a second action on ${decision.symbol} in one cycle`);
  const verdict = decision.action.startsWith('close')
    ? judgeExit(decision, context)
    : judgeEntry(decision, context, asset, limits, used, mayEnter);
  if (verdict.accepted) count(decision, context, used);
  return verdict;
}

function judgeExit(decision: Decision, context: DecisionContext): Verdict {
  const held = context.positions.find((position) => position.symbol === decision.symbol);
  if (held === undefined) return reject('NO_POSITION', `there is no position in ${decision.symbol} to close`);
  const side = held.quantity > 0 ? 'close_long' : 'close_short';
  return decision.action === side
    ? accepted
    : reject('WRONG_SIDE', `the position in ${decision.symbol} is closed by ${side}`);
}

function judgeEntry(
  decision: Decision,
  context: DecisionContext,
  asset: FrameAsset,
  limits: Limits,
  used: Used,
  mayEnter: boolean,
): Verdict {
  if (!mayEnter) return reject('LATE', 'the slot is too old for an entry');
  if (decision.confidence < limits.minConfidence)
    return reject('LOW_CONFIDENCE', `confidence ${decision.confidence} is below ${limits.minConfidence}`);
  if (context.positions.some((position) => position.symbol === decision.symbol))
    return reject('POSITION_EXISTS', `there is a position in ${decision.symbol}; adding and hedging are not allowed`);
  if (used.positions >= limits.maxPositions)
    return reject('MAX_POSITIONS', `at most ${limits.maxPositions} positions at a time`);
  return judgeSize(decision, context, asset, limits, used);
}

function judgeSize(
  decision: Decision,
  context: DecisionContext,
  asset: FrameAsset,
  limits: Limits,
  used: Used,
): Verdict {
  const size = decision.position_size_usd;
  if (size === null || size === undefined) return reject('SIZE_MISSING', 'an entry needs position_size_usd');
  if (size < limits.minPositionUsd)
    return reject('SIZE_TOO_SMALL', `${size} USD is below ${limits.minPositionUsd} USD`);
  if (size > limits.maxPositionUsd)
    return reject('SIZE_TOO_LARGE', `${size} USD is above ${limits.maxPositionUsd} USD`);
  const leverage = decision.leverage ?? 1;
  const maxLeverage = Math.min(limits.maxLeverage, asset.maxLeverage);
  if (leverage > maxLeverage)
    return reject('LEVERAGE_TOO_HIGH', `leverage ${leverage} is above ${maxLeverage} for ${decision.symbol}`);
  const margin = used.marginUsd + size / leverage;
  if (margin > limits.maxMarginUsage * context.account.equityUsd) {
    return reject(
      'MARGIN_USAGE',
      `margin would be ${margin.toFixed(2)} USD, more than ${limits.maxMarginUsage} of the equity`,
    );
  }
  return judgePrices(decision, asset, limits);
}

function judgePrices(decision: Decision, asset: FrameAsset, limits: Limits): Verdict {
  const stop = decision.stop_loss;
  if (stop === null || stop === undefined) return reject('STOP_MISSING', 'an entry needs a stop_loss');
  const long = decision.action === 'open_long';
  if (long ? stop >= asset.price : stop <= asset.price)
    return reject('STOP_WRONG_SIDE', `stop ${stop} is on the wrong side of ${asset.price}`);
  if (Math.abs(stop - asset.price) < limits.minStopDistance * asset.price)
    return reject('STOP_TOO_NEAR', `stop ${stop} is nearer to ${asset.price} than ${limits.minStopDistance}`);
  const target = decision.take_profit;
  if (target !== null && target !== undefined && (long ? target <= asset.price : target >= asset.price)) {
    return reject('TARGET_WRONG_SIDE', `target ${target} is on the wrong side of ${asset.price}`);
  }
  return accepted;
}

function count(decision: Decision, context: DecisionContext, used: Used): void {
  used.symbols.add(decision.symbol);
  if (decision.action.startsWith('close')) {
    const held = context.positions.find((position) => position.symbol === decision.symbol);
    used.positions -= 1;
    if (held) used.marginUsd -= (Math.abs(held.quantity) * held.markPrice) / held.leverage;
    return;
  }
  used.positions += 1;
  used.marginUsd += (decision.position_size_usd ?? 0) / (decision.leverage ?? 1);
}
