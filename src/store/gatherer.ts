/** Collects what comes and works on all of it together, a while after the first came. Nobody waits for it, except whoever flushes it. */

import { outsideWork } from '../telemetry/work.ts';

export class Gatherer<T> {
  readonly #afterMs: number;
  readonly #work: (items: readonly T[]) => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #items: T[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** `work` must not reject: there is nobody to tell. */
  constructor(afterMs: number, work: (items: readonly T[]) => Promise<void>) {
    this.#afterMs = afterMs;
    this.#work = work;
  }

  add(items: readonly T[]): void {
    this.#items.push(...items);
    this.#timer ??= setTimeout(() => this.#start(), this.#afterMs);
  }

  /** Works on what is there, and waits for it. */
  async flush(): Promise<void> {
    this.#start();
    await Promise.all(this.#running);
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const items = this.#items.splice(0);
    if (items.length === 0) return;
    const work = outsideWork(() => this.#work(items)).finally(() => this.#running.delete(work));
    this.#running.add(work);
  }
}
