/** One file: good rows come in, in one transaction with what must follow from them; bad rows are listed. */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { refresh } from '../domain/published-keys.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import type { Database } from '../store/database.ts';
import { addEffects, type EffectRow, type NewEffect } from '../store/effects.ts';
import { type Merged, openStaging, registerImported, touchAccounts } from '../store/import-staging.ts';
import type { ImportKind } from './kinds.ts';
import { readRows } from './read-rows.ts';
import { type BadRow, Staging } from './staging.ts';

export type FileResult = Merged & {
  readonly file: string;
  readonly rows: number;
  readonly badRows: number;
  /** Every fault of the bad rows, at most a thousand of them. */
  readonly faults: readonly BadRow[];
  /** The file's own time, ms; null when it tells none. */
  readonly serverTimeMs: number | null;
  readonly effects: readonly EffectRow[];
};

export type FileContext = {
  readonly db: Database;
  readonly provider: string;
  /** Time of the files beside it, for a file that tells none of its own; null: the file system's. */
  readonly besideMs: number | null;
  readonly nowMs: number;
  readonly onProgress: (bytes: number, rows: number) => void;
};

/**
 * Imports one file. A second time changes nothing.
 *
 * @throws NOF0_INPUT_INVALID when the file as a whole cannot be read; nothing of it has come in then
 */
export async function importFile(file: string, kind: ImportKind, context: FileContext): Promise<FileResult> {
  return context.db.transaction(async (tx) => {
    await openStaging(tx);
    const staging = new Staging(tx, kind, context.onProgress);
    const { serverTimeMs } = await readRows(file, {
      under: kind.under,
      onRows: (rows) => staging.take(rows),
      onBytes: (bytes) => context.onProgress(bytes, staging.rows),
    });
    const tsMs = serverTimeMs ?? context.besideMs ?? Math.round((await stat(file)).mtimeMs);
    await staging.finish(tsMs);
    await registerImported(tx, context.provider, staging.models(), context.nowMs);
    const merged = await kind.merge(tx, { tsMs, provider: context.provider });
    await touchAccounts(tx, merged.models);
    const kept = staging.baseline > 0 ? { ...merged.kept, 'of the baseline': staging.baseline } : merged.kept;
    return {
      ...merged,
      kept,
      file: path.basename(file),
      rows: staging.rows,
      badRows: staging.badRows,
      faults: staging.faults,
      serverTimeMs,
      effects: await addEffects(tx, effectsOf(kind, merged, context.nowMs)),
    };
  });
}

/** Keys that show the rows, and the analytics that follow from them. */
function effectsOf(kind: ImportKind, merged: Merged, nowMs: number): NewEffect[] {
  if (merged.added + merged.changed === 0) return [];
  const follows = new Set(kind.follows);
  const perModel = merged.models.flatMap((id): NewEffect[] => [
    ...(follows.has('trades') ? [refresh('tradesRecent', id)] : []),
    ...(follows.has('positions') ? [refresh('positions', id)] : []),
    // Whatever comes from before its beginning moves it.
    refresh('inception', id),
    ...(follows.has('equity') ? [refresh('sinceInception', id), refresh('accountTotals', id)] : []),
    ...(follows.has('talk') ? [refresh('conversations', id)] : []),
    ...(follows.has('analytics') ? [enqueueEffect('analytics', { modelId: id, asOfMs: nowMs })] : []),
  ]);
  const ranks = follows.has('trades') || follows.has('equity');
  return [
    ...perModel,
    ...(ranks ? [refresh('leaderboard'), refresh('leaderboardCache')] : []),
    ...(follows.has('prices') ? [refresh('cryptoPrices')] : []),
  ];
}
