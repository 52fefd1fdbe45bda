import { deskJob } from './desk-job.ts';

export const newsSentiment = deskJob(
  'news-sentiment',
  'fetch headlines, score them, publish the sentiment of their stocks',
  60_000,
);
