/**
 * Hands every trade of the stream to somebody outside, at least once: an entry is acknowledged after it was taken, so a process that
 * dies in between hands it over again under the same id. One entry at a time, in the order of the stream.
 */

import { messageOf } from '../errors.ts';
import { connectRedis, openRedis, type ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import { isGroupGone, type StreamEntry, StreamGroup } from '../redis/stream-group.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** What became of one try. `permanent`: another one would end the same way. */
export type Delivery =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'failed'; readonly reason: string; readonly permanent: boolean };

export interface TradeConsumer {
  /** Name of the group: what it has been handed is remembered under it. */
  readonly name: string;
  /** Never throws; takes less than the pace's `abandonedMs`. */
  deliver(fields: StreamEntry['fields']): Promise<Delivery>;
}

export type ConsumerPace = {
  readonly attempts: number;
  /** Wait after the first failure; it doubles up to `capMs`. */
  readonly backoffMs: number;
  readonly capMs: number;
  readonly abandonedMs: number;
};

export type ConsumerDoors = {
  readonly queueRedisUrl: string;
  readonly keys: KeyRegistry;
  readonly worker: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

const WAIT_MS = 1000;
const RETRY_REDIS_MS = 1000;
/** How often entries of dead members are looked for. */
const LOOK_MS = 5000;

/** The group of a consumer, over a connection of its own: it waits there. */
export async function openGroup(
  doors: ConsumerDoors,
  name: string,
  abandonedMs: number,
): Promise<{ group: StreamGroup; redis: ScriptedRedis }> {
  const redis = openRedis(doors.queueRedisUrl, `nof0-consumer-${name}`, (error) =>
    doors.logger.debug({ error: error.message }, 'consumer connection'),
  );
  await connectRedis(redis, 'queue', 'the configured address');
  const group = new StreamGroup(redis, {
    stream: doors.keys.tradeStream(),
    buried: doors.keys.buriedTrades(name),
    group: name,
    member: doors.worker,
    abandonedMs,
  });
  return { group, redis };
}

/** Starts handing over. `stop` lets the try that is running end; an entry that waits for another stays for the next process. */
export async function startTradeConsumer(
  doors: ConsumerDoors,
  consumer: TradeConsumer,
  pace: ConsumerPace,
  from: 'next' | 'oldest',
): Promise<{ stop(): Promise<void> }> {
  const { group, redis } = await openGroup(doors, consumer.name, pace.abandonedMs);
  await group.ensure(from);
  const stopping = new AbortController();
  const running = new Loop(doors, consumer, group, pace, stopping.signal).run();
  return {
    async stop() {
      stopping.abort();
      await running;
      await group.leave().catch(() => doors.metrics.swallowed.inc({ reason: 'consumer_leave' }));
      redis.disconnect();
    },
  };
}

class Loop {
  readonly #doors: ConsumerDoors;
  readonly #consumer: TradeConsumer;
  readonly #group: StreamGroup;
  readonly #pace: ConsumerPace;
  readonly #signal: AbortSignal;
  #lookedAt = 0;

  constructor(
    doors: ConsumerDoors,
    consumer: TradeConsumer,
    group: StreamGroup,
    pace: ConsumerPace,
    signal: AbortSignal,
  ) {
    this.#doors = doors;
    this.#consumer = consumer;
    this.#group = group;
    this.#pace = pace;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const entry = (await this.#left()) ?? (await this.#group.next(WAIT_MS));
        if (entry) await this.#handOver(entry);
      } catch (error) {
        this.#doors.logger.warn({ consumer: this.#consumer.name, error: messageOf(error) }, 'the trade stream fails');
        // A queue role that lost its data has lost the group too; what stands there now may be new to the consumer.
        if (isGroupGone(error)) await this.#group.ensure('oldest').catch(() => {});
        await this.#rest(RETRY_REDIS_MS);
      }
    }
  }

  /** An entry of a dead member, looked for now and then. */
  async #left(): Promise<StreamEntry | null> {
    if (Date.now() - this.#lookedAt < Math.min(LOOK_MS, this.#pace.abandonedMs)) return null;
    const { entry, lost } = await this.#group.abandoned();
    if (lost > 0) {
      this.#count('lost', lost);
      this.#doors.logger.error({ consumer: this.#consumer.name, lost }, 'the stream was cut before entries were taken');
    }
    // There may be more of them.
    if (entry === null) this.#lookedAt = Date.now();
    return entry;
  }

  async #handOver(entry: StreamEntry): Promise<void> {
    const about = { consumer: this.#consumer.name, trade: entry.fields.id, revision: entry.fields.revision };
    while (!this.#signal.aborted) {
      const attempt = await this.#group.attempt(entry.id);
      if (attempt === null) return;
      const result = await this.#consumer.deliver(entry.fields);
      if (result.kind === 'delivered') {
        await this.#group.acknowledge(entry.id);
        this.#count('delivered');
        return;
      }
      this.#count('failed');
      if (result.permanent || attempt >= this.#pace.attempts) {
        await this.#group.bury(entry, attempt, result.reason);
        this.#count('buried');
        this.#doors.logger.error({ ...about, attempt, reason: result.reason }, 'a trade was given up');
        return;
      }
      this.#doors.logger.warn({ ...about, attempt, reason: result.reason }, 'a trade was not taken, trying again');
      await this.#backOff(entry.id, attempt);
    }
  }

  /** Waits before the next try and keeps the entry meanwhile. */
  async #backOff(id: string, attempt: number): Promise<void> {
    const { backoffMs, capMs, abandonedMs } = this.#pace;
    let left = Math.min(capMs, backoffMs * 2 ** Math.min(attempt - 1, 20));
    while (left > 0 && !this.#signal.aborted) {
      const part = Math.min(left, abandonedMs / 3);
      await this.#rest(part);
      left -= part;
      if (left > 0) await this.#group.touch(id);
    }
  }

  #count(outcome: 'delivered' | 'failed' | 'buried' | 'lost', by = 1): void {
    this.#doors.metrics.consumed.inc({ consumer: this.#consumer.name, outcome }, by);
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#signal.addEventListener('abort', end);
      if (this.#signal.aborted) end();
    });
  }
}

/** Hands buried entries over once more, each once; those that are taken are forgotten. Returns how many were, and were not. */
export async function redeliver(
  group: StreamGroup,
  consumer: TradeConsumer,
): Promise<{ taken: number; refused: number }> {
  let taken = 0;
  let refused = 0;
  for (const { id, fields } of await group.buried()) {
    const result = await consumer.deliver(fields);
    if (result.kind === 'delivered') {
      await group.forget(id);
      taken += 1;
    } else refused += 1;
  }
  return { taken, refused };
}
