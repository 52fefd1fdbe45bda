/** When jobs are due. Cursors are durable, so any number of schedulers may ask; a slot fires once. */

import { Cron } from 'croner';
import type { Config, Schedules } from '../config.ts';
import { slotAt } from '../domain/time.ts';
import { enqueueEffect, type JobName, type PayloadInput } from '../jobs/registry.ts';
import type { DueSlot, Schedule, ScheduleSpec, SlotPolicy } from '../store/schedules.ts';

type Wanted = Omit<Schedule, 'lastSlotMs'>;

/** A slot this much behind belongs to the past when its policy is `skip`. */
const CURRENT_WITHIN_MS = 60_000;

/** The schedules of an arena. In a replay no slot is ever skipped: market time waits instead. */
export function schedulesOf(config: Config, pace: Schedules, provider: string, replay: boolean): Wanted[] {
  const policy = (usual: SlotPolicy): SlotPolicy => (replay ? 'every' : usual);
  const entry = (
    job: JobName,
    name: string,
    everyMs: number,
    payload: Record<string, unknown>,
    usual: SlotPolicy,
  ): Wanted => ({ name, job, spec: { everyMs }, payload, policy: policy(usual) });
  return [
    entry('price-ingest', `price-ingest:${provider}`, pace.price, { provider }, 'run-latest'),
    ...config.arena.models.map((model) =>
      entry(
        'decision-cycle',
        `decision-cycle:${model.id}`,
        model.decision ?? pace.decision,
        { modelId: model.id },
        'skip',
      ),
    ),
    ...config.arena.models.map((model) =>
      entry('snapshot', `snapshot:${model.id}`, pace.snapshot, { modelId: model.id }, 'run-latest'),
    ),
    entry('analytics', 'analytics', pace.analytics, {}, 'run-latest'),
  ];
}

/** The first slot after a moment, market ms. */
export function nextSlot(spec: ScheduleSpec, afterMs: number): number {
  if ('everyMs' in spec) return slotAt(afterMs, spec.everyMs) + spec.everyMs;
  return new Cron(spec.cron, { timezone: 'UTC' }).nextRun(new Date(afterMs))?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** The newest slot at or before a moment, or null when there is none after the cursor. */
function latestSlot(schedule: Schedule, nowMs: number): number | null {
  const { spec, lastSlotMs } = schedule;
  if ('everyMs' in spec) {
    const slot = slotAt(nowMs, spec.everyMs);
    return slot > lastSlotMs ? slot : null;
  }
  const [previous] = new Cron(spec.cron, { timezone: 'UTC' }).previousRuns(1, new Date(nowMs + 1));
  return previous && previous.getTime() > lastSlotMs ? previous.getTime() : null;
}

/**
 * What is due in real time: of every schedule the newest slot behind its cursor, older ones are passed over. `boot` true: the current
 * slot runs even where its policy would call it missed.
 */
export function dueNow(schedules: readonly Schedule[], nowMs: number, boot: boolean): DueSlot[] {
  return schedules.flatMap((schedule) => {
    const slotMs = latestSlot(schedule, nowMs);
    if (slotMs === null) return [];
    if (schedule.policy === 'skip' && !boot && nowMs - slotMs > CURRENT_WITHIN_MS) return [];
    return [dueSlot(schedule, slotMs)];
  });
}

/**
 * What a replay runs next: the earliest slot of all schedules. Prices of a moment come before everything else of that moment, so
 * whoever decides at it finds them stored.
 */
export function dueInReplay(schedules: readonly Schedule[], endMs: number): { slotMs: number; due: DueSlot[] } | null {
  const next = schedules.map((schedule) => ({ schedule, slotMs: nextSlot(schedule.spec, schedule.lastSlotMs) }));
  const slotMs = Math.min(...next.map((entry) => entry.slotMs));
  if (!(slotMs <= endMs)) return null;
  const atSlot = next.filter((entry) => entry.slotMs === slotMs);
  const prices = atSlot.filter((entry) => entry.schedule.job === 'price-ingest');
  return { slotMs, due: (prices.length > 0 ? prices : atSlot).map((entry) => dueSlot(entry.schedule, slotMs)) };
}

function dueSlot(schedule: Schedule, slotMs: number): DueSlot {
  const job = schedule.job as JobName;
  const payload =
    job === 'decision-cycle' ? { ...schedule.payload, slotMs } : { ...schedule.payload, slotMs, asOfMs: slotMs };
  return {
    name: schedule.name,
    fromSlotMs: schedule.lastSlotMs,
    slotMs,
    effect: enqueueEffect(job, payload as PayloadInput<typeof job>),
  };
}
