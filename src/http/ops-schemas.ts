/** What the operators' addresses answer, as it is sent: dates as text, secrets hidden. */

import { z } from 'zod';

const number = z.number();
const text = z.string();
const milliseconds = z.number().describe('Unix milliseconds.');
const moment = z.iso.datetime().describe('UTC.');
const lasting = z.number().describe('Milliseconds.');
const jsonObject = z.record(text, z.unknown());

export const caller = z
  .strictObject({ name: text, role: z.enum(['operator', 'viewer']) })
  .describe('Who asks, as the audit log names him.');

const check = z.enum(['up', 'down']);
export const serverChecks = z.strictObject({ postgres: check, queue: check, cache: check });

const slot = z.strictObject({
  name: text,
  job: text,
  spec: jsonObject.describe('When it is due: `everyMs`, or `cron`.'),
  lastSlotMs: milliseconds,
  lagMs: lasting.describe('How long the next slot has been due without having been enqueued, milliseconds.'),
});

const queue = z.strictObject({
  queue: text,
  paused: z.boolean(),
  counts: z.record(text, number).describe('Jobs by state.'),
  longestWaitMs: lasting,
});

const effects = z.strictObject({
  pending: z.array(z.strictObject({ kind: text, count: number, oldestMs: lasting })),
  stuck: z
    .array(
      z.strictObject({ id: number, kind: text, target: text, attempts: number, lastError: text, createdAt: moment }),
    )
    .describe('The oldest ones whose last try failed.'),
});

const alert = z.strictObject({
  alert: text,
  subject: text,
  state: z.enum(['firing', 'resolved']),
  episode: number.describe('How many times it has begun.'),
  summary: text,
  sinceMs: milliseconds,
  lastSeenMs: milliseconds,
  resolvedMs: milliseconds.nullable(),
  messages: number.describe('Messages of this episode.'),
  messagedMs: milliseconds.nullable(),
});

const processRow = z.strictObject({
  name: text,
  role: text,
  host: text,
  diskFree: number.nullable().describe('Free share of the disk of its data folder, 0 to 1.'),
  startedMs: milliseconds,
  silentMs: lasting.describe('How long it has not been seen, milliseconds.'),
  replaced: z.boolean().describe('Another process of its role has begun since.'),
});

const trader = z.strictObject({
  traderId: text,
  state: text,
  lastDecisionAtMs: milliseconds.nullable(),
  pauseUntilMs: milliseconds.nullable(),
  resumesAs: text,
  reason: text.nullable(),
  heldSinceMs: milliseconds.nullable(),
});

export const overview = z.strictObject({
  run: z.strictObject({ name: text, kind: text, trading: text, network: text.nullable() }),
  servers: serverChecks.nullable(),
  slots: z.array(slot).nullable(),
  queues: z.array(queue).nullable(),
  effects: effects.nullable(),
  failed: z.array(z.strictObject({ job: text, count: number })).nullable(),
  alerts: z.array(alert).nullable(),
  processes: z.array(processRow).nullable(),
  traders: z.array(trader).nullable(),
  missing: z.record(text, text).describe('Parts that are null because their source does not answer, and why.'),
});

export const failed = z.strictObject({
  failed: z.array(
    z.strictObject({
      id: number,
      job: text,
      identity: text,
      jobId: text,
      modelId: text.nullable(),
      payload: z.unknown(),
      errorCode: text,
      errorMessage: text,
      attempts: number,
      stalls: number,
      failedAt: moment,
      redrivenAt: moment.nullable(),
    }),
  ),
});

export const runs = z.strictObject({
  runs: z.array(
    z.strictObject({
      id: number,
      job: text,
      jobId: text,
      modelId: text.nullable(),
      slotMs: milliseconds.nullable(),
      attempt: number,
      outcome: text,
      reason: text.nullable().describe('Why it was skipped or snoozed.'),
      startedAt: moment,
      finishedAt: moment,
      durationMs: lasting,
      worker: text.nullable(),
      errorCode: text.nullable(),
      errorMessage: text.nullable(),
      payload: z.unknown(),
    }),
  ),
});

export const audit = z.strictObject({
  audit: z.array(
    z.strictObject({
      who: text,
      what: text,
      target: text.nullable(),
      before: z.unknown(),
      after: z.unknown(),
      at: moment,
    }),
  ),
});
