/** The journal: everything a finished decision cycle saw, said and did, as one record. Wire names are snake_case. */

import { z } from 'zod';
import { answerSchema, type DecisionContext, type MarketFrame } from './decision.ts';

export const JOURNAL_VERSION = 1;

const tsMs = z.int().nonnegative();

/** Contexts and frames are our own rows: their shape is checked as far as a cycle cannot be replayed without it. */
const contextSchema = z
  .looseObject({ modelId: z.string(), slotMs: tsMs, account: z.looseObject({}), positions: z.array(z.looseObject({})) })
  .transform((value) => value as unknown as DecisionContext);
const frameSchema = z
  .looseObject({
    provider: z.string(),
    slotMs: tsMs,
    assets: z.record(z.string(), z.looseObject({ price: z.number() })),
  })
  .transform((value) => value as unknown as MarketFrame);

const rejectionSchema = z.looseObject({
  symbol: z.string(),
  action: z.string(),
  code: z.string(),
  reason: z.string(),
});
const legSchema = z.looseObject({
  cloid: z.string(),
  leg: z.string(),
  symbol: z.string(),
  side: z.string(),
  size: z.number(),
  status: z.string(),
});

/** A record as it stands in a file, and as a stored cycle reads. Nullable parts are missing where the cycle ended before them. */
export const journalSchema = z.looseObject({
  version: z.literal(JOURNAL_VERSION),
  id: z.int(),
  trader_id: z.string(),
  cycle_ts_ms: tsMs,
  cycle_number: z.int(),
  executed_at_ms: tsMs.nullable(),
  success: z.boolean(),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
  prompt_version: z.string().nullable(),
  prompt_digest: z.string().nullable(),
  config_digest: z.string().nullable(),
  market_digest: z.string().nullable(),
  context_digest: z.string().nullish(),
  llm_cached: z.boolean().nullish(),
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  cost_usd: z.number().nullable(),
  latency_ms: z.number().nullable(),
  context: contextSchema.nullable(),
  market: frameSchema.nullable(),
  answer: answerSchema.nullable(),
  cot_trace: z.string().nullable(),
  decisions: z.unknown(),
  rejected: z.array(rejectionSchema).nullable(),
  orders: z.looseObject({ legs: z.array(legSchema) }).nullable(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.string() })),
});
export type JournalRecord = z.infer<typeof journalSchema>;

/** The effect that writes the file of a finished cycle. */
export function journalEffect(modelId: string, slotMs: number): { readonly kind: 'journal'; readonly target: string } {
  return { kind: 'journal', target: `${slotMs}:${modelId}` };
}

/** The cycle that an effect names; null when the text is none of ours. */
export function parseJournalTarget(target: string): { modelId: string; slotMs: number } | null {
  const match = /^(\d+):(.+)$/s.exec(target);
  return match ? { slotMs: Number(match[1]), modelId: match[2] ?? '' } : null;
}

/** `<trader>/cycle_<ts>_<number>.json`. An id can neither leave its folder nor hide in it. */
export function journalPath(record: Pick<JournalRecord, 'trader_id' | 'cycle_ts_ms' | 'cycle_number'>): string {
  const unsafe = /[%/\\:*?"<>|\p{Cc}]|^\.+/gu;
  const folder = record.trader_id.replace(unsafe, (text) =>
    [...text].map((char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return `${folder}/cycle_${record.cycle_ts_ms}_${record.cycle_number}.json`;
}
