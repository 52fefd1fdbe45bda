/** The scheduler process: enqueues due slots from durable cursors. Any number may run; a slot fires once. */

import type { Stories } from '../src/engine/context.ts';
import { registerArena } from '../src/engine/register-arena.ts';
import { dueInReplay, dueNow, nextSlot } from '../src/engine/slots.ts';
import { messageOf } from '../src/errors.ts';
import type { Resources } from '../src/resources.ts';
import { refreshViews } from '../src/store/analytics.ts';
import { type EffectRow, hasUnfinishedJobs } from '../src/store/effects.ts';
import { finishRun, isReplay } from '../src/store/runs.ts';
import { type DueSlot, fireSlots, listSchedules, type ReplayMoment, type Schedule } from '../src/store/schedules.ts';
import { operator } from '../src/telemetry/operator.ts';
import { startPresence } from './presence.ts';
import { startRelay } from './relay.ts';

/** Longest sleep between two looks at the schedules: other schedulers may change them. */
const MAX_SLEEP_MS = 1000;
const FAULT_SLEEP_MS = 1000;
/** Another scheduler held a cursor. It has moved it by now, or has died with it in its hands. */
const HELD_SLEEP_MS = 50;
/** How often a replay asks whether the jobs of its moment have finished: less and less often. */
const SETTLE_POLL_MS = [5, 10, 20, 30];
/** The same where this process has settled the last moment itself: it will know at once, unless another one takes over. */
const OWN_POLL_MS = 250;

export type Scheduler = {
  /** Resolves when a replay has reached its end; never in real time. */
  readonly finished: Promise<void>;
  stop(): Promise<void>;
};

/** Registers the arena and begins to enqueue. `speed` only matters in a replay: market seconds a wall second, or as fast as it goes. */
export async function startScheduler(
  resources: Resources,
  stories: Stories,
  speed: number | 'max',
): Promise<Scheduler> {
  const nowMs = isReplay(resources.run) ? (resources.run.startMs ?? 0) : await resources.db.nowMs();
  await registerArena(stories, resources.run, nowMs, operator());
  const loop = isReplay(resources.run)
    ? new ReplayLoop(resources, stories, speed)
    : new RealTimeLoop(resources, stories);
  const relay = startRelay(resources);
  const presence = startPresence(resources);
  const finished = loop.run();
  return {
    finished,
    async stop() {
      loop.stop();
      await Promise.all([finished, relay.stop(), presence.stop()]);
    },
  };
}

abstract class Loop {
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
  protected async sleep(ms: number, wake?: Promise<void>): Promise<void> {
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

  /** Promises the jobs of the slots that are ours to fire; they still have to be drained. */
  protected async fire(due: readonly DueSlot[], replay: ReplayMoment | null): Promise<EffectRow[]> {
    const effects = await fireSlots(this.resources.db, due, replay);
    for (const effect of effects) this.resources.metrics.slotsFired.inc({ job: String(effect.payload.job) });
    return effects;
  }
}

/** Slots of the UTC clock, by the database's time: all schedulers share it. */
class RealTimeLoop extends Loop {
  #boot = true;

  protected async tick(): Promise<number> {
    const nowMs = await this.resources.db.nowMs();
    const schedules = await listSchedules(this.resources.db);
    const due = dueNow(schedules, nowMs, this.#boot);
    if (due.length > 0) {
      const fired = await this.fire(due, null);
      await this.stories.drain(fired);
      if (fired.length < due.length) return HELD_SLEEP_MS;
    }
    this.#boot = false;
    const next = Math.min(
      ...schedules.map((schedule) => nextSlot(schedule.spec, Math.max(schedule.lastSlotMs, nowMs))),
    );
    return Math.max(1, Math.min(MAX_SLEEP_MS, next - nowMs));
  }
}

/**
 * Market time of a replay: it moves to the next slot when every job of the present one has finished, so where the workers cannot keep
 * up it waits and no slot is skipped. What is remembered here only saves questions: the statement that fires asks again, and a scheduler
 * that takes over finds everything in the cursors.
 */
class ReplayLoop extends Loop {
  readonly #speed: number | 'max';
  #last: { slotMs: number; wallMs: number } | null = null;
  /** The cursors as this scheduler left them; null when they have to be read. */
  #schedules: readonly Schedule[] | null = null;
  #settled = false;
  /** Whether the last moment ended here. */
  #own = false;
  #slots = 0;
  #polls = 0;

  constructor(resources: Resources, stories: Stories, speed: number | 'max') {
    super(resources, stories);
    this.#speed = speed;
  }

  protected async tick(): Promise<number | null> {
    const { db, run } = this.resources;
    if (!this.#settled && (await hasUnfinishedJobs(db))) {
      await this.#untilSettled();
      return 0;
    }
    this.#settled = true;
    this.#schedules ??= await listSchedules(db);
    const next = dueInReplay(this.#schedules, run.endMs ?? 0);
    if (next === null) {
      if (!(await this.#atEnd())) {
        this.#schedules = null;
        this.#settled = false;
        return 0;
      }
      // Nothing looks after the platform in a replay; its end is when somebody will look at the views.
      await refreshViews(db);
      await finishRun(db);
      return null;
    }
    const wait = this.#pace(next.slotMs);
    if (wait > 0) return Math.min(wait, MAX_SLEEP_MS);
    this.#last = { slotMs: next.slotMs, wallMs: Date.now() };
    await this.#run(next);
    return 0;
  }

  /** What the database itself says: what is remembered may not have outlived a crash of its. */
  async #atEnd(): Promise<boolean> {
    const { db, run } = this.resources;
    return !(await hasUnfinishedJobs(db)) && dueInReplay(await listSchedules(db), run.endMs ?? 0) === null;
  }

  async #run({ slotMs, due }: { slotMs: number; due: readonly DueSlot[] }): Promise<void> {
    const before = this.#schedules ?? [];
    this.#settled = false;
    this.#slots += 1;
    this.#polls = 0;
    this.#schedules = null;
    const fired = await this.fire(due, { marketNowMs: slotMs, cursors: before });
    const settled = this.#untilSettled();
    await this.stories.drain(fired);
    await settled;
    // Another scheduler has fired some of them, or the database has forgotten some: the cursors have to be read again.
    if (fired.length < due.length) return;
    const moved = new Map(due.map((slot) => [slot.name, slot.slotMs]));
    this.#schedules = before.map((schedule) => ({
      ...schedule,
      lastSlotMs: moved.get(schedule.name) ?? schedule.lastSlotMs,
    }));
  }

  /** Waits until this process has settled the last job, but not for long: other processes settle jobs too. */
  async #untilSettled(): Promise<void> {
    const slot = this.#slots;
    const idle = this.resources.outbox.idle().then(() => {
      // What was settled then says nothing about a slot that was fired since.
      if (slot === this.#slots) this.#settled = true;
    });
    const often = SETTLE_POLL_MS[Math.min(this.#polls++, SETTLE_POLL_MS.length - 1)] ?? MAX_SLEEP_MS;
    await this.sleep(this.#own ? OWN_POLL_MS : often, idle);
    this.#own = this.#settled;
  }

  /** Wall ms to wait until the slot may begin at the chosen speed. */
  #pace(slotMs: number): number {
    if (this.#speed === 'max' || this.#last === null) return 0;
    return this.#last.wallMs + (slotMs - this.#last.slotMs) / this.#speed - Date.now();
  }
}
