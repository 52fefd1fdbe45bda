/** When jobs are due. Cursors are durable, so any number of schedulers may ask; a slot fires once. */

import type { Config, Schedules } from '../config.ts';
import { lastOccurrence, nextOccurrence } from '../domain/cron.ts';
import { CANDLE_INTERVAL_MS } from '../domain/market.ts';
import { uniform } from '../domain/random.ts';
import { slotAt } from '../domain/time.ts';
import { MAINTENANCE_TASKS, type MaintenanceTask } from '../jobs/maintenance.ts';
import { enqueueEffect, INGEST_JOBS, type JobName, type PayloadInput } from '../jobs/registry.ts';
import type { DueSlot, Schedule, ScheduleSpec } from '../store/schedules.ts';

type Wanted = Omit<Schedule, 'lastSlotMs'>;

/** A slot this much behind belongs to the past when its policy is `skip`. */
const CURRENT_WITHIN_MS = 60_000;

/** The schedules of an arena. In a replay no slot is ever skipped: market time waits instead, and nothing looks after the platform. */
export function schedulesOf(config: Config, pace: Schedules, provider: string, replay: boolean): Wanted[] {
  const { models } = config.arena;
  if (provider === 'equities') return deskSchedules(config, pace, replay);
  const arena: Wanted[] = [
    {
      name: `price-ingest:${provider}`,
      job: 'price-ingest',
      spec: { everyMs: pace.price },
      payload: { provider },
      policy: 'run-latest',
    },
    ...models.map(({ id, decision }) => ({
      name: `decision-cycle:${id}`,
      job: 'decision-cycle',
      spec: { everyMs: decision ?? pace.decision, ...(pace.spread > 0 && !replay ? { spreadMs: pace.spread } : {}) },
      payload: { modelId: id },
      policy: 'skip' as const,
    })),
    ...models.map(({ id }) => ({
      name: `snapshot:${id}`,
      job: 'snapshot',
      spec: { everyMs: pace.snapshot },
      payload: { modelId: id },
      policy: 'run-latest' as const,
    })),
    { name: 'analytics', job: 'analytics', spec: { everyMs: pace.analytics }, payload: {}, policy: 'run-latest' },
  ];
  // Prices come with the next moment that somebody looks at: in between nobody would.
  if (replay)
    return arena.map((schedule) => (schedule.job === 'price-ingest' ? schedule : { ...schedule, policy: 'every' }));
  return [...arena, ...maintenanceSchedules(config)];
}

/** The schedules of the equities desk. Its model is asked when there is something to decide, so it has none. */
function deskSchedules(config: Config, pace: Schedules, replay: boolean): Wanted[] {
  const { ingest, screen, monitor, news, context, performance } = config.arena.equities.schedules;
  const every = (job: JobName, everyMs: number): Wanted => ({
    name: job,
    job,
    // A replay has minute bars: in between nothing happens.
    spec: { everyMs: replay ? Math.max(everyMs, CANDLE_INTERVAL_MS) : everyMs },
    payload: {},
    policy: replay && !INGEST_JOBS.has(job) ? 'every' : 'run-latest',
  });
  const desk = [
    every('equity-ingest', ingest),
    every('equity-screen', screen),
    every('position-monitor', monitor),
    every('news-sentiment', news),
    every('market-context', context),
    every('performance-daily', performance),
    ...config.arena.models.map(({ id }) => ({
      ...every('snapshot', pace.snapshot),
      name: `snapshot:${id}`,
      payload: { modelId: id },
    })),
    every('analytics', pace.analytics),
  ];
  return replay ? desk : [...desk, ...maintenanceSchedules(config)];
}

