/** The trade stream on the queue role: one entry a trade and revision, in the order of the account's versions. */

import { CodedError, messageOf } from '../errors.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import type { EffectRow } from '../store/effects.ts';

/** The stream is cut to about this many entries. */
const MAX_ENTRIES = 100_000;

export class TradeStream {
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;

  constructor(redis: ScriptedRedis, keys: KeyRegistry) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Appends the events of the rows, each once: the guard of its trade refuses a revision that was published before. */
  async publish(rows: readonly EffectRow[]): Promise<void> {
    const inOrder = [...rows].sort((a, b) => a.id - b.id);
    try {
      for (const row of inOrder) {
        const { id, revision, ...fields } = row.payload as { id: string; revision: number } & Record<
          string,
          string | number
        >;
        const pairs = Object.entries({ ...fields, id, revision }).flatMap(([field, value]) => [field, String(value)]);
        await this.#redis.publishTrade(
          this.#keys.tradeGuard(id),
          this.#keys.tradeStream(),
          revision,
          this.#keys.guardTtlMs,
          MAX_ENTRIES,
          ...pairs,
        );
      }
    } catch (error) {
      throw new CodedError('NOF0_QUEUE_UNAVAILABLE', `writing the trade stream: ${messageOf(error)}`, { cause: error });
    }
  }
}
