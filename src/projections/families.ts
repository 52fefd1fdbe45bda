/** Every key family and how its values come out of Postgres. */

import { leaderboardRow, rank } from '../domain/leaderboard.ts';
import { publishedPosition, publishedTrade } from '../domain/published.ts';
import { rankSeason } from '../domain/season.ts';
import { analyticsPayloads } from '../store/analytics.ts';
import { baselineCurves, baselines } from '../store/baseline.ts';
import { recentMessages, speakingModelIds } from '../store/conversations.ts';
import { lastDecisions } from '../store/decision-reads.ts';
import { equityCurves, standings } from '../store/equity.ts';
import { modelIds } from '../store/models.ts';
import { openPositions } from '../store/positions.ts';
import { listSeasons, seasonStandings } from '../store/seasons.ts';
import { SingleFlight } from '../store/single-flight.ts';
import { traderStates } from '../store/trader-state.ts';
import { recentTrades } from '../store/trades.ts';
import { DESK_PROJECTIONS } from './desk-families.ts';
import { EQUITY_PROJECTIONS } from './equity-families.ts';
import { MARKET_PROJECTIONS } from './market-families.ts';
import { PAPER_PROJECTIONS } from './paper-families.ts';
import type { LoadContext, Members, Projection } from './projection.ts';

/** Ids of a family with one key a model. */
const perModel = async ({ db }: LoadContext): Promise<string[][]> => (await modelIds(db)).map((id) => [id]);
const single = async (): Promise<string[][]> => [[]];

/** Rows grouped by model, in the order of the ids asked for. */
function byModel<T extends { modelId: string }>(
  ids: readonly (readonly string[])[],
  rows: readonly T[],
  members: (own: T[]) => Members,
): Members[] {
  const groups = group(rows);
  return ids.map(([id]) => members(groups.get(id ?? '') ?? []));
}

function group<T extends { modelId: string }>(rows: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const own = groups.get(row.modelId);
    if (own) own.push(row);
    else groups.set(row.modelId, [row]);
  }
  return groups;
}

const first = (ids: readonly (readonly string[])[]): string[] => ids.map(([id]) => id ?? '');

const positions: Projection = {
  family: 'positions',
  all: perModel,
  async load({ db, provider }, ids) {
    const rows = await openPositions(db, provider, first(ids));
    return byModel(ids, rows, (own) =>
      own.flatMap((row) => [row.symbol, JSON.stringify(publishedPosition(row, row.markPrice))]),
    );
  },
};

const tradesRecent: Projection = {
  family: 'tradesRecent',
  all: perModel,
  async load({ db }, ids) {
    return byModel(ids, await recentTrades(db, first(ids)), (own) =>
      own.map((row) => JSON.stringify(publishedTrade(row))),
    );
  },
};

/** Messages of a model in its key and in the API. */
export const MESSAGES_SHOWN = 20;

/** Of models that are asked in words: what a built-in strategy would say stands in its decisions. */
const conversations: Projection = {
  family: 'conversations',
  all: async ({ db }) => (await speakingModelIds(db)).map((id) => [id]),
  async load({ db }, ids) {
    return byModel(ids, await recentMessages(db, first(ids), MESSAGES_SHOWN), (own) =>
      own.map(({ role, content, tsMs }) => JSON.stringify({ role, content, timestamp: tsMs / 1000 })),
    );
  },
};

const decisionLast: Projection = {
  family: 'decisionLast',
  all: perModel,
  async load({ db }, ids) {
    const rows = await lastDecisions(db, first(ids));
    return byModel(ids, rows, ([row]) => {
      if (row === undefined) return [];
      // The action that says most about the cycle: an entry or exit before a hold.
      const headline = row.decisions?.find((decision) => decision.action !== 'hold') ?? row.decisions?.[0];
      return [
        JSON.stringify({
          cycle_number: row.cycleNumber,
          timestamp: row.slotMs,
          success: row.success,
          symbol: headline?.symbol ?? null,
          action: headline?.action ?? 'hold',
          confidence: headline?.confidence ?? null,
          error: row.errorMessage,
        }),
      ];
    });
  },
};

