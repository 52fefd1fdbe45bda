/** Breakers: a snapshot whose loss passes a limit stops the trader, whatever its model answers. */

import {
  type Breach,
  type BreakerLimits,
  breachOf,
  describeBreach,
  type EquityWatch,
  observe,
} from '../domain/breakers.ts';
import { nextMarketDayMs } from '../domain/time.ts';
import type { TraderStanding } from '../domain/trader-state.ts';
import type { Queryable } from '../store/database.ts';
import type { EffectRow } from '../store/effects.ts';
import type { NewSnapshot } from '../store/equity.ts';
import { lockWatch, saveWatch, type TraderRow, writeChanges } from '../store/trader-state.ts';
import type { Stories } from './context.ts';

/** How the platform itself stands in the audit log. */
export const PLATFORM = 'platform';

/** What a snapshot has set off, to be told once it is committed. */
export type Tripped = { readonly breaker: string; readonly reason: string; readonly effects: readonly EffectRow[] };

type Marked = Pick<NewSnapshot, 'modelId' | 'tsMs' | 'equityUsd' | 'realizedPnl' | 'unrealizedPnl'>;

/** What the breakers make of a snapshot: what they remember after it, and the breach it is, if the trader has something to be stopped from. */
export type EquityVerdict = { readonly watch: EquityWatch; readonly breach: Breach | null };

/** Null where nothing is watched. Writes nothing. */
export function judgeEquity(
  stories: Stories,
  snapshot: Marked,
  known: { readonly trader: TraderRow; readonly watch: EquityWatch | null } | null,
): EquityVerdict | null {
  const { tsMs, equityUsd, realizedPnl, unrealizedPnl } = snapshot;
  const limits = limitsOf(stories, snapshot.modelId);
  if (known === null || (limits.dailyLoss === null && limits.drawdown === null)) return null;
  const watch = observe(known.watch, tsMs, realizedPnl + unrealizedPnl);
  const trades = known.trader.state === 'running' && watch.asOfMs === tsMs;
  return { watch, breach: trades ? breachOf(watch, equityUsd, limits) : null };
}

/**
 * Looks at a snapshot in its own transaction. A loss of the day pauses a trader until the next market day, a drawdown halts it until
 * somebody resumes it; both only while it trades. Positions keep their stops: nothing is closed.
 */
export async function watchEquity(tx: Queryable, stories: Stories, snapshot: Marked): Promise<Tripped | null> {
  const { modelId, tsMs } = snapshot;
  const known = await lockWatch(tx, modelId);
  const verdict = judgeEquity(stories, snapshot, known);
  if (known === null || verdict === null) return null;
  await saveWatch(tx, modelId, verdict.watch);
  const { breach } = verdict;
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
  const change = { id: modelId, before: known.trader, after };
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
