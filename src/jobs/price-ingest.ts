import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { defineJob, marketMs } from './contract.ts';

export const priceIngest = defineJob({
  name: 'price-ingest',
  summary:
    'fetch what the market said since the last time, store it, let the paper exchange work through it, publish prices',
  version: 1,
  payload: z.strictObject({
    v: z.literal(1).default(1),
    provider: z.string().min(1).max(64),
    slotMs: marketMs.nullable().default(null),
    /** Market time up to which to ingest. */
    asOfMs: marketMs,
  }),
  identity: (payload) => `price-ingest_${encodeId(payload.provider)}_${payload.slotMs ?? payload.asOfMs}`,
  runs: 'each',
  modelOf: () => null,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.asOfMs,
  attempts: 10,
  backoff: { baseMs: 200, capMs: 10_000 },
  timeoutMs: 60_000,
  priority: 0,
  // Batches of a provider are ordered by its cursor; a second one at a time would only wait for the first.
  concurrency: 1,
  keep: { completed: 100, failed: 1000 },
});
