import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { defineJob, marketMs, modelId } from './contract.ts';

export const decisionCycle = defineJob({
  name: 'decision-cycle',
  summary: 'let one model decide in one slot: fill sync, frame, context, answer, guardrails, orders, record',
  version: 1,
  payload: z.strictObject({
    v: z.literal(1).default(1),
    modelId,
    slotMs: marketMs,
  }),
  identity: (payload) => `decision-cycle_${encodeId(payload.modelId)}_${payload.slotMs}`,
  runs: 'each',
  modelOf: (payload) => payload.modelId,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.slotMs,
  attempts: 20,
  backoff: { baseMs: 250, capMs: 15_000 },
  timeoutMs: 180_000,
  priority: 0,
  keep: { completed: 200, failed: 1000 },
});
