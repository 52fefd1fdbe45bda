/** What a feed hears → batches in the outbox, each a job of its own. From the commit on nothing of it is lost. */

import { packTicks } from '../domain/packed-ticks.ts';
import { messageOf } from '../errors.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import type { FeedSink } from '../market/market-data.ts';
import { addEffects, promisesOfAll } from '../store/effects.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Stories } from './context.ts';
import { type Heard, type HeardRows, PriceBuffer } from './price-buffer.ts';

export type PushOptions = {
  /** Begins the ids of its batches: no other pusher has it. */
  readonly source: string;
  /** Ms that rows wait for others at most, while the workers keep up. */
  readonly flushMs?: number;
  /** Rows of one job. */
  readonly maxRows?: number;
};

const FLUSH_MS = 100;
const MAX_ROWS = 4000;
/** Rows that are worth a job: they wait for no others. */
const ENOUGH_ROWS = 200;
/** Ms between two batches: a busy feed makes larger ones, not more than can be worked through. */
const GAP_MS = 20;
/** Batches on their way from which on rows rather wait: workers that are behind get fewer and larger ones … */
const MOST_ON_THEIR_WAY = 2;
/** … but what was heard is not kept from the outbox for longer than this. */
const HOLD_MS = 500;
/** Before another try. */
const RETRY_MS = 250;

export class PricePusher implements FeedSink {
  readonly #stories: Stories;
  readonly #options: Required<PushOptions>;
  readonly #buffer = new PriceBuffer();
  /** Jobs that were not seen to have finished yet, the newest few. */
  #onTheirWay: string[] = [];
  #batches = 0;
  #timer: { readonly handle: NodeJS.Timeout; readonly dueMs: number } | null = null;
  #notBeforeMs = 0;
  #heldSinceMs: number | null = null;
  #flushing: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;

  constructor(stories: Stories, options: PushOptions) {
    this.#stories = stories;
    this.#options = { flushMs: FLUSH_MS, maxRows: MAX_ROWS, ...options };
  }

  rows(rows: HeardRows): void {
    this.#buffer.add(rows);
    this.#arm();
  }

  covered(untilMs: number): void {
    this.#buffer.covered(untilMs);
    this.#arm();
  }

  account(account: string): void {
    this.#buffer.account(account);
    this.#arm();
  }

  /** Stops, after everything that was heard is in the outbox. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    await this.#flushing;
    await this.flush();
  }

  /** Writes what waits. What cannot be written waits on; never throws. */
  async flush(): Promise<void> {
    const taken = this.#buffer.take();
    if (taken === null) return;
    this.#heldSinceMs = null;
    try {
      const effects = await crossing('push prices', () => addEffects(this.#stories.db, this.#effectsOf(taken)));
      await this.#stories.drain(effects);
    } catch (error) {
      this.#stories.metrics.swallowed.inc({ reason: 'push_prices' });
      this.#stories.logger.warn({ error: messageOf(error) }, 'what the feed heard could not be stored yet');
      this.#notBeforeMs = performance.now() + RETRY_MS;
      this.#buffer.putBack(taken);
    }
  }

  /** Sees to it that what waits is flushed in time. What comes while a flush is at work waits for its end. */
  #arm(): void {
    if (this.#closed || this.#busy || this.#buffer.isEmpty) return;
    const nowMs = performance.now();
    const waitMs = this.#buffer.rows >= ENOUGH_ROWS ? 0 : this.#options.flushMs;
    const dueMs = Math.max(this.#notBeforeMs, nowMs + waitMs);
    if (this.#timer !== null) {
      if (this.#timer.dueMs <= dueMs) return;
      clearTimeout(this.#timer.handle);
    }
    const flush = () => {
      this.#timer = null;
      this.#flushing = this.#flushInTime();
    };
    this.#timer = { handle: setTimeout(flush, dueMs - nowMs), dueMs };
  }

  async #flushInTime(): Promise<void> {
    this.#busy = true;
    this.#notBeforeMs = performance.now() + GAP_MS;
    if (!(await this.#isHeldBack())) await this.flush();
    this.#busy = false;
    this.#arm();
  }

  /** Whether the workers have enough to do with what they were given. Asked of the outbox, where jobs stay until they have finished. */
  async #isHeldBack(): Promise<boolean> {
    const nowMs = performance.now();
    this.#heldSinceMs ??= nowMs;
    const mayWait = nowMs - this.#heldSinceMs < HOLD_MS && this.#buffer.rows < this.#options.maxRows;
    if (!mayWait || this.#onTheirWay.length < MOST_ON_THEIR_WAY) return false;
    try {
      const promised = await promisesOfAll(this.#stories.db, this.#onTheirWay);
      this.#onTheirWay = this.#onTheirWay.filter((_, index) => (promised[index] ?? []).length > 0);
    } catch {
      // The write that follows finds out for itself, and says so.
      this.#stories.metrics.swallowed.inc({ reason: 'push_prices' });
      return false;
    }
    return this.#onTheirWay.length >= MOST_ON_THEIR_WAY;
  }

  /** One job for everything that fits; the last one moves the watermark. */
  #effectsOf(taken: Heard) {
    const { stories, options } = { stories: this.#stories, options: this.#options };
    const asOfMs = Math.max(taken.watermarkMs, taken.ticks.at(-1)?.tsMs ?? 0, this.#stories.clock.now(0));
    const size = options.maxRows;
    const count = Math.max(1, Math.ceil(Math.max(taken.ticks.length, taken.candles.length) / size));
    const jobs = Array.from({ length: count }, (_, i) => {
      const part = <T>(list: readonly T[]) => list.slice(i * size, (i + 1) * size);
      const last = i === count - 1;
      const batch = {
        id: `${options.source}-${++this.#batches}`,
        ticks: packTicks(part(taken.ticks)),
        candles: part(taken.candles),
        contexts: last ? [...taken.contexts] : [],
        fundings: last ? [...taken.fundings] : [],
        watermarkMs: last ? taken.watermarkMs : 0,
      };
      return enqueueEffect('price-ingest', { provider: stories.market.provider, asOfMs, batch });
    });
    this.#onTheirWay = [...this.#onTheirWay, ...jobs.map(({ target }) => target)].slice(-2 * MOST_ON_THEIR_WAY);
    const followUps = taken.accounts
      .filter((account) => stories.traders.has(account))
      .map((modelId) => enqueueEffect('snapshot', { modelId, asOfMs }));
    return [...jobs, ...followUps];
  }
}
