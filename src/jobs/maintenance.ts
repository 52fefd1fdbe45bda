import { z } from 'zod';
import { defineJob, marketMs } from './contract.ts';

/** What the platform does for itself, each task on its own schedule. */
export const MAINTENANCE_TASKS = [
  'relay-effects',
  'prune-runs',
  'check-consistency',
  'warm-cache',
  'guard-positions',
  'refresh-views',
  'check-alerts',
  'fill-gaps',
  'make-partitions',
  'archive',
] as const;
export type MaintenanceTask = (typeof MAINTENANCE_TASKS)[number];

export const maintenance = defineJob({
  name: 'maintenance',
  summary:
    'look after the platform itself: take over effects, prune run history, compare Postgres with Redis and the exchange and repair what differs, warm the cache, give positions their stop back, refresh the views, tell people what is wrong, fill gaps of candles, make partitions ahead, archive old rows',
  version: 1,
  payload: z.strictObject({
    v: z.literal(1).default(1),
    task: z.enum(MAINTENANCE_TASKS),
    slotMs: marketMs.nullable().default(null),
    asOfMs: marketMs,
  }),
  identity: (payload) =>
    payload.slotMs === null ? `maintenance_${payload.task}` : `maintenance_${payload.task}_${payload.slotMs}`,
  runs: 'latest',
  exclusive: (payload) => `maintenance:${payload.task}`,
  modelOf: () => null,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.asOfMs,
  attempts: 3,
  backoff: { baseMs: 1000, capMs: 30_000 },
  timeoutMs: 300_000,
  priority: 0,
  concurrency: 2,
  keep: { completed: 50, failed: 200 },
});
