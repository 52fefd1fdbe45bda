/** Sync a model with its exchange, mark it to market, record its equity, publish its positions. */

import { equityUsd, unrealizedPnl } from '../domain/ledger.ts';
import { publishedPosition } from '../domain/published.ts';
import { refresh } from '../domain/published-keys.ts';
import { sharpeRatio } from '../domain/statistics.ts';
import { CodedError } from '../errors.ts';
import type { Database, Queryable } from '../store/database.ts';
import { type Account, hourlyEquity, lockAccount, type NewSnapshot, saveSnapshot } from '../store/equity.ts';
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
  const { equity, effects, tripped } = await committed(stories, 'snapshot', () =>
    db.transaction(
      async (tx) => {
        // Under the account's lock: its sums and its positions are those of one moment, however many fills come in between.
        const owner = await lockAccount(tx, modelId);
        if (owner === null) throw new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${modelId}"`);
        const hour = Math.floor(sinceInceptionMs(owner, nowMs) / HOUR_MS);
        const sharpe = await sharpeBefore(db, tx, modelId, hour);
        const snapshot = snapshotOf(owner, await openPositions(tx, market.provider, [modelId]), sharpe, nowMs);
        const keys = [refresh('positions', modelId), refresh('leaderboard'), refresh('leaderboardCache')];
        const saved = await saveSnapshot(tx, snapshot, keys);
        const tripped = await watchEquity(tx, stories, snapshot);
        const effects = [...saved, ...(tripped?.effects ?? [])];
        return { equity: snapshot.equityUsd, effects, tripped };
      },
      { relaxed: true },
    ),
  );
  if (tripped) reportTrip(stories, modelId, tripped);
  await stories.drain(effects);
  return done({ equityUsd: equity, newFills });
}

const sharpes = new WeakMap<Database, Map<string, { hour: number; sharpe: number }>>();

/** Sharpe ratio of the hours before `hour`. It changes once an hour, so this process reads the hours once an hour. */
async function sharpeBefore(db: Database, tx: Queryable, modelId: string, hour: number): Promise<number> {
  const known = sharpes.get(db) ?? new Map<string, { hour: number; sharpe: number }>();
  sharpes.set(db, known);
  const last = known.get(modelId);
  if (last?.hour === hour) return last.sharpe;
  const sharpe = sharpeRatio(returns(await hourlyEquity(tx, modelId, hour, SHARPE_HOURS)), HOURS_PER_YEAR);
  known.set(modelId, { hour, sharpe });
  return sharpe;
}

function sinceInceptionMs(owner: Account, nowMs: number): number {
  return Math.max(0, nowMs - owner.inceptionTsMs);
}

/** Marks the account to market. */
function snapshotOf(owner: Account, positions: readonly MarkedPosition[], sharpe: number, nowMs: number): NewSnapshot {
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
  const ageMs = sinceInceptionMs(owner, nowMs);
  return {
    modelId: owner.modelId,
    tsMs: nowMs,
    equityUsd: equity,
    realizedPnl: owner.realizedUsd - owner.feesUsd + owner.fundingUsd,
    unrealizedPnl: unrealized,
    cumPnlPct: (equity / owner.initialEquityUsd - 1) * 100,
    sharpeRatio: sharpe,
    marginUsed: published.reduce((sum, position) => sum + position.margin, 0),
    positions: Object.fromEntries(published.map((position) => [position.symbol, position])),
    hourlyMarker: Math.floor(ageMs / HOUR_MS),
    minuteMarker: Math.floor(ageMs / 60_000),
  };
}

function returns(equity: readonly number[]): number[] {
  return equity.slice(1).map((value, index) => value / (equity[index] || 1) - 1);
}
