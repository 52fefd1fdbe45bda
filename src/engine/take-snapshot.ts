/** Sync a model with its exchange, mark it to market, record its equity, publish its positions. */

import { equityUsd, unrealizedPnl } from '../domain/ledger.ts';
import { publishedPosition } from '../domain/published.ts';
import { refresh } from '../domain/published-keys.ts';
import { CodedError } from '../errors.ts';
import { type Account, lockAccount, type NewSnapshot, saveSnapshot } from '../store/equity.ts';
import { ingestCursor } from '../store/market.ts';
import { type MarkedPosition, openPositions } from '../store/positions.ts';
import { committed, done, type Outcome, type Stories } from './context.ts';
import { sharpeAt } from './equity-metrics.ts';
import { syncFills } from './ingest-fills.ts';
import { reportTrip, watchEquity } from './watch-equity.ts';

const HOUR_MS = 3_600_000;

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
        const sharpe = await sharpeAt({ db, tx, seed: stories.seed }, owner, nowMs);
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
  const ageMs = Math.max(0, nowMs - owner.inceptionTsMs);
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
