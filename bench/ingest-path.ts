/** The path itself, as the processes of a run set it up: what a feed hears goes to the outbox, from there to the queue, and a worker ingests it. */

import type { Tick } from '../src/domain/market.ts';
import { PricePusher } from '../src/engine/push-prices.ts';
import { registerArena } from '../src/engine/register-arena.ts';
import { openStories, type Resources } from '../src/resources.ts';
import { type RunningWorker, startWorker } from '../workers/define-worker.ts';
import { priceIngestHandler } from '../workers/price-ingest.ts';

/** Batches on their way at a time. */
const MOST_WAITING = 4;

export class IngestPath {
  readonly pusher: PricePusher;
  readonly #worker: RunningWorker;
  #pushed = 0;
  #ended = 0;
  #wake: () => void = () => {};
  #failure: Error | null = null;

  private constructor(pusher: PricePusher, worker: RunningWorker) {
    this.pusher = pusher;
    this.#worker = worker;
    worker.bull.on('completed', () => {
      this.#ended += 1;
      this.#wake();
    });
    worker.bull.on('failed', (_job, error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  static async open(resources: Resources): Promise<IngestPath> {
    const { stories } = await openStories(resources);
    await registerArena(stories, resources.run, Date.now());
    const pusher = new PricePusher(stories, { source: 'bench', maxRows: Number.MAX_SAFE_INTEGER });
    const worker = startWorker(resources, 'price-ingest', priceIngestHandler(stories), 1);
    await worker.bull.waitUntilReady();
    return new IngestPath(pusher, worker);
  }

  /** Sends ticks through, so many a batch, and waits until the last one is stored, published and acknowledged. */
  async send(ticks: readonly Tick[], batch: number, onBatch: () => void = () => {}): Promise<void> {
    for (let first = 0; first < ticks.length; first += batch) {
      await this.#until(MOST_WAITING);
      this.pusher.rows({ ticks: ticks.slice(first, first + batch) });
      this.#pushed += 1;
      await this.pusher.flush();
      onBatch();
    }
    await this.#until(1);
  }

  async close(): Promise<void> {
    await this.pusher.close();
    await this.#worker.close(5000);
  }

  /** Waits until fewer batches than this are on their way. */
  async #until(fewer: number): Promise<void> {
    while (this.#pushed - this.#ended >= fewer) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
