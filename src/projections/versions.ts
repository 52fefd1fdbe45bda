/** Which values stand in projected keys, without reading them: the token of a write names its value. */

import { isClusterClient, type ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import type { Target } from './projection.ts';

/** Whether the key is there, and its sidecar. */
type Found = readonly [exists: unknown, sidecar: unknown];

type Batch = { readonly keys: Set<string>; readonly found: Promise<Map<string, Found>> };

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
  async read(targets: readonly Target[]): Promise<string | null> {
    const keys = targets.map(({ family, ids }) => this.#keys.key(family, ids));
    this.#next ??= this.#gather();
    for (const key of keys) this.#next.keys.add(key);
    const found = await this.#next.found;
    const now = Date.now();
    const tokens: string[] = [];
    for (const key of keys) {
      const [exists, sidecar] = found.get(key) ?? [0, null];
      if (typeof sidecar !== 'string') return null;
      // A key that has gone before its time is written again; one that is known to be empty was never there.
      if (exists !== 1 && Number(sidecar.split(':')[1] ?? 0) <= now) return null;
      tokens.push(`${exists}${sidecar}`);
    }
    return tokens.join();
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

  async #ask(keys: readonly string[]): Promise<Map<string, Found>> {
    // In a cluster a pipeline has one slot: that of a key and its sidecar.
    const groups = isClusterClient(this.#redis) ? keys.map((key) => [key]) : [keys];
    const replies = (await Promise.all(groups.map((group) => this.#pairs(group)))).flat();
    return new Map(keys.map((key, index) => [key, [replies[2 * index], replies[2 * index + 1]]]));
  }

  async #pairs(keys: readonly string[]): Promise<unknown[]> {
    const pipeline = this.#redis.pipeline();
    for (const key of keys) {
      pipeline.exists(key);
      pipeline.get(this.#keys.sidecar(key));
    }
    const replies = (await pipeline.exec()) ?? [];
    const failure = replies.find(([error]) => error)?.[0];
    if (failure) throw failure;
    return replies.map(([, reply]) => reply);
  }
}
