/** Ticks lie in a partition for each day of market time. */

import type { Tick } from '../domain/market.ts';
import type { Database, Queryable } from './database.ts';

const DAY_MS = 86_400_000;
const DUPLICATE_TABLE = '42P07';
/** Days that this process has seen a partition for. */
const knownDays = new WeakMap<object, Set<number>>();

/** Makes the partitions that the ticks need. Cheap after the first tick of a day. */
export async function ensurePartitions(db: Database, ticks: readonly Tick[]): Promise<void> {
  const seen = knownDays.get(db) ?? new Set<number>();
  knownDays.set(db, seen);
  const days = [...new Set(ticks.map((tick) => Math.floor(tick.tsMs / DAY_MS)))].filter((day) => !seen.has(day));
  for (const day of days) {
    await db.query('SELECT ensure_tick_partitions($1, $1)', [day * DAY_MS]).catch((error: unknown) => {
      // Another process met the new day at the same moment and was faster: that is what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === DUPLICATE_TABLE)) throw error;
    });
    seen.add(day);
  }
}

/** Makes the partitions of a stretch of market time. Returns how many there were not. */
export async function makePartitions(db: Queryable, fromMs: number, toMs: number): Promise<number> {
  const [row] = await db.query<{ made: number }>('SELECT ensure_tick_partitions($1, $2) AS made', [fromMs, toMs]);
  return row?.made ?? 0;
}

const NO_PARTITION = '23514';

/** Runs a statement that stores ticks; once more when a partition that this process has seen was archived since. */
export async function withPartitions<T>(db: Database, ticks: readonly Tick[], store: () => Promise<T>): Promise<T> {
  await ensurePartitions(db, ticks);
  try {
    return await store();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === NO_PARTITION)) throw error;
    knownDays.delete(db);
    await ensurePartitions(db, ticks);
    return store();
  }
}
