/** What the operators' page may be asked for. */

import { z } from 'zod';

const word = z.string().min(1, 'a word').max(300, 'at most 300 characters');
const millis = z
  .string()
  .regex(/^\d{1,15}$/, 'unix milliseconds')
  .transform(Number);
const limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, 'an integer from 1 to 500')
  .transform(Number)
  .refine((value) => value <= 500, 'an integer from 1 to 500')
  .default(50)
  .describe('How many, 50 unless told.');

export const lettersQuery = z.object({
  job: word.optional().describe('Of this job.'),
  model: word.optional().describe('Of this model.'),
  error: word.optional().describe('With this code, or with this in the message.'),
  sinceMs: millis.optional().describe('Unix milliseconds: that ended at or after it.'),
  limit,
});

export const runsQuery = lettersQuery.extend({
  outcome: z.enum(['done', 'skipped', 'snoozed', 'failed']).optional().describe('How they ended.'),
  untilMs: millis.optional().describe('Unix milliseconds: that ended at or before it.'),
});

export const auditQuery = z.object({ limit });
