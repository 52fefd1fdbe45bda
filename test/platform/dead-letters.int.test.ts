/** What is kept of work that failed for good: once, whatever the queue called it. */

import { afterAll, beforeEach, expect, it } from 'vitest';
import { buryJob, listDeadLetters, type NewDeadLetter, redrive } from '../../src/store/dead-letters.ts';
import { createRun, type TestRun } from '../harness.ts';

let run: TestRun;
beforeEach(async () => {
  run ??= await createRun();
  await run.resources.db.query('DELETE FROM dead_letters');
});
afterAll(() => run?.close());

const letter: NewDeadLetter = {
  job: 'maintenance',
  identity: 'maintenance_warm-cache',
  jobId: '1',
  modelId: null,
  payload: { v: 1, task: 'warm-cache', asOfMs: 1000 },
  errorCode: 'NOF0_PAYLOAD_INVALID',
  errorMessage: 'x',
  attempts: 1,
  stalls: 0,
};
const bury = (change: Partial<NewDeadLetter> = {}) => buryJob(run.resources.db, { ...letter, ...change }, null);
const open = async () => (await listDeadLetters(run.resources.db, { limit: 10 })).map(({ jobId }) => jobId).sort();

it('keeps work once that failed again under another id', async () => {
  await bury();
  await bury();
  await bury({ jobId: '2' });
  expect(await open()).toEqual(['1']);
});

it('keeps other work of the same identity, and the same work that was redriven and failed again', async () => {
  await bury();
  await bury({ jobId: '2', payload: { v: 1, task: 'warm-cache', asOfMs: 2000 } });
  expect(await open()).toEqual(['1', '2']);
  await redrive(run.resources.db, await listDeadLetters(run.resources.db, { limit: 10 }));
  expect(await open()).toEqual([]);
  await bury({ jobId: '3' });
  expect(await open()).toEqual(['3']);
});
