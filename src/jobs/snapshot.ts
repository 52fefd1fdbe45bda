import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { defineJob, marketMs, modelId } from './contract.ts';

export const snapshot = defineJob({
  name: 'snapshot',
  summary: 'sync a model with its exchange, mark it to market, record its equity, publish its positions',
  version: 1,
  payload: z.strictObject({
    v: z.literal(1).default(1),
    modelId,
    /** Set by the schedule; a follow-up has none and coalesces with others of its model. */
    slotMs: marketMs.nullable().default(null),
    asOfMs: marketMs,
  }),
  identity: (payload) =>
    payload.slotMs === null
      ? `snapshot_${encodeId(payload.modelId)}`
      : `snapshot_${encodeId(payload.modelId)}_${payload.slotMs}`,
  runs: 'latest',
  exclusive: (payload) => `snapshot:${payload.modelId}`,
  modelOf: (payload) => payload.modelId,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.asOfMs,
  attempts: 15,
  backoff: { baseMs: 250, capMs: 15_000 },
  timeoutMs: 60_000,
  priority: 0,
  keep: { completed: 100, failed: 1000 },
});
