/** A headline, as feeds tell it. */

import { z } from 'zod';

export const newsItemSchema = z.object({
  /** The feed's own; unique for its symbol. */
  id: z.string().min(1).max(200),
  symbol: z.string().min(1).max(32),
  headline: z.string().min(1).max(500),
  source: z.string().min(1).max(100),
  url: z.string().max(1000),
  tsMs: z.int().positive(),
});
export type NewsItem = z.infer<typeof newsItemSchema>;
