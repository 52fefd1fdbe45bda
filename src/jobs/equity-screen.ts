import { deskJob } from './desk-job.ts';

export const equityScreen = deskJob(
  'equity-screen',
  'screen the universe: the watchlist, and ranked candidates with their signals',
  60_000,
);
