/** Sync a model with its exchange, mark it to market, record its equity, publish its positions. */

import { equityUsd, unrealizedPnl } from '../domain/ledger.ts';
import { publishedPosition } from '../domain/published.ts';
import { refresh } from '../domain/published-keys.ts';
import { sharpeRatio } from '../domain/statistics.ts';
import { CodedError } from '../errors.ts';
import { addEffects } from '../store/effects.ts';
import { type Account, account, hourlyEquity, type NewSnapshot, saveSnapshot } from '../store/equity.ts';
import { lockAccount } from '../store/ledger.ts';
import { ingestCursor } from '../store/market.ts';
import { type MarkedPosition, openPositions } from '../store/positions.ts';
import { committed, done, type Outcome, type Stories } from './context.ts';
import { syncFills } from './ingest-fills.ts';
import { reportTrip, watchEquity } from './watch-equity.ts';

const HOUR_MS = 3_600_000;
/** Sharpe is measured over the returns of whole hours, at most the last 30 days: bounded, so that a snapshot costs the same at any age. */
const SHARPE_HOURS = 720;
const HOURS_PER_YEAR = 8760;

export async function takeSnapshot(stories: Stories, modelId: string, asOfMs: number): Promise<Outcome> {
  const { db, market } = stories;
  // Run late, it finds the market further on than it was asked for: what it sees belongs to that moment.
  const nowMs = Math.max(stories.clock.now(asOfMs), (await ingestCursor(db, market.provider))?.watermarkMs ?? 0);
  const newFills = await syncFills(stories, modelId, nowMs, { snapshot: false });
  const hourly = await hourlyEquity(db, modelId, SHARPE_HOURS);
  const { equity, effects, tripped } = await committed(stories, 'snapshot', () =>
    db.transaction(
      async (tx) => {
        // Under the account's lock: its sums and its positions are those of one moment, however many fills come in between.
        const owner = (await lockAccount(tx, modelId)) ? await account(tx, modelId) : null;
        if (owner === null) throw new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${modelId}"`);
        const snapshot = snapshotOf(owner, await openPositions(tx, market.provider, [modelId]), hourly, nowMs);
        await saveSnapshot(tx, snapshot);
        const tripped = await watchEquity(tx, stories, snapshot);
        const keys = [refresh('positions', modelId), refresh('leaderboard'), refresh('leaderboardCache')];
        const effects = [...(await addEffects(tx, keys)), ...(tripped?.effects ?? [])];
        return { equity: snapshot.equityUsd, effects, tripped };
      },
      { relaxed: true },
    ),
  );
  if (tripped) reportTrip(stories, modelId, tripped);
  await stories.drain(effects);
  return done({ equityUsd: equity, newFills });
}

/** Marks the account to market. `hourly`: its equity at the end of each past hour, oldest first. */
function snapshotOf(
  owner: Account,
  positions: readonly MarkedPosition[],
  hourly: readonly number[],
  nowMs: number,
): NewSnapshot {
  const unrealized = positions.reduce(
    (sum, position) => sum + unrealizedPnl(position.quantity, position.entryPrice, position.markPrice),
    0,
  );
  const equity = equityUsd({
    initialUsd: owner.initialEquityUsd,
    grossPnl: owner.realizedUsd,
    feesUsd: owner.feesUsd,
    fundingUsd: owner.fundingUsd,
    transfersUsd: owner.transfersUsd,
    unrealizedUsd: unrealized,
  });
  const published = positions.map((position) => publishedPosition(position, position.markPrice));
  const sinceInceptionMs = Math.max(0, nowMs - owner.inceptionTsMs);
  return {
    modelId: owner.modelId,
    tsMs: nowMs,
    equityUsd: equity,
    realizedPnl: owner.realizedUsd - owner.feesUsd + owner.fundingUsd,
    unrealizedPnl: unrealized,
    cumPnlPct: (equity / owner.initialEquityUsd - 1) * 100,
    sharpeRatio: sharpeRatio(returns(hourly), HOURS_PER_YEAR),
    marginUsed: published.reduce((sum, position) => sum + position.margin, 0),
    positions: Object.fromEntries(published.map((position) => [position.symbol, position])),
    hourlyMarker: Math.floor(sinceInceptionMs / HOUR_MS),
    minuteMarker: Math.floor(sinceInceptionMs / 60_000),
  };
}

function returns(equity: readonly number[]): number[] {
  return equity.slice(1).map((value, index) => value / (equity[index] || 1) - 1);
}
