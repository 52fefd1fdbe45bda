/** The full computation of a model's analytics: what the running one is held to, and the way to start it over. */

import { type AnalyticsPayload, computeAnalytics } from '../domain/analytics.ts';
import { ANALYTICS_DEFINITION, type RunningAnalytics } from '../domain/analytics-running.ts';
import { refresh } from '../domain/published-keys.ts';
import { isDatabaseOutage, messageOf } from '../errors.ts';
import { type AnalyticsState, lockState, saveAnalytics, startOver } from '../store/analytics.ts';
import { allCycles, allTrades, positionMinutes, surroundings } from '../store/analytics-sources.ts';
import type { Database, Queryable } from '../store/database.ts';
import type { EffectRow } from '../store/effects.ts';
import { countChanges, payloadOf, saveOf, shownPayload } from './count-analytics.ts';

/** Figures may differ by this part of themselves. */
const TOLERANCE = 1e-9;
const SERIALIZATION_FAILURE = '40001';
const ATTEMPTS = 5;

export type Recomputation = {
  readonly modelId: string;
  readonly trades: number;
  readonly cycles: number;
  /** How many figures were compared. */
  readonly figures: number;
  /** What the running computation had otherwise, a line each. It is put right. */
  readonly differences: readonly string[];
  readonly effects: readonly EffectRow[];
};

/**
 * Computes a model's analytics from its whole history, compares them with the running ones, and counts the running ones from the start
 * again. One snapshot of the database, under the lock of the model's state: trades that come meanwhile are counted afterwards. Null when
 * the model has no account.
 */
export async function recomputeModel(
  db: Database,
  provider: string,
  modelId: string,
  nowMs: number,
): Promise<Recomputation | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction(async (tx) => {
        await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
        return recomputeIn(tx, provider, modelId, nowMs);
      });
    } catch (error) {
      // The running computation was counting at that moment: its commit is in the next snapshot.
      if (attempt === ATTEMPTS || !isSerializationFailure(error)) throw error;
    }
  }
}

async function recomputeIn(
  tx: Queryable,
  provider: string,
  modelId: string,
  nowMs: number,
): Promise<Recomputation | null> {
  const prior = await lockState(tx, modelId);
  if (prior === null) return null;
  const marketMs = Math.max(nowMs, prior.serverTimeMs);
  const before = await runningPayload(tx, modelId, provider, prior, marketMs);
  const { full, trades, cycles } = await computeFully(tx, modelId, provider, marketMs);
  await startOver(tx, modelId);
  const again = await countAll(tx, modelId, { ...prior, state: {}, definition: ANALYTICS_DEFINITION });
  const after = await payloadOf(tx, modelId, provider, again, marketMs);
  const keys = [
    refresh('analytics', modelId),
    refresh('analyticsAll'),
    refresh('leaderboard'),
    refresh('leaderboardCache'),
  ];
  const shown = await shownPayload(tx, after);
  const effects = await saveAnalytics(tx, saveOf(modelId, prior, again, shown, marketMs), keys);
  const compared = typeof before === 'string' ? { figures: 0, differences: [before] } : compare(before, full);
  return { modelId, trades, cycles, effects, ...compared };
}

function isSerializationFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === SERIALIZATION_FAILURE;
}

async function countAll(tx: Queryable, modelId: string, prior: AnalyticsState): Promise<RunningAnalytics> {
  let counted = await countChanges(tx, modelId, prior);
  while (!counted.complete) {
    const state = counted.running.stored;
    counted = await countChanges(tx, modelId, { ...prior, state, definition: ANALYTICS_DEFINITION });
  }
  return counted.running;
}

/** What the running computation comes to, or why it cannot go on: a state that is broken is what this command is for. */
async function runningPayload(
  tx: Queryable,
  modelId: string,
  provider: string,
  prior: AnalyticsState,
  marketMs: number,
): Promise<AnalyticsPayload | string> {
  await tx.query('SAVEPOINT running');
  try {
    return await payloadOf(tx, modelId, provider, await countAll(tx, modelId, prior), marketMs);
  } catch (error) {
    if (isSerializationFailure(error) || isDatabaseOutage(error)) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT running');
    return `${modelId}: the running analytics cannot go on: ${messageOf(error)}`;
  }
}

/** The reference: everything read, nothing remembered. */
async function computeFully(tx: Queryable, modelId: string, provider: string, marketMs: number) {
  const trades = await allTrades(tx, modelId);
  const cycles = await allCycles(tx, modelId);
  const times = cycles.map((cycle) => cycle.executedAtMs).sort((a, b) => a - b);
  const [first = marketMs, last = marketMs] = [times[0], times.at(-1)];
  const around = await surroundings(tx, modelId, provider, first, last);
  const full = computeAnalytics(
    { trades, cycles },
    {
      modelId,
      updatedAtMs: marketMs,
      symbolsCount: around.symbols,
      positionMins: await positionMinutes(tx, modelId, first, last),
      lastConversation:
        around.conversationId === null ? null : { id: around.conversationId, tsMs: around.conversationTsMs ?? 0 },
    },
  );
  return { full, trades: trades.length, cycles: cycles.length };
}

type Figure = readonly [path: string, value: unknown];

function figuresOf(value: unknown, path: string): Figure[] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([name, inner]) => figuresOf(inner, path === '' ? name : `${path}.${name}`));
}

/** Every figure of two payloads; numbers may differ by the tolerance. */
export function compare(running: AnalyticsPayload, full: AnalyticsPayload): { figures: number; differences: string[] } {
  const counted = new Map(figuresOf(running, ''));
  const wanted = figuresOf(full, '');
  const differences = wanted.flatMap(([path, value]) => {
    const own = counted.get(path);
    const same =
      typeof value === 'number' && typeof own === 'number'
        ? Math.abs(value - own) <= TOLERANCE * Math.max(1, Math.abs(value))
        : value === own;
    return same ? [] : [`${running.model_id} ${path}: counted ${String(own)}, computed in full ${String(value)}`];
  });
  return { figures: wanted.length, differences };
}
