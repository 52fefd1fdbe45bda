/**
 * The read API as one table: routes, the published description, the index page and the tables of the docs are made of it. Shapes and
 * units of every answer stand in `answer-schemas.ts`; each is built in a `read-…` file beside this one.
 */

import type { z } from 'zod';
import type { Target } from '../domain/published-keys.ts';
import { viewDesk } from '../projections/desk-view.ts';
import * as answers from './answer-schemas.ts';
import type { Reader } from './known-models.ts';
import {
  accountTotalsQuery,
  decisionsQuery,
  equityCurvesQuery,
  fillsQuery,
  noQuery,
  positionsQuery,
  tradesQuery,
} from './query.ts';
import { readCryptoPrices, readLeaderboard, readPositions, readSeasons } from './read-arena.ts';
import { readEquityCurves } from './read-equity.ts';
import { readFills } from './read-fills.ts';
import {
  lastDecisionKeys,
  readAllAnalytics,
  readAnalytics,
  readConversations,
  readDecisions,
  readModelHistory,
  readModels,
} from './read-models.ts';
import { readRun } from './read-run.ts';
import { inceptionKeys, readAccountTotals, readSinceInceptionValues, totalKeys } from './read-totals.ts';
import { readTrades, recentKeys } from './read-trades.ts';

export type Endpoint = {
  /** Under `/api`, with places in braces, such as `/analytics/{modelId}`. */
  readonly path: string;
  readonly about: string;
  readonly query: z.ZodObject;
  readonly answer: z.ZodObject;
  /** Whether the answer tells the time of the server beside what its schema says. */
  readonly serverTime: boolean;
  /**
   * The keys that the answer is made of, and the ids of all models, and nothing else: as long as they hold what they held, it is given
   * again. Null, or no function: it is made of more.
   */
  keys?(ids: readonly string[], query: unknown, params: Readonly<Record<string, string>>): readonly Target[] | null;
  /** `query` as its schema gives it, `params` by the names in the path. */
  read(reader: Reader, query: unknown, params: Readonly<Record<string, string>>): Promise<object>;
};

type Spec<Q extends z.ZodObject, A extends z.ZodObject> = Omit<
  Endpoint,
  'query' | 'answer' | 'serverTime' | 'keys' | 'read'
> & {
  readonly query: Q;
  readonly answer: A;
  readonly serverTime?: boolean;
  keys?(ids: readonly string[], query: z.output<Q>, params: Readonly<Record<string, string>>): readonly Target[] | null;
  read(reader: Reader, query: z.output<Q>, params: Readonly<Record<string, string>>): Promise<z.output<A>>;
};

/** Holds a reader to its schemas; the table itself forgets their types. */
function endpoint<Q extends z.ZodObject, A extends z.ZodObject>(spec: Spec<Q, A>): Endpoint {
  const { keys: own, ...rest } = spec;
  const read: Endpoint['read'] = (reader, query, params) => spec.read(reader, query as z.output<Q>, params);
  const keyed: Pick<Endpoint, 'keys'> = own
    ? { keys: (ids, query, params) => own(ids, query as z.output<Q>, params) }
    : {};
  return { serverTime: true, ...rest, ...keyed, read };
}

export const ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    path: '/crypto-prices',
    about: 'newest prices',
    query: noQuery,
    answer: answers.cryptoPrices,
    read: readCryptoPrices,
  }),
  endpoint({
    path: '/account-totals',
    about: 'equity by the hour',
    query: accountTotalsQuery,
    answer: answers.accountTotals,
    // Hours that no key holds have passed: they change with their models' keys alone.
    keys: totalKeys,
    read: (reader, { lastHourlyMarker }) => readAccountTotals(reader, lastHourlyMarker),
  }),
  endpoint({
    path: '/positions',
    about: 'open positions',
    query: positionsQuery,
    answer: answers.positions,
    keys: (ids, { limit }) => ids.slice(0, limit).map((id) => ({ family: 'positions', ids: [id] })),
    read: (reader, { limit }) => readPositions(reader, limit),
  }),
  endpoint({
    path: '/trades',
    about: 'closed trades, newest first',
    query: tradesQuery,
    answer: answers.trades,
    keys: recentKeys,
    read: readTrades,
  }),
  endpoint({
    path: '/since-inception-values',
    about: 'where each model began',
    query: noQuery,
    answer: answers.sinceInceptionValues,
    keys: inceptionKeys,
    read: readSinceInceptionValues,
  }),
  endpoint({
    path: '/leaderboard',
    about: 'the ranking',
    query: noQuery,
    answer: answers.leaderboard,
    keys: () => [{ family: 'leaderboardCache', ids: [] }],
    // The one answer of the original that does not tell the time.
    serverTime: false,
    read: readLeaderboard,
  }),
  endpoint({
    path: '/analytics',
    about: 'analytics of every model',
    query: noQuery,
    answer: answers.allAnalytics,
    keys: () => [{ family: 'analyticsAll', ids: [] }],
    read: readAllAnalytics,
  }),
  endpoint({
    path: '/analytics/{modelId}',
    about: 'analytics of one model',
    query: noQuery,
    answer: answers.analytics,
    keys: (ids, _query, { modelId = '' }) => (ids.includes(modelId) ? [{ family: 'analytics', ids: [modelId] }] : null),
    read: (reader, _query, { modelId = '' }) => readAnalytics(reader, modelId),
  }),
  endpoint({
    path: '/conversations',
    about: 'what was said last',
    query: noQuery,
    answer: answers.conversations,
    read: readConversations,
  }),
  endpoint({
    path: '/decisions',
    about: 'decision cycles, newest first',
    query: decisionsQuery,
    answer: answers.decisions,
    keys: lastDecisionKeys,
    read: readDecisions,
  }),
  endpoint({
    path: '/equity-curves',
    about: 'equity of all models over time, with 95 % intervals and the baseline',
    query: equityCurvesQuery,
    answer: answers.equityCurves,
    read: readEquityCurves,
  }),
  endpoint({
    path: '/fills/{modelId}',
    about: 'entries of a model’s ledger, newest first',
    query: fillsQuery,
    answer: answers.fills,
    read: (reader, query, { modelId = '' }) => readFills(reader, modelId, query),
  }),
  endpoint({
    path: '/run',
    about: 'what is run here, and whether money is real',
    query: noQuery,
    answer: answers.run,
    read: readRun,
  }),
  endpoint({
    path: '/seasons',
    about: 'seasons with their rankings, newest first',
    query: noQuery,
    answer: answers.seasons,
    keys: () => [{ family: 'seasons', ids: [] }],
    read: readSeasons,
  }),
  endpoint({
    path: '/models/{modelId}/history',
    about: 'when a model was added, configured, retired',
    query: noQuery,
    answer: answers.modelHistory,
    read: (reader, _query, { modelId = '' }) => readModelHistory(reader, modelId),
  }),
  endpoint({ path: '/models', about: 'the participants', query: noQuery, answer: answers.models, read: readModels }),
  endpoint({
    path: '/desk',
    about:
      'the equities desk: market, watchlist, candidates, positions, signals, performance; null in a run without one',
    query: noQuery,
    answer: answers.desk,
    read: async ({ run, publisher }) => ({ desk: run.kind === 'equities' ? await viewDesk(publisher) : null }),
  }),
];
