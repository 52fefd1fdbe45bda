/** The trade stream on the queue role: one entry a trade and revision, in the order of the account's versions. */

import { CodedError, messageOf } from '../errors.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import type { EffectRow } from '../store/effects.ts';

/** The stream is cut to about this many entries. */
const MAX_ENTRIES = 100_000;
/** Redis writes its append-only file to the disk every second; what it was told longer ago than this survives a power cut. */
const ON_DISK_MS = 2000;

export class TradeStream {
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;

  constructor(redis: ScriptedRedis, keys: KeyRegistry) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Appends the events of the rows in their order, each once: the guard of its trade refuses a revision that was published before. */
  async publish(rows: readonly EffectRow[]): Promise<void> {
    try {
      for (const row of rows) {
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

  /**
   * Of rows that were published, those that Redis may still forget: the guard tells how long ago that was, and would be forgotten
   * together with the entry.
   */
  async forgettable(rows: readonly EffectRow[]): Promise<EffectRow[]> {
    const leftMs = await Promise.all(
      rows.map((row) => this.#redis.pttl(this.#keys.tradeGuard((row.payload as { id: string }).id))),
    );
    // Negative: the guard is not there, so it has been forgotten already.
    return rows.filter((_, index) => {
      const left = leftMs[index] ?? -1;
      return left < 0 || this.#keys.guardTtlMs - left < ON_DISK_MS;
    });
  }

  /** The consistency check: every trade's newest revision stands in the stream, and no entry stands twice. */
  async check(
    trades: readonly { id: string; revision: number }[],
  ): Promise<{ compared: number; differences: string[] }> {
    const differences: string[] = [];
    const seen = new Set<string>();
    let from = '-';
    for (;;) {
      const entries = await this.#redis.xrange(this.#keys.tradeStream(), from, '+', 'COUNT', 1000);
      for (const [, fields] of entries) {
        const key = `${fields[fields.indexOf('id') + 1]} revision ${fields[fields.indexOf('revision') + 1]}`;
        if (seen.has(key)) differences.push(`trade ${key} stands twice in the stream`);
        seen.add(key);
      }
      const last = entries.at(-1)?.[0];
      if (last === undefined || entries.length < 1000) break;
      from = `(${last}`;
    }
    // A stream that has been cut no longer holds the oldest trades.
    const complete = seen.size < MAX_ENTRIES;
    for (const trade of trades) {
      if (complete && !seen.has(`${trade.id} revision ${trade.revision}`))
        differences.push(`trade ${trade.id} revision ${trade.revision} is missing in the stream`);
    }
    return { compared: seen.size, differences };
  }
}
