/** Rows of `analytics.json` and `conversations.json`. */

import { z } from 'zod';
import { modelIdSchema } from '../domain/ids.ts';
import { importedAnalyticsSchema } from '../domain/imported-analytics.ts';
import * as f from './fields.ts';

/** What trades do not tell; their figures are computed from the trades themselves. */
export const analyticsRow = importedAnalyticsSchema.extend({ model_id: modelIdSchema });

const message = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
  timestamp: f.optional(z.union([f.seconds, f.milliseconds])),
});

/** The messages of a model, in the order in which they were said. */
export const conversationRow = z.object({ model_id: modelIdSchema, messages: z.array(message) });
