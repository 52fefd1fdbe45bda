/** Contracts, payloads and schedules of jobs. */

import { z } from 'zod';
import { arenaSchema } from '../../src/config/arena.ts';
import { type Config, pace } from '../../src/config.ts';
import { schedulesOf } from '../../src/engine/slots.ts';
import type { JobContract } from '../../src/jobs/contract.ts';
import { JOBS } from '../../src/jobs/registry.ts';
import { PLAIN_MODEL } from './arena.ts';
import { allowed, code, type JsonSchema, table } from './table.ts';

const CONTRACTS = Object.values(JOBS) as unknown as readonly JobContract[];
const SAMPLE = { provider: 'synthetic', modelId: 'my-model', slotMs: 1_753_185_600_000, asOfMs: 1_753_185_600_000 };

export function jobTable(): string {
  return table(
    [
      'job',
      'runs',
      'attempts',
      'backoff',
      'timeout',
      'at a time, a process',
      'kept: completed / failed',
      'what it does',
    ],
    CONTRACTS.map((job) => [
      code(job.name),
      job.runs,
      String(job.attempts),
      `${durationOrMs(job.backoff.baseMs)} to ${durationOrMs(job.backoff.capMs)}`,
      durationOrMs(job.timeoutMs),
      job.concurrency === undefined ? '`NOF0_CONCURRENCY`' : String(job.concurrency),
      `${job.keep.completed} / ${job.keep.failed}`,
      job.summary,
    ]),
  );
}

function durationOrMs(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

export function payloadTables(): string {
  return CONTRACTS.map((job) => {
    const schema = z.toJSONSchema(job.payload, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    const fields = Object.entries(schema.properties ?? {});
    const rows = fields.map(([name, field]) => [
      code(name),
      allowed(field),
      field.default === undefined
        ? '(required)'
        : code(Array.isArray(field.default) ? JSON.stringify(field.default) : String(field.default)),
    ]);
    const own = Object.fromEntries(Object.entries(SAMPLE).filter(([name]) => name in (schema.properties ?? {})));
    const identities = [own, { ...own, slotMs: null }]
      .map((payload) => job.payload.safeParse(payload))
      .flatMap((parsed) => (parsed.success ? [code(job.identity(parsed.data))] : []));
    return [
      `### ${job.name}`,
      table(['field', 'allowed', 'default'], rows),
      `Payload version ${job.version}. Identity: ${[...new Set(identities)].join(', without a slot ')}.${overlap(job, own)}`,
    ].join('\n\n');
  }).join('\n\n');
}

/** The key whose runs do not overlap, of a sample payload. */
function overlap(job: JobContract, payload: object): string {
  const parsed = job.payload.safeParse(payload);
  const key = parsed.success ? job.exclusive?.(parsed.data) : undefined;
  return key === undefined ? '' : ` Never overlapping: ${code(key)}.`;
}

export function scheduleTable(): string {
  const arena = arenaSchema.parse({ models: [{ ...PLAIN_MODEL, id: 'model_id' }] });
  const schedules = pace(arena, 'synthetic');
  const usual = schedulesOf({ arena } as Config, schedules, 'provider', false);
  const replay = schedulesOf({ arena } as Config, schedules, 'provider', true);
  return table(
    ['schedule', 'job', 'interval', 'missed slots in real time', 'in a replay'],
    usual.map((schedule, index) => [
      code(schedule.name.replace(/:(.*)/, ':{$1}')),
      code(schedule.job),
      code(`schedules.${schedule.job.replace(/^price-ingest$/, 'price').replace(/^decision-cycle$/, 'decision')}`),
      schedule.policy,
      replay[index]?.policy ?? '',
    ]),
  );
}
