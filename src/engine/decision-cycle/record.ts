/** The end of a cycle: its record, and what must follow from it. */

import type { DecisionContext } from '../../domain/decision.ts';
import { journalEffect } from '../../domain/journal.ts';
import { refresh } from '../../domain/published-keys.ts';
import type { CycleEnd } from '../../store/cycle-end.ts';
import type { CyclePatch, Message } from '../../store/decisions.ts';
import type { Lease } from '../../store/leases.ts';
import type { Stories } from '../context.ts';

/** What is written when a cycle ends, and the effects that follow. `nowMs`: market time of the decision. */
export function endOf(
  stories: Stories,
  lease: Lease,
  slotMs: number,
  nowMs: number,
  patch: CyclePatch,
  messages: readonly Message[],
  history: DecisionContext['history'] | null,
): CycleEnd {
  const legs = patch.orders?.legs ?? [];
  // Also what was filled in part: the rest of an order that takes what is there is canceled.
  const opened = legs.filter((leg) => leg.leg === 'entry' && leg.filledSize > 0);
  const oidOf = (symbol: string, leg: 'stop' | 'target') =>
    legs.find((order) => order.symbol === symbol && order.leg === leg && order.status === 'resting')?.oid ?? null;
  const attached = opened.map(({ symbol, oid }) => ({
    ...{ symbol, entryOid: oid },
    slOid: oidOf(symbol, 'stop'),
    tpOid: oidOf(symbol, 'target'),
  }));
  const effects = [
    refresh('decisionLast', lease.modelId),
    refresh('traderState', lease.modelId),
    ...(stories.config.arena.journal ? [journalEffect(lease.modelId, slotMs)] : []),
    ...(isSpeaking(stories, lease.modelId) ? [refresh('conversations', lease.modelId)] : []),
    ...(attached.length > 0 ? [refresh('positions', lease.modelId)] : []),
  ];
  return {
    lease,
    slotMs,
    patch: { ...patch, step: 'done' },
    decidedAtMs: nowMs,
    messages,
    attached,
    effects,
    history,
  };
}

/** A built-in strategy is asked without words: nobody reads its conversation. */
function isSpeaking({ traders }: Stories, modelId: string): boolean {
  return traders.get(modelId)?.model.deterministic === false;
}
