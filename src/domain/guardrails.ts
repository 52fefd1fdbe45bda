/** Judges decisions by the guardrails. Pure: the same decision in the same context is judged the same way, at any time. */

import type { Decision, DecisionContext, MarketFrame } from './decision.ts';
import { ENTRY_RULES, type EntryCase, type GuardrailCode, type Used } from './guardrail-rules.ts';
import { symbolLimits } from './limits.ts';
import { planEntry } from './sizing.ts';

export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly code: GuardrailCode; readonly reason: string };

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
  used: Used,
  mayEnter: boolean,
): Verdict {
  if (decision.action === 'hold') return accepted;
  const asset = frame.assets[decision.symbol];
  if (asset === undefined || !Object.hasOwn(frame.assets, decision.symbol))
    return reject('UNKNOWN_SYMBOL', `${decision.symbol} is not traded here`);
  if (used.symbols.has(decision.symbol))
    return reject('DUPLICATE_SYMBOL', `a second action on ${decision.symbol} in one cycle`);
  if (decision.action.startsWith('close')) {
    const verdict = judgeExit(decision, context);
    if (verdict.accepted) countExit(decision, context, used);
    return verdict;
  }
  const { limits, positions } = context;
  const entry: EntryCase = {
    ...{ decision, context, frame, asset, used, mayEnter, limits },
    own: symbolLimits(limits, asset),
    plan: planEntry(decision, asset),
    held: positions.find((position) => position.symbol === decision.symbol),
    isLong: decision.action === 'open_long',
  };
  for (const { code, fails } of ENTRY_RULES) {
    const reason = fails(entry);
    if (reason !== null) return reject(code, reason);
  }
  countEntry(entry);
  return accepted;
}

function judgeExit(decision: Decision, context: DecisionContext): Verdict {
  const held = context.positions.find((position) => position.symbol === decision.symbol);
  if (held === undefined) return reject('NO_POSITION', `there is no position in ${decision.symbol} to close`);
  const side = held.quantity > 0 ? 'close_long' : 'close_short';
  return decision.action === side
    ? accepted
    : reject('WRONG_SIDE', `the position in ${decision.symbol} is closed by ${side}`);
}

function countExit(decision: Decision, context: DecisionContext, used: Used): void {
  const held = context.positions.find((position) => position.symbol === decision.symbol);
  used.symbols.add(decision.symbol);
  used.positions -= 1;
  if (held) used.marginUsd -= (Math.abs(held.quantity) * held.markPrice) / held.leverage;
}

function countEntry({ decision, used, held, plan }: EntryCase): void {
  used.symbols.add(decision.symbol);
  if (held === undefined) used.positions += 1;
  used.marginUsd += plan.marginUsd;
}
