/** Analytics of one model after a change, or of all with the keys over all models. */

import { BASELINE } from '../domain/baseline.ts';
import { refresh } from '../domain/published-keys.ts';
import { lockState, saveAnalytics } from '../store/analytics.ts';
import { extendBaseline } from '../store/baseline.ts';
import type { EffectRow, NewEffect } from '../store/effects.ts';
import { accounts } from '../store/equity.ts';
import { committed, done, type Outcome, type Stories, skipped } from './context.ts';
import { countChanges, payloadOf, saveOf, shownPayload } from './count-analytics.ts';

/** Models that are counted beside each other: each waits for the database most of the time. */
const AT_ONCE = 3;

/** After a trade: the model's own figures and keys. */
export async function computeModelAnalytics(stories: Stories, modelId: string, asOfMs: number): Promise<Outcome> {
  const keys = [refresh('analytics', modelId), refresh('analyticsAll')];
  const effects = await updateModel(stories, modelId, stories.clock.now(asOfMs), keys, null);
  if (effects === null) return skipped('the model has no account');
  await stories.drain(effects);
  return done();
}

/** On schedule: the baseline, every model, then the keys over all models. */
export async function computeAllAnalytics(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<Outcome> {
  const ids = (await accounts(stories.db)).map((owner) => owner.modelId);
  const shared = [
    refresh('analyticsAll'),
    refresh('leaderboard'),
    refresh('leaderboardCache'),
    refresh('sinceInception', BASELINE.id),
    refresh('inception', BASELINE.id),
    refresh('accountTotals', BASELINE.id),
  ];
  const effects: EffectRow[] = [];
  await extendBaseline(
    stories.db,
    BASELINE.id,
    { provider: stories.market.provider, symbol: BASELINE.symbol },
    [...stories.traders.keys()],
    stories.clock.now(asOfMs),
  );
  const update = (id: string) => {
    const keys = [refresh('analytics', id), refresh('sinceInception', id), ...(id === ids.at(-1) ? shared : [])];
    return updateModel(stories, id, stories.clock.now(asOfMs), keys, signal);
  };
  for (let first = 0; first < ids.length; first += AT_ONCE) {
    const saved = await Promise.allSettled(ids.slice(first, first + AT_ONCE).map(update));
    effects.push(...saved.flatMap((each) => (each.status === 'fulfilled' && each.value) || []));
    const failed = saved.find((each) => each.status === 'rejected');
    if (failed === undefined) continue;
    // What the others have committed is theirs; the next attempt finds it counted.
    await stories.drain(effects);
    throw failed.reason;
  }
  await stories.drain(effects);
  return done({ models: ids.length });
}

/**
 * Counts everything of a model that is not counted yet, in as many transactions as that takes: each moves the sums, the counted rows
 * and the notes together, so one that is lost or run twice changes nothing. Null when the model has no account.
 */
async function updateModel(
  stories: Stories,
  modelId: string,
  nowMs: number,
  keys: readonly NewEffect[],
  signal: AbortSignal | null,
): Promise<EffectRow[] | null> {
  const { db, market } = stories;
  for (;;) {
    signal?.throwIfAborted();
    const result = await committed(stories, 'analytics', () =>
      db.transaction(
        async (tx, last) => {
          const prior = await lockState(tx, modelId);
          if (prior === null) return null;
          const { running, complete } = await countChanges(tx, modelId, prior);
          const marketMs = Math.max(nowMs, prior.serverTimeMs);
          const payload = complete
            ? await shownPayload(tx, await payloadOf(tx, modelId, market.provider, running, marketMs))
            : null;
          const save = saveOf(modelId, prior, running, payload, marketMs);
          return { complete, effects: await saveAnalytics(last, save, complete ? keys : []) };
        },
        { relaxed: true },
      ),
    );
    if (result === null || result.complete) return result?.effects ?? null;
  }
}