/** What a run in real time does for itself. */
function maintenanceSchedules(config: Config): Wanted[] {
  const { maintenance } = config.arena;
  const crons: Record<MaintenanceTask, string> = {
    'relay-effects': maintenance.relayEffects,
    'prune-runs': maintenance.pruneRuns,
    'check-consistency': maintenance.checkConsistency,
    'warm-cache': maintenance.warmCache,
    'guard-positions': maintenance.guardPositions,
    'refresh-views': maintenance.refreshViews,
    'check-alerts': maintenance.checkAlerts,
    'fill-gaps': maintenance.fillGaps,
    'make-partitions': maintenance.makePartitions,
    archive: maintenance.archive,
  };
  const own = MAINTENANCE_TASKS.map(
    (task): Wanted => ({
      name: `maintenance:${task}`,
      job: 'maintenance',
      spec: { cron: crons[task] },
      payload: { task },
      policy: 'run-latest',
    }),
  );
  return own;
}

/** The first slot after a moment, market ms. */
export function nextSlot(spec: ScheduleSpec, afterMs: number): number {
  return 'cron' in spec ? nextOccurrence(spec.cron, afterMs) : slotAt(afterMs, spec.everyMs) + spec.everyMs;
}

/** The newest slot at or before a moment, or null when there is none after the cursor. */
function latestSlot({ spec, lastSlotMs }: Schedule, nowMs: number): number | null {
  const slot = 'cron' in spec ? lastOccurrence(spec.cron, nowMs) : slotAt(nowMs, spec.everyMs);
  return slot !== null && slot > lastSlotMs ? slot : null;
}

export type SlotLag = {
  readonly name: string;
  readonly job: string;
  readonly spec: ScheduleSpec;
  readonly lastSlotMs: number;
  /** How long the first slot behind the cursor has been due without having been enqueued, ms; 0 when none is. */
  readonly lagMs: number;
};

/** How far the schedulers are behind each schedule. */
export function slotLags(schedules: readonly Schedule[], nowMs: number): SlotLag[] {
  return schedules.map(({ name, job, spec, lastSlotMs }) => ({
    ...{ name, job, spec, lastSlotMs },
    lagMs: Math.max(0, nowMs - nextSlot(spec, lastSlotMs)),
  }));
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
 * whoever decides at it finds them stored; a schedule of prices that runs its latest slot only comes up when something else does.
 */
export function dueInReplay(schedules: readonly Schedule[], endMs: number): { slotMs: number; due: DueSlot[] } | null {
  const lazy = schedules.filter(({ job, policy }) => INGEST_JOBS.has(job) && policy === 'run-latest');
  const next = schedules
    .filter((schedule) => !lazy.includes(schedule))
    .map((schedule) => ({ schedule, slotMs: nextSlot(schedule.spec, schedule.lastSlotMs) }));
  const slotMs = Math.min(...next.map((entry) => entry.slotMs));
  const pricesFirst = lazy.flatMap((schedule) => {
    const latest = latestSlot(schedule, Math.min(slotMs, endMs));
    return latest === null ? [] : [dueSlot(schedule, latest)];
  });
  if (pricesFirst.length > 0) return { slotMs: Math.max(...pricesFirst.map((due) => due.slotMs)), due: pricesFirst };
  if (!(slotMs <= endMs)) return null;
  const atSlot = next.filter((entry) => entry.slotMs === slotMs);
  const prices = atSlot.filter((entry) => INGEST_JOBS.has(entry.schedule.job));
  return { slotMs, due: (prices.length > 0 ? prices : atSlot).map((entry) => dueSlot(entry.schedule, slotMs)) };
}

function dueSlot(schedule: Schedule, slotMs: number): DueSlot {
  const job = schedule.job as JobName;
  const payload =
    job === 'decision-cycle' ? { ...schedule.payload, slotMs } : { ...schedule.payload, slotMs, asOfMs: slotMs };
  const effect = enqueueEffect(job, payload as PayloadInput<typeof job>);
  const spreadMs = 'spreadMs' in schedule.spec ? (schedule.spec.spreadMs ?? 0) : 0;
  // The same trader starts at the same place of every slot, so its interval stays what it is.
  const delayMs = Math.floor(uniform('spread', schedule.name) * spreadMs);
  return {
    name: schedule.name,
    fromSlotMs: schedule.lastSlotMs,
    slotMs,
    effect: delayMs > 0 ? { ...effect, payload: { ...effect.payload, delayMs } } : effect,
  };
}
