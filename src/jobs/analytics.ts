import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { defineJob, marketMs, modelId } from './contract.ts';

export const analytics = defineJob({
  name: 'analytics',
  summary: 'count what changed into the analytics of one model, or of all',
  version: 1,
  payload: z.strictObject({
    v: z.literal(1).default(1),
    /** Null: every model. */
    modelId: modelId.nullable().default(null),
    slotMs: marketMs.nullable().default(null),
    asOfMs: marketMs,
  }),
  identity: (payload) => {
    const who = payload.modelId === null ? 'analytics' : `analytics_${encodeId(payload.modelId)}`;
    return payload.slotMs === null ? who : `${who}_${payload.slotMs}`;
  },
  runs: 'latest',
  // Those of a slot are as many as the market's time has slots: the clock waits for them, else they would pile up.
  aside: ({ slotMs }) => slotMs === null,
  exclusive: (payload) => `analytics:${payload.modelId ?? ''}`,
  modelOf: (payload) => payload.modelId,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.asOfMs,
  attempts: 15,
  backoff: { baseMs: 500, capMs: 30_000 },
  timeoutMs: 120_000,
  priority: 0,
  keep: { completed: 100, failed: 1000 },
});
