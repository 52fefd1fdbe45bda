/** Answers about the models: who they are, what they said, decided and made of it. */

import type { z } from 'zod';
import { type AnalyticsPayload, computeAnalytics } from '../domain/analytics.ts';
import type { Target } from '../domain/published-keys.ts';
import { MESSAGES_SHOWN } from '../projections/families.ts';
import type { Resources } from '../resources.ts';
import { recentMessages } from '../store/conversations.ts';
import { type DecisionSummary, listDecisions } from '../store/decision-reads.ts';
import { allMetrics } from '../store/equity-metrics.ts';
import { listModels, modelHistory } from '../store/models.ts';
import type { Reader } from './known-models.ts';
import { type DecisionCursor, type decisionsQuery, writeDecisionCursor } from './query.ts';

/** Changes of a model in its history. */
const HISTORY = 1000;

type TraderState = {
  readonly state: string;
  readonly last_decision_at: number | null;
  readonly pause_until: number | null;
};

/** The participants with the state of their traders (its times are ms) and the hourly metrics of their equity. */
export async function readModels({ db, publisher }: Resources) {
  const rows = await listModels(db);
  const states = await publisher.readMany(rows.map((row) => ({ family: 'traderState', ids: [row.id] })));
  const metrics = await allMetrics(db);
  return {
    models: rows.map((row, index) => {
      const text = states[index]?.[0];
      return {
        id: row.id,
        display_name: row.displayName,
        exchange_provider: row.exchangeProvider,
        market_provider: row.marketProvider,
        trader: text === undefined ? null : (JSON.parse(text) as TraderState),
        metrics: metrics.get(row.id) ?? null,
      };
    }),
  };
}

/** Analytics of every model; one that nothing was computed for yet has a payload full of zeros. */
export async function readAllAnalytics({ knownModels, publisher }: Reader) {
  const [ids, [text]] = await Promise.all([knownModels.ids(), publisher.read({ family: 'analyticsAll', ids: [] })]);
  const { analytics } = JSON.parse(text ?? '{"analytics":[]}') as { analytics: AnalyticsPayload[] };
  const payloads = new Map(analytics.map((payload) => [payload.model_id, payload]));
  return { analytics: ids.map((id) => payloads.get(id) ?? noAnalytics(id)) };
}

/** Throws NOF0_MODEL_UNKNOWN. */
export async function readAnalytics({ knownModels, publisher }: Reader, modelId: string) {
  await knownModels.assert(modelId);
  const [text] = await publisher.read({ family: 'analytics', ids: [modelId] });
  return { analytics: text === undefined ? noAnalytics(modelId) : (JSON.parse(text) as AnalyticsPayload) };
}

function noAnalytics(modelId: string): AnalyticsPayload {
  return computeAnalytics(
    { trades: [], cycles: [] },
    {
      modelId,
      updatedAtMs: 0,
      symbolsCount: 0,
      positionMins: { long: 0, short: 0 },
      lastConversation: null,
    },
  );
}

type Message = { readonly role: string; readonly content: string; readonly timestamp: number };

/**
 * The newest messages of each model, oldest first; times are float unix seconds. From the keys of those who are asked in words; what the
 * others would say is kept in no key.
 */
export async function readConversations({ db, publisher, knownModels }: Reader) {
  const ids = await knownModels.ids();
  const speaking = ids.filter((id) => knownModels.speaks(id));
  const mute = ids.filter((id) => !knownModels.speaks(id));
  const [keys, lines] = await Promise.all([
    publisher.readMany(speaking.map((id) => ({ family: 'conversations', ids: [id] }))),
    mute.length === 0 ? [] : recentMessages(db, mute, MESSAGES_SHOWN),
  ]);
  const said = new Map(
    speaking.map((id, index) => [id, (keys[index] ?? []).map((text) => JSON.parse(text) as Message)]),
  );
  for (const { modelId, role, content, tsMs } of lines)
    said.set(modelId, [...(said.get(modelId) ?? []), { role, content, timestamp: tsMs / 1000 }]);
  return { conversations: ids.map((id) => ({ model_id: id, messages: said.get(id) ?? [] })) };
}

/** Keys that change whenever a page changes that begins with the newest cycles; null when it begins further back. */
export function lastDecisionKeys(
  all: readonly string[],
  { model_id, before }: z.infer<typeof decisionsQuery>,
): Target[] | null {
  if (before !== undefined || (model_id !== undefined && !all.includes(model_id))) return null;
  return (model_id === undefined ? all : [model_id]).map((id) => ({ family: 'decisionLast', ids: [id] }));
}

/**
 * Finished decision cycles, newest first; `nextBefore` is there when older ones are. Models decide in the same slots, so a page
 * may end inside a slot and the next one goes on there. Throws NOF0_MODEL_UNKNOWN.
 */
export async function readDecisions({ db, knownModels, publisher }: Reader, query: z.infer<typeof decisionsQuery>) {
  if (query.model_id !== undefined) await knownModels.assert(query.model_id);
  const ids = await knownModels.ids();
  const { before, limit } = query;
  // Keys that have run out are written again: without them nobody could tell that the page still stands.
  await publisher.readMany(lastDecisionKeys(ids, query) ?? []);
  const rows = await listDecisions(db, {
    modelId: query.model_id,
    beforeSlotMs: before === undefined || before.modelId === null ? before?.slotMs : before.slotMs + 1,
    // The rest of the slot that the page before ended in comes once more and is left out.
    limit: limit + ids.length + 1,
  });
  const fresh = rows.slice(seen(rows, before));
  const page = fresh.slice(0, limit);
  const last = page.at(-1);
  const more = last !== undefined && fresh.length > limit;
  return {
    decisions: page.map(decision),
    ...(more ? { nextBefore: writeDecisionCursor(last.slotMs, last.modelId) } : {}),
  };
}

/** How many of the first rows the caller has. Their order inside a slot is the database's, so the place is looked up. */
function seen(rows: readonly DecisionSummary[], before: DecisionCursor | undefined): number {
  if (before === undefined) return 0;
  return rows.findIndex((row) => row.slotMs === before.slotMs && row.modelId === before.modelId) + 1;
}

/** A cycle for the world; its times are ms. The signed bytes of its orders are nobody's business. */
export function decision(row: DecisionSummary) {
  return {
    model_id: row.modelId,
    cycle_number: row.cycleNumber,
    timestamp: row.slotMs,
    executed_at: row.executedAtMs,
    success: row.success,
    decisions: row.decisions ?? [],
    rejected: row.rejected ?? [],
    orders: row.orders?.legs ?? [],
    cot_trace: row.cotTrace,
    prompt_digest: row.promptDigest,
    usage: {
      prompt_tokens: row.promptTokens,
      completion_tokens: row.completionTokens,
      cost_usd: row.costUsd,
      latency_ms: row.latencyMs,
      calls: row.llmCalls,
      cached: row.llmCached,
    },
    error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage },
  };
}

/** What became of a model, newest first; times are ms. Who did it is nobody's business here. Throws NOF0_MODEL_UNKNOWN. */
export async function readModelHistory({ db, knownModels }: Reader, modelId: string) {
  await knownModels.assert(modelId);
  const rows = await modelHistory(db, modelId, HISTORY);
  return {
    history: rows.map((row) => ({
      model_id: row.modelId,
      what: row.what,
      at: row.atMs,
      config_digest: row.configDigest,
      prompt_digest: row.promptDigest,
    })),
  };
}
