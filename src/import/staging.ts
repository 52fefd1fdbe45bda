/** The rows of one file on their way in: each is checked, good ones wait in the staging table, faults are listed. */

import type { z } from 'zod';
import { BASELINE_ID } from '../domain/original-api.ts';
import { sha256 } from '../domain/random.ts';
import type { Queryable } from '../store/database.ts';
import { type NamedModel, stageRows } from '../store/import-staging.ts';
import type { ImportKind } from './kinds.ts';
import type { RawRow } from './read-rows.ts';

/** A fault of a row. `place`: the row's index or name in the file. */
export type BadRow = {
  readonly file: string;
  readonly place: string;
  readonly path: string;
  readonly reason: string;
};

/** Most faults that are remembered of a file. */
const MAX_LISTED = 1000;
const BATCH_ROWS = 2000;

/** Checks rows and puts the good ones into the staging table. */
export class Staging {
  rows = 0;
  badRows = 0;
  baseline = 0;
  readonly faults: BadRow[] = [];
  readonly #tx: Queryable;
  readonly #kind: ImportKind;
  readonly #onProgress: (bytes: number, rows: number) => void;
  readonly #models = new Map<string, number | null>();
  /** Content of each key that has been seen, to tell a repeated row from a contradiction. */
  readonly #seen = new Map<string, string>();
  readonly #untimed: { place: string; value: unknown }[] = [];
  #waiting: object[] = [];
  /** The batch that the database is taking in while the next one is being read. */
  #writing: Promise<void> = Promise.resolve();

  constructor(tx: Queryable, kind: ImportKind, onProgress: (bytes: number, rows: number) => void) {
    this.#tx = tx;
    this.#kind = kind;
    this.#onProgress = onProgress;
  }

  models(): NamedModel[] {
    return [...this.#models].map(([id, sinceMs]) => ({ id, sinceMs }));
  }

  async take(rows: readonly RawRow[]): Promise<void> {
    if (this.#kind.timed) this.#untimed.push(...rows);
    else for (const row of rows) this.#stage(row, 0);
    if (this.#waiting.length >= BATCH_ROWS) await this.#flush();
  }

  async finish(tsMs: number): Promise<void> {
    for (const row of this.#untimed) this.#stage(row, tsMs);
    await this.#flush();
    await this.#writing;
  }

  #stage(raw: RawRow, tsMs: number): void {
    this.rows += 1;
    const parsed = this.#kind.schema.safeParse(raw.value);
    if (!parsed.success) {
      this.#refuse(raw, parsed.error.issues);
      return;
    }
    const staged = this.#kind.stage(parsed.data as never, { tsMs });
    if (staged.modelId === BASELINE_ID) {
      this.baseline += 1;
      return;
    }
    const content = sha256(JSON.stringify(staged.row)).slice(0, 16);
    const before = this.#seen.get(staged.key);
    if (before === content) return;
    if (before !== undefined) {
      this.#refuse(raw, [{ path: [], message: `another row of the file says something else about ${staged.key}` }]);
      return;
    }
    this.#seen.set(staged.key, content);
    if (staged.modelId !== null) this.#name(staged.modelId, staged.sinceMs);
    this.#waiting.push(staged.row);
  }

  #name(modelId: string, sinceMs: number | null): void {
    const known = this.#models.get(modelId) ?? null;
    this.#models.set(modelId, known === null ? sinceMs : Math.min(known, sinceMs ?? known));
  }

  #refuse(raw: RawRow, issues: readonly Pick<z.core.$ZodIssue, 'path' | 'message'>[]): void {
    this.badRows += 1;
    const room = MAX_LISTED - this.faults.length;
    for (const issue of issues.slice(0, Math.max(0, room)))
      this.faults.push({
        file: this.#kind.file,
        place: raw.place,
        path: issue.path.join('.') || '(whole row)',
        reason: issue.message,
      });
  }

  async #flush(): Promise<void> {
    await this.#writing;
    this.#writing = stageRows(this.#tx, this.#waiting);
    // Whoever waits for it hears of its failure; until then it must not count as unheard.
    this.#writing.catch(() => {});
    this.#waiting = [];
    this.#onProgress(0, this.rows);
  }
}
