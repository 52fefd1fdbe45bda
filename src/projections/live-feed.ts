/**
 * What happens in the arena, for those who watch: trades from the trade stream, read by each process on its own, and values of the cache
 * as they are written. Connections are opened for the first watcher.
 */

import { CodedError, messageOf } from '../errors.ts';
import { connectRedis, openRedis, type ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import { hearLive, type LiveMessage } from '../redis/live-channel.ts';
import type { StreamEntry } from '../redis/stream-group.ts';
import { isLater, StreamTail } from '../redis/stream-tail.ts';
import type { Logger } from '../telemetry/logger.ts';

export type LiveEvent = {
  readonly topic: LiveMessage['topic'] | 'trades';
  /** The model or the key that a newest value is about; empty: all of them. */
  readonly of: string;
  /** Place in the trade stream; null where nothing can be resumed. */
  readonly id: string | null;
  /** JSON. */
  readonly data: string;
};

export type Watching = {
  /** Where the trade stream stood when the watching began. */
  readonly position: string;
  /** Trades behind the position that was asked for; null: the stream no longer tells which they are. */
  readonly missed: readonly LiveEvent[] | null;
  /** Begins handing over. Before it events wait; whoever never calls it must `stop`. */
  begin(): void;
  stop(): void;
};

type FeedDoors = {
  readonly queueRedisUrl: string;
  readonly cacheRedisUrl: string;
  readonly keys: KeyRegistry;
  readonly logger: Logger;
};
type Listener = (event: LiveEvent) => void;
type Open = { readonly redis: ScriptedRedis; readonly tail: StreamTail };

/** Trades that a watcher may have missed and still be told one by one. */
const MAX_MISSED = 2000;
/** Values that are said as numbers in the stream of Redis, where everything is text. */
const NUMBERS = new Set(['revision', 'quantity', 'entry_price', 'exit_price', 'pnl', 'ts_ms']);

export class LiveFeed {
  readonly #doors: FeedDoors;
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  #opened: Promise<Open> | null = null;
  #following: Promise<void> | null = null;
  #hearing: { close(): void } | null = null;

  constructor(doors: FeedDoors) {
    this.#doors = doors;
  }

  /** `since`: id of the last trade event that the watcher has; null: none. Throws NOF0_QUEUE_UNAVAILABLE. */
  async watch(since: string | null, onEvent: Listener): Promise<Watching> {
    const { tail } = await this.#open();
    const waiting: LiveEvent[] = [];
    let behind: string | null = null;
    // Listening comes before looking: what arrives meanwhile is known twice, and dropped once.
    const listener: Listener = (event) => {
      if (behind === null) waiting.push(event);
      else if (event.id === null || isLater(event.id, behind)) onEvent(event);
    };
    this.#listeners.add(listener);
    const stop = () => void this.#listeners.delete(listener);
    try {
      const end = await tail.end();
      const entries = since === null ? [] : await tail.behind(since, MAX_MISSED);
      const missed = entries?.map(tradeEvent) ?? null;
      const position = missed?.at(-1)?.id ?? end;
      const begin = () => {
        behind = position;
        for (const event of waiting.splice(0)) listener(event);
      };
      return { position, missed, begin, stop };
    } catch (error) {
      stop();
      throw new CodedError('NOF0_QUEUE_UNAVAILABLE', `reading the trade stream: ${messageOf(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#hearing?.close();
    const opened = await this.#opened?.catch(() => null);
    opened?.redis.disconnect();
    await this.#following;
  }

  #open(): Promise<Open> {
    if (this.#closing.signal.aborted)
      return Promise.reject(new CodedError('NOF0_QUEUE_UNAVAILABLE', 'this process is closing'));
    this.#opened ??= this.#connect();
    this.#opened.catch(() => {
      this.#opened = null;
    });
    return this.#opened;
  }

  async #connect(): Promise<Open> {
    const { queueRedisUrl, cacheRedisUrl, keys, logger } = this.#doors;
    const onError = (error: unknown) => logger.debug({ error: messageOf(error) }, 'live feed');
    const redis = openRedis(queueRedisUrl, 'nof0-live', onError);
    // Reading blocks its connection; looking up what was missed needs another one.
    const reader = openRedis(queueRedisUrl, 'nof0-live-reader', onError);
    try {
      await connectRedis(redis, 'queue', 'the configured address');
      await connectRedis(reader, 'queue', 'the configured address');
      const tail = new StreamTail(redis, keys.tradeStream());
      const follower = new StreamTail(reader, keys.tradeStream());
      const onEntry = (entry: StreamEntry) => this.#tell(tradeEvent(entry));
      const from = await tail.end();
      const { signal } = this.#closing;
      signal.addEventListener('abort', () => reader.disconnect());
      this.#following = follower.follow(from, signal, onEntry, onError);
      this.#hearing ??= hearLive(cacheRedisUrl, keys, (message) => this.#tell({ ...message, id: null }), onError);
      return { redis, tail };
    } catch (error) {
      redis.disconnect();
      reader.disconnect();
      throw error;
    }
  }

  #tell(event: LiveEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function tradeEvent({ id, fields }: StreamEntry): LiveEvent {
  const values = Object.entries(fields).map(([name, text]) => {
    if (text === 'null') return [name, null];
    return [name, NUMBERS.has(name) ? Number(text) : text];
  });
  return { topic: 'trades', of: '', id, data: JSON.stringify(Object.fromEntries(values)) };
}
