/**
 * Collects what comes in one round of I/O, and while a batch is at work, into the next one. Under load many small requests become few
 * large ones; at rest each is served at once. A batch is nobody's work alone: an abort of the one whose request opened it must not fail the others.
 */

import { outsideWork } from '../telemetry/work.ts';

export class Batcher<T> {
  readonly #work: (items: readonly T[]) => Promise<void>;
  #waiting: { items: T[]; done: Promise<void> } | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(work: (items: readonly T[]) => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a batch that holds the items has been worked through; rejects with that batch's error. */
  add(items: readonly T[]): Promise<void> {
    if (this.#waiting === null) {
      const batch: T[] = [];
      const start = () => {
        this.#waiting = null;
        return outsideWork(() => this.#work(batch));
      };
      // The batch before reports its own error to its own callers.
      const before = this.#running.catch(() => {});
      const done = Promise.all([before, new Promise((resolve) => setImmediate(resolve))]).then(start);
      this.#waiting = { items: batch, done };
      this.#running = done;
    }
    this.#waiting.items.push(...items);
    return this.#waiting.done;
  }
}
