import { deskJob } from './desk-job.ts';

export const equityIngest = deskJob(
  'equity-ingest',
  'store bars and quotes of stocks, let the paper exchange work through them, publish prices and indicators',
  60_000,
);
