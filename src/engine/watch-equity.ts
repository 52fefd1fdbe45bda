/** Breakers: a snapshot whose loss passes a limit stops the trader, whatever its model answers. */

import { type BreakerLimits, breachOf, describeBreach, observe } from '../domain/breakers.ts';
import { nextMarketDayMs } from '../domain/time.ts';
import type { TraderStanding } from '../domain/trader-state.ts';
import type { Queryable } from '../store/database.ts';
import type { EffectRow } from '../store/effects.ts';
import type { NewSnapshot } from '../store/equity.ts';
import { lockWatch, saveWatch, writeChanges } from '../store/trader-state.ts';
import type { Stories } from './context.ts';

/** How the platform itself stands in the audit log. */
export const PLATFORM = 'platform';

/** What a snapshot has set off, to be told once it is committed. */
export type Tripped = { readonly breaker: string; readonly reason: string; readonly effects: readonly EffectRow[] };

/**
 * Looks at a snapshot in its own transaction. A loss of the day pauses a trader until the next market day, a drawdown halts it until
 * somebody resumes it; both only while it trades. Positions keep their stops: nothing is closed.
 */
export async function watchEquity(
  tx: Queryable,
  stories: Stories,
  snapshot: Pick<NewSnapshot, 'modelId' | 'tsMs' | 'equityUsd' | 'realizedPnl' | 'unrealizedPnl'>,
): Promise<Tripped | null> {
  const { modelId, tsMs, equityUsd } = snapshot;
  const limits = limitsOf(stories, modelId);
  if (limits.dailyLoss === null && limits.drawdown === null) return null;
  const locked = await lockWatch(tx, modelId);
  if (locked === null) return null;
  const watch = observe(locked.watch, tsMs, snapshot.realizedPnl + snapshot.unrealizedPnl);
  await saveWatch(tx, modelId, watch);
  const breach = locked.trader.state === 'running' && watch.asOfMs === tsMs ? breachOf(watch, equityUsd, limits) : null;
  if (breach === null) return null;
  const reason = describeBreach(breach);
  const daily = breach.breaker === 'daily-loss';
  const after: TraderStanding = {
    state: daily ? 'paused' : 'halted',
    resumesAs: 'running',
    pauseUntilMs: daily ? nextMarketDayMs(tsMs) : null,
    reason,
    heldSinceMs: tsMs,
  };
  const change = { id: modelId, before: locked.trader, after };
  const effects = await writeChanges(tx, [change], { who: PLATFORM, what: 'breaker' });
  return { breaker: breach.breaker, reason, effects };
}

/** The model's own limits; the arena's where it has none. */
function limitsOf(stories: Stories, modelId: string): BreakerLimits {
  const { dailyLoss, drawdown } = stories.config.arena.breakers;
  const own = stories.traders.get(modelId)?.participant.breakers;
  return {
    dailyLoss: own?.dailyLoss === undefined ? dailyLoss : own.dailyLoss,
    drawdown: own?.drawdown === undefined ? drawdown : own.drawdown,
  };
}

/** Counts and logs what a committed snapshot has set off. */
export function reportTrip(stories: Stories, modelId: string, { breaker, reason }: Tripped): void {
  stories.metrics.breakerTrips.inc({ breaker });
  stories.logger.warn({ model: modelId, breaker, reason }, 'a breaker has stopped a trader');
}
