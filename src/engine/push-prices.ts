/** What a feed hears → batches in the outbox, each a job of its own. From the commit on nothing of it is lost. */

import type { AssetContext, Candle, Funding, MarketBatch, Tick } from '../domain/market.ts';
import { messageOf } from '../errors.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import type { FeedSink } from '../market/market-data.ts';
import { addEffects } from '../store/effects.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Stories } from './context.ts';

export type PushOptions = {
  /** Begins the ids of its batches: no other pusher has it. */
  readonly source: string;
  /** Ms that rows wait for others. */
  readonly flushMs?: number;
  /** Rows of one job. */
  readonly maxRows?: number;
};

const FLUSH_MS = 250;
const MAX_ROWS = 2000;
/** Waiting ticks of a symbol beyond which only their path is kept. */
const MAX_TICKS = 500;

export class PricePusher implements FeedSink {
  readonly #stories: Stories;
  readonly #options: PushOptions;
  readonly #timer: NodeJS.Timeout;
  #ticks = new Map<string, Tick[]>();
  #candles: Candle[] = [];
  /** The newest of a symbol is what counts. */
  #contexts = new Map<string, AssetContext>();
  #fundings: Funding[] = [];
  #accounts = new Set<string>();
  #watermarkMs = 0;
  #pushedMs = 0;
  #batches = 0;
  #flushing: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(stories: Stories, options: PushOptions) {
    this.#stories = stories;
    this.#options = options;
    this.#timer = setInterval(() => {
      if (!this.#busy) this.#flushing = this.flush();
    }, options.flushMs ?? FLUSH_MS);
  }

  rows(rows: Partial<Pick<MarketBatch, 'ticks' | 'candles' | 'contexts' | 'fundings'>>): void {
    for (const tick of rows.ticks ?? []) this.#addTick(tick);
    for (const context of rows.contexts ?? []) this.#contexts.set(context.symbol, context);
    this.#candles.push(...(rows.candles ?? []));
    this.#fundings.push(...(rows.fundings ?? []));
  }

  covered(untilMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, untilMs);
  }

  account(account: string): void {
    this.#accounts.add(account);
  }

  /** Stops, after everything that was heard is in the outbox. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flushing;
    await this.flush();
  }

  /** Writes what waits. What cannot be written waits on; never throws. */
  async flush(): Promise<void> {
    const taken = this.#take();
    if (taken === null) return;
    this.#busy = true;
    try {
      const effects = await crossing('push prices', () => addEffects(this.#stories.db, this.#effectsOf(taken)));
      await this.#stories.drain(effects);
    } catch (error) {
      this.#stories.metrics.swallowed.inc({ reason: 'push_prices' });
      this.#stories.logger.warn({ error: messageOf(error) }, 'what the feed heard could not be stored yet');
      this.#putBack(taken);
    } finally {
      this.#busy = false;
    }
  }

  #addTick(tick: Tick): void {
    const waiting = this.#ticks.get(tick.symbol);
    if (waiting === undefined) this.#ticks.set(tick.symbol, [tick]);
    else {
      waiting.push(tick);
      if (waiting.length > MAX_TICKS) this.#ticks.set(tick.symbol, pathOf(waiting));
    }
  }

  #take(): Taken | null {
    const taken: Taken = {
      ticks: [...this.#ticks.values()].flat().sort((a, b) => a.tsMs - b.tsMs),
      candles: this.#candles,
      contexts: [...this.#contexts.values()],
      fundings: this.#fundings,
      accounts: [...this.#accounts],
      watermarkMs: this.#watermarkMs,
    };
    const rows = taken.ticks.length + taken.candles.length + taken.contexts.length + taken.fundings.length;
    if (rows + taken.accounts.length === 0 && taken.watermarkMs === this.#pushedMs) return null;
    this.#ticks = new Map();
    this.#candles = [];
    this.#contexts = new Map();
    this.#fundings = [];
    this.#accounts = new Set();
    this.#pushedMs = taken.watermarkMs;
    return taken;
  }

  #putBack(taken: Taken): void {
    const newer = { contexts: [...this.#contexts.values()] };
    this.rows({ ticks: taken.ticks, contexts: taken.contexts });
    this.rows(newer);
    this.#candles = [...taken.candles, ...this.#candles];
    this.#fundings = [...taken.fundings, ...this.#fundings];
    for (const account of taken.accounts) this.#accounts.add(account);
    this.#pushedMs = 0;
  }

  /** One job for everything that fits; the last one moves the watermark. */
  #effectsOf(taken: Taken) {
    const { stories, options } = { stories: this.#stories, options: this.#options };
    const asOfMs = Math.max(taken.watermarkMs, taken.ticks.at(-1)?.tsMs ?? 0, this.#stories.clock.now(0));
    const size = options.maxRows ?? MAX_ROWS;
    const count = Math.max(1, Math.ceil(Math.max(taken.ticks.length, taken.candles.length) / size));
    const jobs = Array.from({ length: count }, (_, i) => {
      const part = <T>(list: readonly T[]) => list.slice(i * size, (i + 1) * size);
      const last = i === count - 1;
      const batch = {
        id: `${options.source}-${++this.#batches}`,
        ticks: part(taken.ticks),
        candles: part(taken.candles),
        contexts: last ? taken.contexts : [],
        fundings: last ? taken.fundings : [],
        watermarkMs: last ? taken.watermarkMs : 0,
      };
      return enqueueEffect('price-ingest', { provider: stories.market.provider, asOfMs, batch });
    });
    const followUps = taken.accounts
      .filter((account) => stories.traders.has(account))
      .map((modelId) => enqueueEffect('snapshot', { modelId, asOfMs }));
    return [...jobs, ...followUps];
  }
}

type Taken = MarketBatch & { readonly accounts: readonly string[] };

/** Where a price began, how far it went both ways, and where it ended, in the order in which that happened. */
export function pathOf(ticks: readonly Tick[]): Tick[] {
  const sorted = ticks.toSorted((a, b) => a.tsMs - b.tsMs);
  const best = (better: (a: Tick, b: Tick) => boolean) =>
    sorted.reduce((one, tick) => (better(tick, one) ? tick : one));
  if (sorted.length < 5) return sorted;
  const kept = new Set([
    sorted[0],
    best((a, b) => a.price < b.price),
    best((a, b) => a.price > b.price),
    sorted.at(-1),
  ]);
  return sorted.filter((tick) => kept.has(tick));
}
