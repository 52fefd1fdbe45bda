/** The scheduler process: enqueues due slots from durable cursors. Any number may run; a slot fires once. */

import type { Stories } from '../src/engine/context.ts';
import { registerArena } from '../src/engine/register-arena.ts';
import { dueNow, nextSlot } from '../src/engine/slots.ts';
import type { Resources } from '../src/resources.ts';
import { isReplay } from '../src/store/runs.ts';
import { fireSlots, listSchedules } from '../src/store/schedules.ts';
import { operator } from '../src/telemetry/operator.ts';
import { startPresence } from './presence.ts';
import { startRelay } from './relay.ts';
import { ReplayLoop } from './replay-loop.ts';
import { MAX_SLEEP_MS, ScheduleLoop } from './schedule-loop.ts';

/** Another scheduler held a cursor. It has moved it by now, or has died with it in its hands. */
const HELD_SLEEP_MS = 50;

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

/** Slots of the UTC clock, by the database's time: all schedulers share it. */
class RealTimeLoop extends ScheduleLoop {
  #boot = true;

  protected async tick(): Promise<number> {
    const nowMs = await this.resources.db.nowMs();
    const schedules = await listSchedules(this.resources.db);
    const due = dueNow(schedules, nowMs, this.#boot);
    if (due.length > 0) {
      const fired = await fireSlots(this.resources.db, due, null);
      await this.begin(fired);
      if (fired.length < due.length) return HELD_SLEEP_MS;
    }
    this.#boot = false;
    const next = Math.min(
      ...schedules.map((schedule) => nextSlot(schedule.spec, Math.max(schedule.lastSlotMs, nowMs))),
    );
    return Math.max(1, Math.min(MAX_SLEEP_MS, next - nowMs));
  }
}
