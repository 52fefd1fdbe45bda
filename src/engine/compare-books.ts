/** Our positions beside the exchange's: what differs is fetched from the exchange, and what differs still is reported. */

import { setTimeout as sleep } from 'node:timers/promises';
import { openPositions } from '../store/positions.ts';
import type { Stories } from './context.ts';
import { syncFillsBehind } from './ingest-fills.ts';
import { positionDifferences } from './verify-ledger.ts';

export type BooksCheck = {
  /** Models that were compared. */
  readonly compared: number;
  readonly repaired: readonly string[];
  /** What fetching the exchange's fills did not settle: somebody has to look. */
  readonly left: readonly string[];
};

/** A model may be trading at this very moment: its fills are on their way into the ledger for so long. */
const SETTLES_MS = 2000;
const LOOK_MS = 100;

export async function compareBooks(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<BooksCheck> {
  const repaired: string[] = [];
  const left: string[] = [];
  const models = [...stories.traders.keys()];
  for (const modelId of models) {
    const found = await lasting(stories, modelId, signal);
    if (found.length === 0) continue;
    // From the first fill on: how far the ledger goes may be what is wrong. Positions, trades and equity follow from the fills.
    await syncFillsBehind(stories, modelId, 0, stories.clock.now(asOfMs), { snapshot: true });
    const still = await lasting(stories, modelId, signal);
    repaired.push(...found.filter((difference) => !still.includes(difference)));
    left.push(...still);
  }
  return { compared: models.length, repaired, left };
}

/** Differences that do not go away by themselves. */
async function lasting(stories: Stories, modelId: string, signal: AbortSignal): Promise<string[]> {
  const deadline = performance.now() + SETTLES_MS;
  let found = await differences(stories, modelId);
  while (found.length > 0 && performance.now() < deadline) {
    await sleep(LOOK_MS, undefined, { signal });
    found = await differences(stories, modelId);
  }
  return found;
}

async function differences({ db, market, exchange }: Stories, modelId: string): Promise<string[]> {
  const [ours, theirs] = await Promise.all([
    openPositions(db, market.provider, [modelId]),
    exchange.accountState(modelId),
  ]);
  return positionDifferences(modelId, ours, theirs.positions);
}
