/**
 * Work that many ask for at once, done once for all of them. Whoever asked before it began shares it; whoever comes while it runs waits
 * and looks again, because it may not know what he knows already.
 */

import { outsideWork } from '../telemetry/work.ts';

type Flight<V> = { readonly began: number; readonly landed: Promise<V> };

export type Sources<K, V> = {
  /** Two of the same name are the same. */
  readonly nameOf: (key: K) => string;
  /** What stands there without any work, in the order of the keys; undefined where nothing does. Never rejects. */
  readonly look: (keys: readonly K[]) => Promise<readonly (V | undefined)[]>;
  /** The work, for many keys together, values in their order. */
  readonly load: (keys: readonly K[]) => Promise<readonly V[]>;
};

export class SingleFlight<K, V> {
  readonly #sources: Sources<K, V>;
  readonly #flying = new Map<string, Flight<V>>();
  #moments = 0;

  constructor(sources: Sources<K, V>) {
    this.#sources = sources;
  }

  /** Values of the keys in their order. Rejects with the error of the work that it shared. */
  async get(keys: readonly K[]): Promise<V[]> {
    const { nameOf, look } = this.#sources;
    const asked = ++this.#moments;
    const found = new Map<string, V>();
    let open = new Map(keys.map((key) => [nameOf(key), key]));
    while (open.size > 0) {
      const values = await look([...open.values()]);
      for (const [index, name] of [...open.keys()].entries()) {
        const value = values[index];
        if (value === undefined) continue;
        found.set(name, value);
        open.delete(name);
      }
      open = await this.#share(open, asked, found);
    }
    return keys.map((key) => found.get(nameOf(key)) as V);
  }

  /** Shares or does the work. Returns the keys whose work had begun too early for the asker; it is over now. */
  async #share(open: Map<string, K>, asked: number, found: Map<string, V>): Promise<Map<string, K>> {
    this.#start(new Map([...open].filter(([name]) => !this.#flying.has(name))));
    const again = new Map<string, K>();
    await Promise.all(
      [...open].map(async ([name, key]) => {
        const { began, landed } = this.#flying.get(name) as Flight<V>;
        if (began > asked) {
          found.set(name, await landed);
        } else {
          again.set(name, key);
          // Its error belongs to those who share it.
          await landed.catch(() => {});
        }
      }),
    );
    return again;
  }

  #start(keys: ReadonlyMap<string, K>): void {
    if (keys.size === 0) return;
    const began = ++this.#moments;
    // One asker's abort must not fail the others.
    const loading = outsideWork(() => this.#sources.load([...keys.values()]));
    for (const [index, name] of [...keys.keys()].entries()) {
      const landed = loading.then((values) => values[index] as V).finally(() => this.#flying.delete(name));
      // Those who share it hear of its error; without any of them nobody has to.
      landed.catch(() => {});
      this.#flying.set(name, { began, landed });
    }
  }
}
