/** Writes the keys of the cache from Postgres: all of them, or only those that are missing. */

import type { Family } from '../domain/published-keys.ts';
import type { PriceKeys } from './price-keys.ts';
import type { Target } from './projection.ts';
import type { Publisher } from './publisher.ts';

/** Keys loaded and written at a time: large enough to share queries, small enough for their values to fit anywhere. */
const CHUNK = 500;
/** Chunks at a time: while one is being written, the next is being loaded. */
const LANES = 2;

export type Rebuilt = { readonly family: Family | 'prices'; readonly keys: number; readonly written: number };

export type RebuildOptions = {
  /** Leave keys alone that are there. */
  readonly missingOnly?: boolean;
  readonly signal?: AbortSignal;
  /** Hears how many keys are done. */
  readonly onKeys?: (done: number, total: number) => void;
};

/** Writes the keys, and says how many of each family there are. Throws NOF0_CACHE_UNAVAILABLE when the cache is gone. */
export async function rebuildKeys(
  publisher: Publisher,
  prices: PriceKeys,
  { missingOnly = false, signal, onKeys }: RebuildOptions = {},
): Promise<Rebuilt[]> {
  const targets = await publisher.allTargets();
  const counts = new Map(publisher.families.map((family) => [family, { keys: 0, written: 0 }]));
  const chunks: Target[][] = [];
  for (let first = 0; first < targets.length; first += CHUNK) chunks.push(targets.slice(first, first + CHUNK));
  let done = 0;
  const lane = async () => {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      signal?.throwIfAborted();
      const due = missingOnly ? await missing(publisher, chunk) : chunk;
      // Nobody else rebuilds: a lock for each key would only cost.
      await publisher.refresh(due, { lock: false });
      for (const { family } of chunk) count(counts, family, 'keys');
      for (const { family } of due) count(counts, family, 'written');
      done += chunk.length;
      onKeys?.(done, targets.length);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const written = await prices.refresh();
  return [...[...counts].map(([family, own]) => ({ family, ...own })), { family: 'prices', keys: written, written }];
}

async function missing(publisher: Publisher, targets: readonly Target[]): Promise<Target[]> {
  const found = await publisher.peek(targets);
  return targets.filter((_, index) => found[index] === undefined);
}

function count(counts: Map<Family, { keys: number; written: number }>, family: Family, what: 'keys' | 'written'): void {
  const own = counts.get(family);
  if (own !== undefined) own[what] += 1;
}
