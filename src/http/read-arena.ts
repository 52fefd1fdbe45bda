/** Answers over the whole arena: prices, equity, positions, ranking. */

import type { z } from 'zod';
import { type LeaderboardRow, rank } from '../domain/leaderboard.ts';
import type { PublishedPosition } from '../domain/published.ts';
import type { Resources } from '../resources.ts';
import { type BaselineHour, baselineHours, baselines } from '../store/baseline.ts';
import { hourlySnapshots, inceptions, type Snapshot } from '../store/equity.ts';
import type { seasons } from './answer-schemas.ts';
import type { Reader } from './known-models.ts';

/** Hours of equity in one answer: 83 days. Whoever wants more goes on from `lastHourlyMarkerRead`. */
const MAX_HOURS = 2000;

export async function readCryptoPrices({ prices }: Resources) {
  const all = await prices.read();
  return { prices: Object.fromEntries(all.map((price) => [price.symbol, price])) };
}

/** Equity at the end of each hour, at and after the marker if there is one. */
export async function readAccountTotals({ db }: Resources, marker: number | undefined) {
  const snapshots = await hourlySnapshots(db, marker ?? null, MAX_HOURS);
  const [first, last] = [snapshots[0]?.hourlyMarker ?? 0, snapshots.at(-1)?.hourlyMarker ?? -1];
  const baseline = await baselineHours(db, first, last);
  return {
    accountTotals: [...snapshots.map(accountTotal), ...baseline.map(baselineTotal)],
    lastHourlyMarkerRead: snapshots.at(-1)?.hourlyMarker ?? marker ?? 0,
  };
}

/** What was held instead of a model: all of it is unrealised, and it has no positions of ours. */
function baselineTotal(hour: BaselineHour) {
  return {
    id: `${hour.baseline}_${hour.hour}`,
    model_id: hour.baseline,
    timestamp: hour.tsMs / 1000,
    dollar_equity: hour.equityUsd,
    realized_pnl: 0,
    total_unrealized_pnl: hour.equityUsd - hour.initialEquityUsd,
    cum_pnl_pct: (hour.equityUsd / hour.initialEquityUsd - 1) * 100,
    sharpe_ratio: 0,
    since_inception_hourly_marker: hour.hour,
    since_inception_minute_marker: Math.floor((hour.tsMs - hour.inceptionTsMs) / 60_000),
    positions: {},
  };
}

/** A snapshot for the world. */
export function accountTotal(snapshot: Snapshot) {
  return {
    id: String(snapshot.id),
    model_id: snapshot.modelId,
    timestamp: snapshot.tsMs / 1000,
    dollar_equity: snapshot.equityUsd,
    realized_pnl: snapshot.realizedPnl,
    total_unrealized_pnl: snapshot.unrealizedPnl,
    cum_pnl_pct: snapshot.cumPnlPct ?? 0,
    sharpe_ratio: snapshot.sharpeRatio ?? 0,
    since_inception_hourly_marker: snapshot.hourlyMarker ?? 0,
    since_inception_minute_marker: snapshot.minuteMarker ?? 0,
    positions: snapshot.positions,
  };
}

/** Open positions of the models, of the first `limit` of them by id if there is a limit. */
export async function readPositions({ knownModels, publisher }: Reader, limit: number | undefined) {
  const ids = (await knownModels.ids()).slice(0, limit);
  const values = await publisher.readMany(ids.map((id) => ({ family: 'positions', ids: [id] })));
  return { accountTotals: ids.map((id, index) => ({ model_id: id, positions: bySymbol(values[index] ?? []) })) };
}

/** A hash of Redis comes as field, value, field, value, in an order of its own. */
function bySymbol(members: readonly string[]): Record<string, PublishedPosition> {
  const entries = members.flatMap((symbol, index) =>
    index % 2 === 0 ? [[symbol, JSON.parse(members[index + 1] ?? 'null') as PublishedPosition] as const] : [],
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `nav_since_inception` is what a model began with, as in the original. */
export async function readSinceInceptionValues({ db }: Resources) {
  const [rows, held] = await Promise.all([inceptions(db), baselines(db)]);
  const baselineRows = held.map((each) => ({ ...each, id: each.baseline, modelId: each.baseline, invocations: 0 }));
  return {
    sinceInceptionValues: [...rows, ...baselineRows].map((row) => ({
      id: row.id,
      nav_since_inception: row.initialEquityUsd,
      inception_date: row.inceptionTsMs / 1000,
      num_invocations: row.invocations,
      model_id: row.modelId,
    })),
  };
}

export async function readLeaderboard({ publisher }: Resources) {
  const [text] = await publisher.read({ family: 'leaderboardCache', ids: [] });
  const { leaderboard } = JSON.parse(text ?? '{"leaderboard":[]}') as { leaderboard: LeaderboardRow[] };
  return { leaderboard: rank(leaderboard) };
}

/** All seasons; that of the open one is as old as its key at most. */
export async function readSeasons({ publisher }: Resources) {
  const [text] = await publisher.read({ family: 'seasons', ids: [] });
  return JSON.parse(text ?? '{"seasons":[]}') as z.output<typeof seasons>;
}
