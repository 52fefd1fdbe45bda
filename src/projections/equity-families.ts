/** Where each model began, and its equity by the hour: for the answers of the API. Baselines stand among the models. */

import type { BaselineHour } from '../store/baseline.ts';
import { baselineHoursOf, baselines } from '../store/baseline.ts';
import { inceptions, newestHours, type Snapshot } from '../store/equity.ts';
import { modelIds } from '../store/models.ts';
import type { LoadContext, Projection } from './projection.ts';

/** Hours in a key. Front ends come back for the hour that is running and the one before; longer histories are read from the table. */
export const HOURS_KEPT = 6;

const owners = async ({ db }: LoadContext): Promise<string[][]> =>
  [...(await modelIds(db)), ...(await baselines(db)).map(({ baseline }) => baseline)].map((id) => [id]);

/** What does not change while a model takes part; `num_invocations` is that of an import, for as long as no cycle has ended here. */
const inception: Projection = {
  family: 'inception',
  all: owners,
  async load({ db }, ids) {
    const [models, held] = await Promise.all([inceptions(db, ids.flat()), baselines(db)]);
    const rows = [
      ...held.map((each) => ({ ...each, id: each.baseline, modelId: each.baseline, invocations: 0 })),
      ...models,
    ];
    const began = new Map(rows.map((each) => [each.modelId, each]));
    return ids.map(([modelId = '']) => {
      const own = began.get(modelId);
      if (own === undefined) return [];
      const row = {
        id: own.id,
        nav_since_inception: own.initialEquityUsd,
        inception_date: own.inceptionTsMs / 1000,
        num_invocations: own.invocations,
        model_id: modelId,
      };
      return [JSON.stringify(row)];
    });
  },
};

/** The last snapshots of the newest hours, oldest first. */
const accountTotals: Projection = {
  family: 'accountTotals',
  all: owners,
  async load({ db }, ids) {
    const [snapshots, hours] = await Promise.all([
      newestHours(db, ids.flat(), HOURS_KEPT),
      baselineHoursOf(db, ids.flat(), HOURS_KEPT),
    ]);
    const rows = [...snapshots.map(accountTotal), ...hours.map(baselineTotal)];
    return ids.map(([modelId]) => rows.filter((row) => row.model_id === modelId).map((row) => JSON.stringify(row)));
  },
};

export type AccountTotal = ReturnType<typeof accountTotal>;

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

/** What was held instead of a model: all of it is unrealised, and it has no positions of ours. */
export function baselineTotal(hour: BaselineHour): AccountTotal {
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

export const EQUITY_PROJECTIONS: readonly Projection[] = [inception, accountTotals];
