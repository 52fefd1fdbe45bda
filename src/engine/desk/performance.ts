/** What the session has brought so far; after its close, what it brought. */

import { latestSession } from '../../domain/desk/calendar.ts';
import { performanceOf } from '../../domain/desk/performance.ts';
import { refresh } from '../../domain/published-keys.ts';
import { equityBefore, netPnls, savePerformance } from '../../store/desk/days.ts';
import { done, type Outcome, type Stories } from '../context.ts';
import { commitWithEffects, deskOf } from './desk-story.ts';

/** A day's trades are those before the slot: whatever happens at the slot itself comes with the next count. */
export async function countPerformance(stories: Stories, slotMs: number): Promise<Outcome> {
  const { modelId } = deskOf(stories);
  const { db } = stories;
  const { day, openMs, closeMs } = latestSession(slotMs);
  const [pnls, equityUsd] = await Promise.all([
    netPnls(db, modelId, openMs, slotMs),
    equityBefore(db, modelId, openMs),
  ]);
  const payload = performanceOf(pnls, equityUsd, slotMs);
  await commitWithEffects(stories, 'performance-daily', async (tx) => {
    await savePerformance(tx, { modelId, day, tsMs: slotMs, final: slotMs > closeMs, payload });
    return [refresh('performance')];
  });
  return done({ day, trades: pnls.length });
}