const traderState: Projection = {
  family: 'traderState',
  all: perModel,
  async load({ db }, ids) {
    const rows = (await traderStates(db, first(ids))).map((row) => ({ ...row, modelId: row.traderId }));
    return byModel(ids, rows, ([row]) =>
      row
        ? [JSON.stringify({ state: row.state, last_decision_at: row.lastDecisionAtMs, pause_until: row.pauseUntilMs })]
        : [],
    );
  },
};

type Ranking = ReturnType<typeof rank>;
const rankings = new WeakMap<LoadContext, SingleFlight<string, Ranking>>();

/** The ranking as of now. Both its keys change together and are loaded together: one query answers both. */
async function ranking(context: LoadContext): Promise<Ranking> {
  const known = rankings.get(context);
  const flights =
    known ??
    new SingleFlight<string, Ranking>({
      nameOf: (name) => name,
      look: async () => [undefined],
      load: async () => [rank((await standings(context.db)).map(leaderboardRow))],
    });
  if (known === undefined) rankings.set(context, flights);
  const [rows] = await flights.get(['ranking']);
  return rows ?? [];
}

const leaderboard: Projection = {
  family: 'leaderboard',
  all: single,
  async load(context) {
    return [(await ranking(context)).flatMap((row) => [String(row.return_pct), row.id])];
  },
};

const leaderboardCache: Projection = {
  family: 'leaderboardCache',
  all: single,
  async load(context) {
    return [[JSON.stringify({ leaderboard: await ranking(context) })]];
  },
};

const sinceInception: Projection = {
  family: 'sinceInception',
  async all(context) {
    return [...(await perModel(context)), ...(await baselines(context.db)).map(({ baseline }) => [baseline])];
  },
  async load({ db }, ids) {
    const curves = await Promise.all([equityCurves(db, first(ids)), baselineCurves(db, first(ids))]);
    return byModel(ids, curves.flat(), (own) =>
      own.map(({ timestamp, value }) => JSON.stringify({ timestamp, value })),
    );
  },
};

const analytics: Projection = {
  family: 'analytics',
  all: perModel,
  async load({ db }, ids) {
    return byModel(ids, await analyticsPayloads(db, first(ids)), ([row]) => (row ? [JSON.stringify(row.payload)] : []));
  },
};

const analyticsAll: Projection = {
  family: 'analyticsAll',
  all: single,
  async load({ db }) {
    return [[JSON.stringify({ analytics: (await analyticsPayloads(db, null)).map((row) => row.payload) })]];
  },
};

/** Seasons, newest first: the frozen ones with the ranking that was stored, the open one with the present. */
const seasons: Projection = {
  family: 'seasons',
  all: single,
  async load({ db }) {
    const published = (await listSeasons(db)).map(async (season) => ({
      name: season.name,
      state: season.state,
      starts: season.startsMs,
      ends: season.endsMs,
      frozen_at: season.frozenAtMs,
      reset_at: season.resetAtMs,
      ranking: season.finalRanking ?? rankSeason(await seasonStandings(db, season.id)),
    }));
    return [[JSON.stringify({ seasons: await Promise.all(published) })]];
  },
};
/** The projections of runs of a kind. */
export function projectionsOf(kind: string): readonly Projection[] {
  return kind === 'equities' ? [...PROJECTIONS, ...DESK_PROJECTIONS] : PROJECTIONS;
}

export const PROJECTIONS: readonly Projection[] = [
  positions,
  tradesRecent,
  conversations,
  decisionLast,
  traderState,
  leaderboard,
  leaderboardCache,
  sinceInception,
  ...EQUITY_PROJECTIONS,
  analytics,
  analyticsAll,
  ...PAPER_PROJECTIONS,
  seasons,
  ...MARKET_PROJECTIONS,
];
