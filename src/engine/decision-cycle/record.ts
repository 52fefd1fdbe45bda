/** The end of a cycle: its record, and what must follow from it. */

import type { DecisionContext } from '../../domain/decision.ts';
import { journalEffect } from '../../domain/journal.ts';
import { refresh } from '../../domain/published-keys.ts';
import { type CyclePatch, finishCycle, type Message } from '../../store/decisions.ts';
import type { Lease } from '../../store/leases.ts';
import { committed, type Stories } from '../context.ts';

export async function recordCycle(
  stories: Stories,
  lease: Lease,
  slotMs: number,
  nowMs: number,
  patch: CyclePatch,
  messages: readonly Message[],
  history: DecisionContext['history'] | null,
): Promise<void> {
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
  const effects = await committed(stories, 'record-cycle', () =>
    finishCycle(
      stories.db,
      lease,
      slotMs,
      { ...patch, step: 'done' },
      {
        decidedAtMs: nowMs,
        messages,
        history,
        attached,
        effects: [
          refresh('decisionLast', lease.modelId),
          refresh('traderState', lease.modelId),
          ...(stories.config.arena.journal ? [journalEffect(lease.modelId, slotMs)] : []),
          ...(isSpeaking(stories, lease.modelId) ? [refresh('conversations', lease.modelId)] : []),
          ...(attached.length > 0 ? [refresh('positions', lease.modelId)] : []),
        ],
      },
    ),
  );
  await stories.drain(effects);
}

/** A built-in strategy is asked without words: nobody reads its conversation. */
function isSpeaking({ traders }: Stories, modelId: string): boolean {
  return traders.get(modelId)?.model.deterministic === false;
}
