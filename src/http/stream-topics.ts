/** What can be watched, and how that is asked for. */

import { z } from 'zod';

export const STREAM_PATH = '/stream';
export const TOPICS = ['prices', 'trades', 'equity', 'decisions', 'desk'] as const;
export type Topic = (typeof TOPICS)[number];

const topics = z
  .string()
  .transform((text, context) => {
    const words = text.split(',').map((word) => word.trim());
    const known = TOPICS.filter((topic) => words.includes(topic));
    if (words.every((word) => (TOPICS as readonly string[]).includes(word))) return known;
    context.addIssue({ code: 'custom', message: `a list of ${TOPICS.join(', ')}` });
    return z.NEVER;
  })
  .optional()
  .describe(`A list of ${TOPICS.join(', ')}; all of them unless told.`);

export const streamQuery = z.object({ topics });
