/** Analytics of one model, or of all together with the views and the leaderboard. */

import { computeAnalytics } from '../domain/analytics.ts';
import { importedAnalyticsSchema, withImported } from '../domain/imported-analytics.ts';
import { refresh } from '../domain/published-keys.ts';
import {
  invocationTimes,
  lastConversation,
  positionMinutes,
  refreshViews,
  saveAnalytics,
  signals,
} from '../store/analytics.ts';
import type { EffectRow } from '../store/effects.ts';
import { account } from '../store/equity.ts';
import { importedPayload } from '../store/import-talk.ts';
import { marketAssets } from '../store/market.ts';
import { modelIds } from '../store/models.ts';
import { analyticsTrades } from '../store/trades.ts';
import { committed, done, type Outcome, type Stories, skipped } from './context.ts';

const NO_SIGNALS = { count: 0, confidences: [], leverages: [] };

/** After a trade: the model's own figures and keys. */
export async function computeModelAnalytics(stories: Stories, modelId: string, asOfMs: number): Promise<Outcome> {
  const effects = await computeOne(stories, modelId, stories.clock.now(asOfMs));
  if (effects === null) return skipped('the model has no account');
  await stories.drain(effects);
  return done();
}

/** On schedule: every model, then the materialized views and the keys over all models. */
export async function computeAllAnalytics(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<Outcome> {
  const ids = await modelIds(stories.db);
  const effects: EffectRow[] = [];
  for (const id of ids) {
    signal.throwIfAborted();
    effects.push(...((await computeOne(stories, id, stories.clock.now(asOfMs))) ?? []));
  }
  const end = stories.metrics.viewRefresh.startTimer();
  await refreshViews(stories.db);
  end();
  await stories.drain(effects);
  return done({ models: ids.length });
}

async function computeOne(stories: Stories, modelId: string, nowMs: number): Promise<EffectRow[] | null> {
  const { db, market } = stories;
  // The version first: what is computed from later rows may be newer than it says, never older.
  const owner = await account(db, modelId);
  if (owner === null) return null;
  const [trades, signalRows, times, conversation, assets] = await Promise.all([
    analyticsTrades(db, modelId),
    signals(db, modelId),
    invocationTimes(db, modelId),
    lastConversation(db, modelId),
    marketAssets(db, market.provider),
  ]);
  const minutes = await positionMinutes(db, modelId, times[0] ?? nowMs, times.at(-1) ?? nowMs);
  const signalOf = (name: string) => signalRows.find((row) => row.signal === name) ?? NO_SIGNALS;
  const payload = computeAnalytics({
    modelId,
    updatedAtMs: nowMs,
    trades,
    signals: { long: signalOf('long'), short: signalOf('short'), hold: signalOf('hold'), close: signalOf('close') },
    invocationTsMs: times,
    symbolsCount: assets.length,
    positionMins: minutes,
    lastConversation: conversation,
  });
  // What was decided elsewhere counts until something has been decided here.
  const imported = times.length === 0 ? await importedPayload(db, modelId, 'analytics') : null;
  const shown = imported === null ? payload : withImported(payload, importedAnalyticsSchema.parse(imported));
  const keys = [
    refresh('analytics', modelId),
    refresh('analyticsAll'),
    refresh('sinceInception', modelId),
    refresh('leaderboard'),
    refresh('leaderboardCache'),
  ];
  return committed(stories, 'analytics', () => saveAnalytics(db, modelId, shown, owner.version, nowMs, keys));
}
