/** The ids of the models, which nearly every answer needs and which hardly ever change. */

import { closest } from '../domain/closest.ts';
import { CodedError } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { speakingModelIds } from '../store/conversations.ts';
import type { Database } from '../store/database.ts';
import { modelIds } from '../store/models.ts';

/** How long a list stands: a new model is in the lists of the API soon after that, and under its own name at once. */
const STANDS_MS = 1000;
/** How long it is still given while the next one is being read: a slow database holds up no answer that the cache has. */
const WAITS_MS = 10_000;
const SHOWN = 128;

/** What answers are made of. */
export type Reader = Resources & { readonly knownModels: KnownModels };

export class KnownModels {
  readonly #db: Database;
  #ids: readonly string[] = [];
  #speaking: ReadonlySet<string> = new Set();
  #edition = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<readonly string[]> | null = null;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Counts how often the list was found changed. */
  get edition(): number {
    return this.#edition;
  }

  /** All ids, in order. Requests that come together share one query. */
  async ids(): Promise<readonly string[]> {
    const ageMs = performance.now() - this.#readAtMs;
    if (ageMs < STANDS_MS) return this.#ids;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    if (ageMs >= WAITS_MS) return this.#reading;
    // Should it fail, whoever waits for it later hears of it.
    this.#reading.catch(() => {});
    return this.#ids;
  }

  /** Whether a model of the list is asked in words: its conversation has a key that is kept up. */
  speaks(id: string): boolean {
    return this.#speaking.has(id);
  }

  /** Throws NOF0_MODEL_UNKNOWN with the id that was probably meant. */
  async assert(id: string): Promise<void> {
    if ((await this.ids()).includes(id)) return;
    assertModel(await this.#read(), id);
  }

  async #read(): Promise<readonly string[]> {
    const [ids, speaking] = await Promise.all([modelIds(this.#db), speakingModelIds(this.#db)]);
    this.#speaking = new Set(speaking);
    if (ids.join() !== this.#ids.join()) this.#edition += 1;
    this.#ids = ids;
    this.#readAtMs = performance.now();
    return this.#ids;
  }
}

/** Throws NOF0_MODEL_UNKNOWN with the id that was probably meant. */
export function assertModel(known: readonly string[], id: string): void {
  if (known.includes(id)) return;
  const asked = id.slice(0, SHOWN);
  const guess = closest(asked, known);
  throw new CodedError(
    'NOF0_MODEL_UNKNOWN',
    `no model "${asked}" takes part; /api/models lists all${guess ? ` (did you mean ${guess}?)` : ''}`,
  );
}
