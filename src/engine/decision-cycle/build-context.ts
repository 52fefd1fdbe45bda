/** The exact inputs of a decision. */

import type { DecisionContext } from '../../domain/decision.ts';
import { entryPause } from '../../domain/pause.ts';
import { slotAt } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import type { AccountState } from '../../exchange/exchange.ts';
import { type CycleMemory, cycleMemory, type MemoryMoment } from '../../store/cycle-memory.ts';
import type { Stories } from '../context.ts';
import { limitsOf, pauseRulesOf } from './limits.ts';

const DAY_MS = 86_400_000;

/**
 * What the model may know about itself: the exchange's own view of the account, enriched with what the ledger remembers about each
 * position (when it was opened, its stop and target), its limits, and what pauses and cooldowns hold. Sizes follow the exchange.
 * `state`: the account as the exchange has it now. `remembered`: the platform's memory if it is known to be of now; else it is read.
 */
export async function buildContext(
  stories: Stories,
  cycle: Pick<DecisionContext, 'modelId' | 'slotMs' | 'cycleNumber'>,
  state: AccountState,
  remembered: CycleMemory | null,
): Promise<DecisionContext> {
  const { db, config } = stories;
  const rules = config.arena.guardrails;
  const memory = remembered ?? (await cycleMemory(db, cycle.modelId, memoryMoment(stories, cycle.slotMs)));
  if (memory === null) throw new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${cycle.modelId}"`);
  return {
    ...cycle,
    account: {
      initialEquityUsd: memory.initialEquityUsd,
      equityUsd: state.equityUsd,
      availableUsd: state.availableUsd,
      marginUsedUsd: state.marginUsedUsd,
    },
    positions: positionsOf(state, memory, cycle.slotMs),
    limits: limitsOf(rules, state.equityUsd),
    history: historyOf(stories, state, memory, cycle.slotMs),
  };
}

export function memoryMoment({ config }: Stories, slotMs: number): MemoryMoment {
  const { cooldown } = config.arena.guardrails;
  return { slotMs, dayStartMs: slotAt(slotMs, DAY_MS), cooledSinceMs: slotMs - cooldown };
}

function positionsOf(state: AccountState, memory: CycleMemory, slotMs: number): DecisionContext['positions'] {
  const remembered = new Map(memory.positions.map((position) => [position.symbol, position]));
  return state.positions.map((position) => ({
    ...position,
    entryTsMs: remembered.get(position.symbol)?.entryTsMs ?? slotMs,
    unrealizedPnlUsd: position.quantity * (position.markPrice - position.entryPrice),
    stopLoss: remembered.get(position.symbol)?.stopLoss ?? null,
    takeProfit: remembered.get(position.symbol)?.takeProfit ?? null,
  }));
}

function historyOf(
  { config }: Stories,
  state: AccountState,
  memory: CycleMemory,
  slotMs: number,
): DecisionContext['history'] {
  const rules = config.arena.guardrails;
  const dayStartEquityUsd = (memory.dayBeforeEquityUsd ?? memory.initialEquityUsd) + memory.dayTransfersUsd;
  const standing = {
    nowMs: slotMs,
    ageMs: slotMs - memory.inceptionTsMs,
    equityUsd: state.equityUsd,
    dayStartEquityUsd,
    sharpeRatio: memory.sharpeRatio,
    last: memory.pause,
  };
  return {
    dayStartEquityUsd,
    sharpeRatio: memory.sharpeRatio,
    pause: entryPause(standing, pauseRulesOf(rules)),
    cooldowns: memory.closed.map(({ symbol, exitTsMs }) => ({ symbol, untilMs: exitTsMs + rules.cooldown })),
  };
}
