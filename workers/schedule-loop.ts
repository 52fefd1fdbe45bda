/** What a scheduler does again and again, whatever clock it follows. */

import type { Stories } from '../src/engine/context.ts';
import { messageOf } from '../src/errors.ts';
import type { Resources } from '../src/resources.ts';
import type { EffectRow } from '../src/store/effects.ts';

/** Longest sleep between two looks at the schedules: other schedulers may change them. */
export const MAX_SLEEP_MS = 1000;
const FAULT_SLEEP_MS = 1000;

export abstract class ScheduleLoop {
  protected readonly resources: Resources;
  protected readonly stories: Stories;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(resources: Resources, stories: Stories) {
    this.resources = resources;
    this.stories = stories;
  }

  /** Does what is due; returns how long to sleep, or null when there is nothing left to do for ever. */
  protected abstract tick(): Promise<number | null>;

  async run(): Promise<void> {
    while (!this.stopping) {
      const pause = await this.tick().catch((error: unknown) => {
        this.resources.logger.warn({ error: messageOf(error) }, 'scheduler tries again');
        return FAULT_SLEEP_MS;
      });
      if (pause === null) return;
      if (pause > 0) await this.sleep(pause);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  protected get stopping(): boolean {
    return this.#stopped;
  }

  /** Sleeps until the time is over, `wake` has happened, or the loop is stopped. */
  protected async sleep(ms: number, wake?: Promise<unknown>): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      void wake?.then(this.#wake);
    });
  }

  /** Hands the jobs of slots that were fired to the queue, unless they were announced or wait in their workers already. */
  protected async begin(fired: readonly EffectRow[]): Promise<void> {
    const { metrics, outbox } = this.resources;
    for (const effect of fired) metrics.slotsFired.inc({ job: String(effect.payload.job) });
    await this.stories.drain(outbox.announced.release(fired));
  }
}
