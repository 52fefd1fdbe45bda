/** Reading a stream from its end on, without a group: every reader gets every entry. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptedRedis } from './connections.ts';
import { type StreamEntry, toEntry } from './stream-group.ts';

const WAIT_MS = 1000;
const RETRY_MS = 500;
const BATCH = 200;
const POSITION = /^\d{1,15}-\d{1,15}$/;

export class StreamTail {
  readonly #redis: ScriptedRedis;
  readonly #stream: string;

  constructor(redis: ScriptedRedis, stream: string) {
    this.#redis = redis;
    this.#stream = stream;
  }

  /** Where the stream ends now. */
  async end(): Promise<string> {
    const [last] = await this.#redis.xrevrange(this.#stream, '+', '-', 'COUNT', 1);
    return last?.[0] ?? '0-0';
  }

  /**
   * The entries behind a position. Null when the stream cannot tell: the position is none, what followed it has been cut off, or there
   * is more than `limit`.
   */
  async behind(position: string, limit: number): Promise<StreamEntry[] | null> {
    if (!POSITION.test(position)) return null;
    const [oldest] = await this.#redis.xrange(this.#stream, '-', '+', 'COUNT', 1);
    const isCut = oldest !== undefined && position !== '0-0' && isLater(oldest[0], position);
    // A position of a stream that has lost its data, or of another one.
    if (isCut || isLater(position, await this.end())) return null;
    const entries = await this.#redis.xrange(this.#stream, `(${position}`, '+', 'COUNT', limit + 1);
    return entries.length > limit ? null : entries.map(toEntry);
  }

  /** Hands over every entry behind a position until `signal`. A server that is away is waited for, and nothing is skipped. */
  async follow(
    from: string,
    signal: AbortSignal,
    onEntry: (entry: StreamEntry) => void,
    onError: (error: unknown) => void,
  ): Promise<void> {
    let position = from;
    while (!signal.aborted) {
      try {
        const read = await this.#redis.xread('COUNT', BATCH, 'BLOCK', WAIT_MS, 'STREAMS', this.#stream, position);
        for (const raw of read?.[0]?.[1] ?? []) {
          position = raw[0];
          onEntry(toEntry(raw));
        }
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/** Whether the first id of an entry comes after the second. */
export function isLater(first: string, second: string): boolean {
  const [a = 0, b = 0] = first.split('-').map(Number);
  const [c = 0, d = 0] = second.split('-').map(Number);
  return a > c || (a === c && b > d);
}
