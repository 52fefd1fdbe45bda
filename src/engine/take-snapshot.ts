/** Sync a model with its exchange, mark it to market, record its equity, publish its positions. */

import { equityUsd, unrealizedPnl } from '../domain/ledger.ts';
import { publishedPosition } from '../domain/published.ts';
import { refresh } from '../domain/published-keys.ts';
import { CodedError } from '../errors.ts';
import { type Account, lockAccount, type NewSnapshot, saveSnapshot } from '../store/equity.ts';
import { type MarkedPosition, openPositions } from '../store/positions.ts';
import { Questions } from '../store/questions.ts';
import { type SnapshotBasis, type SnapshotWrite, snapshotBases, writeSnapshots } from '../store/snapshots.ts';
import { committed, done, type Outcome, type Stories, snoozed } from './context.ts';
import { hourOf, sharpeAt } from './equity-metrics.ts';
import { syncFillsBehind } from './ingest-fills.ts';
import { judgeEquity, reportTrip, watchEquity } from './watch-equity.ts';

const HOUR_MS = 3_600_000;
/** How long a snapshot of a replay waits for prices that come again. */
const FORGOTTEN_MS = 200;
const FORGOTTEN = snoozed(FORGOTTEN_MS, 'a crash of the database took back the prices of this moment; they come again');

/** A cycle that ends beside a snapshot has changed its trader once; a second time it is not worth another look. */
const QUICK_TRIES = 2;

/** One snapshot by itself; who takes many keeps a `SnapshotTaker`. */
export function takeSnapshot(stories: Stories, modelId: string, asOfMs: number): Promise<Outcome> {
  return new SnapshotTaker(stories).take(modelId, asOfMs);
}

/**
 * Takes snapshots. Those of one moment share their statements: one reads what all of them are made of, one writes them all, unless the
 * ledger or the trader has changed in between, twice. Such a one, the first of an hour (whose metrics are added) and one that trips a
 * breaker are taken by themselves, under the account's lock.
 */
export class SnapshotTaker {
  readonly #stories: Stories;
  readonly #bases: Questions<string, SnapshotBasis | null>;
  readonly #heads: Questions<string, number>;
  readonly #writes: Questions<SnapshotWrite, boolean>;

  constructor(stories: Stories) {
    const { db, market } = stories;
    this.#stories = stories;
    this.#bases = new Questions((modelIds) => snapshotBases(db, market.provider, modelIds));
    this.#heads = new Questions(async (modelIds) => {
      const heads = await stories.exchange.fillHeads();
      return modelIds.map((id) => heads.get(id) ?? 0);
    });
    this.#writes = new Questions(async (writes) => {
      // Of one model there is one, unless a job has lost its lock and runs again beside itself.
      const ofModel = new Map(writes.map((write) => [write.snapshot.modelId, write]));
      const { written, effects } = await writeSnapshots(db, [...ofModel.values()]);
      await stories.drain(effects);
      return writes.map(
        (write) => ofModel.get(write.snapshot.modelId) === write && written.has(write.snapshot.modelId),
      );
    });
  }

  async take(modelId: string, asOfMs: number): Promise<Outcome> {
    const stories = this.#stories;
    const [basis, headSeq] = await Promise.all([
      this.#basis(modelId),
      stories.exchange.tellsHead ? this.#heads.ask(modelId) : null,
    ]);
    const isForgotten = ({ watermarkMs }: SnapshotBasis) => stories.clock.repeats && watermarkMs < asOfMs;
    if (isForgotten(basis)) return FORGOTTEN;
    // Run late, it finds the market further on than it was asked for: what it sees belongs to that moment.
    const momentOf = ({ watermarkMs }: SnapshotBasis) => Math.max(stories.clock.now(asOfMs), watermarkMs);
    const follow = { snapshot: false };
    const complete = headSeq !== null && headSeq <= basis.syncedSeq;
    const synced = complete ? null : await syncFillsBehind(stories, modelId, basis.syncedSeq, momentOf(basis), follow);
    const newFills = synced?.ingested.count ?? 0;
    let seen = (synced?.told ?? 0) === 0 ? basis : await this.#basis(modelId);
    for (let tries = 1; ; tries += 1) {
      if (isForgotten(seen)) return FORGOTTEN;
      const write = tries > QUICK_TRIES ? null : this.#quick(seen, momentOf(seen));
      if (write === null) return done({ equityUsd: await underLock(stories, modelId, momentOf(seen)), newFills });
      if (await committed(stories, 'snapshot', () => this.#writes.ask(write)))
        return done({ equityUsd: write.snapshot.equityUsd, newFills });
      seen = await this.#basis(modelId);
    }
  }

  async #basis(modelId: string): Promise<SnapshotBasis> {
    const basis = await this.#bases.ask(modelId);
    if (basis === null) throw unknownAccount(modelId);
    return basis;
  }

  /** What is to be written if nothing more has to happen than that; else null. */
  #quick(basis: SnapshotBasis, nowMs: number): SnapshotWrite | null {
    const { owner, positions, metrics, trader, watch } = basis;
    if (metrics === null || metrics.hour < hourOf(owner, nowMs)) return null;
    const snapshot = snapshotOf(owner, positions, metrics.sharpe, nowMs);
    const verdict = judgeEquity(this.#stories, snapshot, trader === null ? null : { trader, watch });
    if (verdict !== null && verdict.breach !== null) return null;
    return { snapshot, basis, watch: verdict?.watch ?? null, effects: keysOf(owner.modelId) };
  }
}

/** Under the account's lock its sums and its positions are those of one moment, however many fills come in between. Returns the equity, USD. */
async function underLock(stories: Stories, modelId: string, nowMs: number): Promise<number> {
  const { db, market, seed } = stories;
  const { equity, effects, tripped } = await committed(stories, 'snapshot', () =>
    db.transaction(
      async (tx) => {
        const owner = await lockAccount(tx, modelId);
        if (owner === null) throw unknownAccount(modelId);
        const [sharpe, positions] = await Promise.all([
          sharpeAt({ tx, seed }, owner, nowMs),
          openPositions(tx, market.provider, [modelId]),
        ]);
        const snapshot = snapshotOf(owner, positions, sharpe, nowMs);
        const [saved, tripped] = await Promise.all([
          saveSnapshot(tx, snapshot, keysOf(modelId)),
          watchEquity(tx, stories, snapshot),
        ]);
        return { equity: snapshot.equityUsd, effects: [...saved, ...(tripped?.effects ?? [])], tripped };
      },
      { relaxed: true },
    ),
  );
  if (tripped) reportTrip(stories, modelId, tripped);
  await stories.drain(effects);
  return equity;
}

const keysOf = (modelId: string) => [
  refresh('positions', modelId),
  refresh('accountTotals', modelId),
  refresh('leaderboard'),
  refresh('leaderboardCache'),
];

function unknownAccount(modelId: string): CodedError {
  return new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${modelId}"`);
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
