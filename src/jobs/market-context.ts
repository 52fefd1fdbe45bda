import { deskJob } from './desk-job.ts';

export const marketContext = deskJob('market-context', 'sectors, breadth, volatility and regime of the market', 60_000);
