import { deskJob } from './desk-job.ts';

export const performanceDaily = deskJob('performance-daily', 'count what the session has brought so far', 60_000);
