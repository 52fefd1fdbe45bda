/** Whether a trader may decide and trade at a moment of market time. The one place that reads its state for a cycle. */

import { pauseIsOver } from '../domain/trader-state.ts';
import { changeTraders, type TraderRow, traderStates } from '../store/trader-state.ts';
import type { Stories } from './context.ts';
import { PLATFORM } from './watch-equity.ts';

export type Gate =
  | { readonly kind: 'running' }
  | { readonly kind: 'shadow' }
  | { readonly kind: 'held'; readonly reason: string };

/**
 * Asks the gate at a moment, market ms. A breaker's pause whose time has come ends here. A breaker counts from the moment behind the
 * one it tripped at: what happens at one moment of a replay is the same in whichever order its jobs run. `known`: the trader as it has
 * been read just now.
 */
export async function traderGate(stories: Stories, modelId: string, nowMs: number, known?: TraderRow): Promise<Gate> {
  const trader = known ?? (await traderStates(stories.db, [modelId]))[0];
  if (trader === undefined) return { kind: 'held', reason: 'the trader is gone' };
  if (pauseIsOver(trader, nowMs)) return wake(stories, modelId, nowMs);
  return gateOf(trader, nowMs);
}

function gateOf({ state, resumesAs, reason, heldSinceMs, pauseUntilMs }: TraderRow, nowMs: number): Gate {
  const byBreaker = heldSinceMs !== null && (state === 'halted' || pauseUntilMs !== null);
  const stillFree = byBreaker && nowMs <= heldSinceMs;
  const effective = stillFree ? resumesAs : state;
  if (effective === 'running' || effective === 'shadow') return { kind: effective };
  return { kind: 'held', reason: `the trader is ${effective}${reason === null ? '' : ` (${reason})`}` };
}

async function wake(stories: Stories, modelId: string, nowMs: number): Promise<Gate> {
  const { effects } = await changeTraders(
    stories.db,
    [modelId],
    (before) =>
      pauseIsOver(before, nowMs)
        ? { state: before.resumesAs, resumesAs: before.resumesAs, pauseUntilMs: null, reason: null, heldSinceMs: null }
        : before,
    { who: PLATFORM, what: 'resume' },
  );
  await stories.drain(effects);
  const [trader] = await traderStates(stories.db, [modelId]);
  return trader === undefined ? { kind: 'held', reason: 'the trader is gone' } : gateOf(trader, nowMs);
}
