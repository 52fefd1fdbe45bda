/** What the jobs of the equities desk have in common: a slot of the desk, one run at a time. */

import { z } from 'zod';
import { defineJob, marketMs } from './contract.ts';

/** `attempts` are many: nobody else does the work of a slot that is given up. */
export function deskJob<Name extends string>(name: Name, summary: string, timeoutMs: number) {
  return {
    ...defineJob({
      name,
      summary,
      version: 1,
      payload: z.strictObject({
        v: z.literal(1).default(1),
        /** Set by the schedule. */
        slotMs: marketMs.nullable().default(null),
        asOfMs: marketMs,
      }),
      identity: (payload) => (payload.slotMs === null ? name : `${name}_${payload.slotMs}`),
      runs: 'latest',
      exclusive: () => name,
      modelOf: () => null,
      slotOf: (payload) => payload.slotMs,
      asOf: (payload) => payload.asOfMs,
      attempts: 15,
      backoff: { baseMs: 250, capMs: 15_000 },
      timeoutMs,
      priority: 0,
      concurrency: 1,
      keep: { completed: 100, failed: 1000 },
    }),
    name,
    desk: 'equities' as const,
  };
}
