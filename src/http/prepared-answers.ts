/**
 * Answers that were given, to be given again while the keys they are made of stand as they stood. Redis is asked every time, and only for
 * the versions of the keys: an answer is never older than what reading it would give.
 */

import type { Metrics } from '../telemetry/metrics.ts';
import { type Prepared, prepare } from './answer.ts';
import type { Endpoint } from './endpoints.ts';
import type { Reader } from './known-models.ts';

const MAX_ANSWERS = 500;
/** Larger answers are made anew each time. */
const MAX_CHARS = 500_000;

type Kept = Prepared & { readonly versions: string };

export class PreparedAnswers {
  readonly #reader: Reader;
  readonly #metrics: Metrics;
  readonly #kept = new Map<string, Kept>();

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#metrics = reader.metrics;
  }

  async of(endpoint: Endpoint, query: unknown, params: Readonly<Record<string, string>>): Promise<Prepared> {
    const { knownModels, publisher } = this.#reader;
    const keys = endpoint.keys?.(await knownModels.ids(), query, params) ?? null;
    if (keys === null || keys.length === 0) return this.#make(endpoint, query, params);
    const edition = knownModels.edition;
    // Before the values: what is read afterwards may be newer than its versions say, and is then made anew, but never older.
    const found = await publisher.versions(keys);
    if (found === null) return this.#make(endpoint, query, params);
    const name = `${endpoint.path} ${JSON.stringify([query, params])}`;
    const versions = `${edition} ${found}`;
    const kept = this.#kept.get(name);
    if (kept?.versions === versions) {
      for (const family of new Set(keys.map((key) => key.family)))
        this.#metrics.cacheReads.inc({ family, result: 'hit' });
      return kept;
    }
    const made = await this.#make(endpoint, query, params);
    this.#keep(name, { ...made, versions });
    return made;
  }

  async #make(endpoint: Endpoint, query: unknown, params: Readonly<Record<string, string>>): Promise<Prepared> {
    return prepare(await endpoint.read(this.#reader, query, params));
  }

  #keep(name: string, kept: Kept): void {
    this.#kept.delete(name);
    if (kept.text.length > MAX_CHARS) return;
    this.#kept.set(name, kept);
    // A map remembers the order of its entries: the first one was kept longest ago.
    if (this.#kept.size > MAX_ANSWERS) this.#kept.delete(this.#kept.keys().next().value ?? '');
  }
}
