/** Which values stand in projected keys, without reading them: the token of a write names its value. */

import { isClusterClient, type ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';

/** The sidecar of a key that stands as it says; null of one that has none, or has gone before its time. */
type Found = ReadonlyMap<string, string | null>;

type Batch = { readonly keys: Set<string>; readonly found: Promise<Found> };

/** Asks for keys that are wanted at the same moment together, each once: readers come in crowds and want the same few. */
export class Versions {
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;
  #next: Batch | null = null;

  constructor(redis: ScriptedRedis, keys: KeyRegistry) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * One text for all of the keys; null when one of them does not say. What is read after it is as new as it or newer, so an answer made
   * of it may be given again for as long as the text is the same. Throws when Redis does.
   */
  async read(keys: readonly string[]): Promise<string | null> {
    this.#next ??= this.#gather();
    for (const key of keys) this.#next.keys.add(key);
    const found = await this.#next.found;
    let tokens = '';
    for (const key of keys) {
      const sidecar = found.get(key) ?? null;
      if (sidecar === null) return null;
      tokens += `${sidecar},`;
    }
    return tokens;
  }

  /** A batch that is asked for when everything that has arrived by now has said what it wants. */
  #gather(): Batch {
    const keys = new Set<string>();
    const found = new Promise<void>((resolve) => {
      setImmediate(resolve);
    }).then(() => {
      // Whoever comes from now on wants to know what stands from now on.
      this.#next = null;
      return this.#ask([...keys]);
    });
    return { keys, found };
  }

  async #ask(keys: readonly string[]): Promise<Found> {
    // In a cluster a script's keys share a slot: that of a key and its sidecar.
    const groups = isClusterClient(this.#redis) ? keys.map((key) => [key]) : [keys];
    const replies = (await Promise.all(groups.map((group) => this.#askTogether(group)))).flat();
    const now = Date.now();
    return new Map(keys.map((key, index) => [key, standing(replies[2 * index], replies[2 * index + 1], now)]));
  }

  #askTogether(keys: readonly string[]): Promise<unknown[]> {
    const pairs = keys.flatMap((key) => [key, this.#keys.sidecar(key)]);
    return this.#redis.keyVersions(pairs.length, pairs);
  }
}

function standing(exists: unknown, sidecar: unknown, nowMs: number): string | null {
  if (typeof sidecar !== 'string') return null;
  // A key that has gone before its time is written again; one that is known to be empty was never there.
  const stands = exists === 1 || Number(sidecar.slice(sidecar.indexOf(':') + 1)) > nowMs;
  return stands ? `${exists}${sidecar}` : null;
}
