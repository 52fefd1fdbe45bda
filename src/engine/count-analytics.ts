/** Counts what has changed of a model into its analytics. The caller's transaction holds the lock of the model's state. */

import { type AnalyticsPayload, analyticsPayload } from '../domain/analytics.ts';
import { cycleSamples, tradeSamples } from '../domain/analytics-measures.ts';
import { ANALYTICS_DEFINITION, invocationSamples, RunningAnalytics } from '../domain/analytics-running.ts';
import { importedAnalyticsSchema, withImported } from '../domain/imported-analytics.ts';
import * as store from '../store/analytics.ts';
import * as sources from '../store/analytics-sources.ts';
import type { Queryable } from '../store/database.ts';
import { importedPayload } from '../store/import-talk.ts';

/** Notes of each kind that are taken at a time: an import's thousands must not be one huge transaction's memory. */
const CHUNK = 5000;

export type Counted = {
  readonly running: RunningAnalytics;
  /** False when there may be more to count than one chunk: the medians are found with the last one. */
  readonly complete: boolean;
};

/** Takes the model's notes and applies them: a changed trade leaves with its old figures and joins with its new ones. */
export async function countChanges(tx: Queryable, modelId: string, prior: store.AnalyticsState): Promise<Counted> {
  const current = prior.definition === ANALYTICS_DEFINITION;
  if (!current) await store.startOver(tx, modelId);
  const running = new RunningAnalytics(current ? prior.state : {});
  const [trades, cycles] = await Promise.all([
    sources.takeTrades(tx, modelId, CHUNK),
    sources.takeCycles(tx, modelId, CHUNK),
  ]);
  for (const { now, counted } of trades) {
    if (counted) running.remove(tradeSamples(counted.trade));
    if (now) running.add(tradeSamples(now.trade));
  }
  const { added, removed } = invocationSamples(
    cycles.map(({ executedAtMs, ...near }) => ({ ...near, tsMs: executedAtMs })),
  );
  running.remove(removed);
  running.add([...cycles.flatMap(cycleSamples), ...added]);
  const changed = store.changeValues(tx, modelId, running.changes);
  // The look at the values leaves together with what changes them.
  const look = () => store.ladders(tx, modelId, running.stretches);
  const few = trades.length + cycles.length < CHUNK;
  const [, seen] = await Promise.all([changed, few ? look() : null]);
  const complete = few || !(await store.hasPending(tx, modelId));
  if (complete) running.settle(seen ?? (await look()));
  else running.postpone();
  return { running, complete };
}

/** The payload of what is counted. */
export async function payloadOf(
  tx: Queryable,
  modelId: string,
  provider: string,
  { describe }: RunningAnalytics,
  marketMs: number,
): Promise<AnalyticsPayload> {
  const invocations = describe('invocation');
  const asked = invocations.n > 0;
  const span = asked ? [invocations.minimum, invocations.maximum] : [0, marketMs];
  const around = await sources.surroundings(tx, modelId, provider, span[0] ?? 0, span[1] ?? 0);
  return analyticsPayload(describe, {
    modelId,
    updatedAtMs: marketMs,
    symbolsCount: around.symbols,
    positionMins: asked ? { long: around.longMins, short: around.shortMins } : { long: 0, short: 0 },
    lastTrade: around.tradeId === null ? null : { id: around.tradeId, exitTsMs: around.exitTsMs ?? 0 },
    lastConversation:
      around.conversationId === null ? null : { id: around.conversationId, tsMs: around.conversationTsMs ?? 0 },
  });
}

/** The payload as it is shown: what was decided elsewhere counts until something has been decided here. */
export async function shownPayload(tx: Queryable, payload: AnalyticsPayload): Promise<AnalyticsPayload> {
  if (payload.invocation_breakdown_table.num_invocations > 0) return payload;
  const imported = await importedPayload(tx, payload.model_id, 'analytics');
  return imported === null ? payload : withImported(payload, importedAnalyticsSchema.parse(imported));
}

/** What there is to keep of it. `payload` null: more is to be counted, and the one that stands is shown until then. */
export function saveOf(
  modelId: string,
  prior: store.AnalyticsState,
  running: RunningAnalytics,
  payload: AnalyticsPayload | null,
  marketMs: number,
): store.AnalyticsSave {
  return {
    modelId,
    definition: ANALYTICS_DEFINITION,
    state: running.stored,
    wins: running.describe('net.win'),
    losses: running.describe('net.loss'),
    payload,
    version: prior.version,
    marketMs,
  };
}
