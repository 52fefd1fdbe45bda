/** A directory of the original's files: each that is there, in the order in which they build on each other. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { computeModelAnalytics } from '../engine/compute-analytics.ts';
import type { Stories } from '../engine/context.ts';
import { CodedError, toCoded } from '../errors.ts';
import { refreshViews } from '../store/analytics.ts';
import { type EffectRow, settleEffects } from '../store/effects.ts';
import { type FileResult, importFile } from './import-file.ts';
import { IMPORT_KINDS, type ImportKind } from './kinds.ts';

/** A file that could not be read as a whole. */
export type Unreadable = { readonly file: string; readonly reason: string };

export type DirectoryResult = {
  readonly files: readonly FileResult[];
  readonly unreadable: readonly Unreadable[];
};

export type ImportOptions = {
  readonly nowMs: number;
  /** Files to look at; all by default. */
  readonly only?: (kind: ImportKind) => boolean;
  readonly onProgress?: (file: string, bytes: number, rows: number) => void;
};

export function presentKinds(dir: string): ImportKind[] {
  return IMPORT_KINDS.filter(({ file }) => existsSync(path.join(dir, file)));
}

/** Models whose analytics are counted at a time: each has a state of its own. */
const COUNTED_AT_ONCE = 4;

/** Imports what is there and computes what follows from it. */
export class DirectoryImport {
  readonly #stories: Stories;
  readonly #dir: string;
  /** Newest time that any file of the directory told, ms: the time of one that tells none itself. */
  #filesMs: number | null = null;

  constructor(stories: Stories, dir: string) {
    this.#stories = stories;
    this.#dir = dir;
  }

  /** @throws NOF0_INPUT_INVALID when none of the files is there */
  async run(options: ImportOptions): Promise<DirectoryResult> {
    const kinds = presentKinds(this.#dir);
    if (kinds.length === 0)
      throw new CodedError(
        'NOF0_INPUT_INVALID',
        `${this.#dir} holds none of ${IMPORT_KINDS.map(({ file }) => file).join(', ')}`,
      );
    const chosen = kinds.filter(options.only ?? (() => true));
    const files: FileResult[] = [];
    const unreadable: Unreadable[] = [];
    // A file without a time of its own comes last: by then the others have told theirs.
    for (const kind of [...chosen].sort((a, b) => Number(a.timed ?? false) - Number(b.timed ?? false))) {
      try {
        files.push(await this.#importOne(kind, options));
      } catch (error) {
        const coded = toCoded(error);
        if (coded.code !== 'NOF0_INPUT_INVALID') throw error;
        unreadable.push({ file: kind.file, reason: coded.message });
      }
    }
    await this.#follow(
      files.flatMap((file) => file.effects),
      options.nowMs,
    );
    return { files, unreadable };
  }

  async #importOne(kind: ImportKind, { nowMs, onProgress }: ImportOptions): Promise<FileResult> {
    const { db, market } = this.#stories;
    const result = await importFile(path.join(this.#dir, kind.file), kind, {
      db,
      provider: market.provider,
      besideMs: this.#filesMs,
      nowMs,
      onProgress: (bytes, rows) => onProgress?.(kind.file, bytes, rows),
    });
    if (result.serverTimeMs !== null) this.#filesMs = Math.max(this.#filesMs ?? 0, result.serverTimeMs);
    return result;
  }

  /**
   * Keys are refreshed, and analytics computed here: a run into which one only imports has no workers. Should this process end before,
   * the promised jobs do the same.
   */
  async #follow(effects: readonly EffectRow[], nowMs: number): Promise<void> {
    const jobs = effects.filter((effect) => effect.kind === 'enqueue');
    const models = new Set(jobs.map((effect) => (effect.payload.data as { modelId: string }).modelId));
    const waiting = [...models];
    const count = async () => {
      for (let modelId = waiting.shift(); modelId !== undefined; modelId = waiting.shift()) {
        await computeModelAnalytics(this.#stories, modelId, nowMs);
        const done = jobs.filter((effect) => (effect.payload.data as { modelId: string }).modelId === modelId);
        await settleEffects(
          this.#stories.db,
          done.map((effect) => ({ target: effect.target, ids: [effect.id] })),
        );
      }
    };
    await Promise.all(Array.from({ length: COUNTED_AT_ONCE }, count));
    const keys = new Map(effects.filter(({ kind }) => kind === 'project').map((row) => [row.target, row]));
    await this.#stories.drain(effects.filter(({ kind }) => kind === 'project'));
    if (keys.size > 0) await refreshViews(this.#stories.db);
  }
}
