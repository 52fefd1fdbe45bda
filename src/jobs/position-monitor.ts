import { deskJob } from './desk-job.ts';

export const positionMonitor = deskJob(
  'position-monitor',
  'look at every open position of the desk, signal exits, put signals before its model, close all before the close',
  60_000,
);
