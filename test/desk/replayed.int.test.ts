/** A session that is played again lies in the past: nobody waits for its slots, and nobody is alarmed about them. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApi } from '../../src/http/api.ts';
import { syncSchedules } from '../../src/store/schedules.ts';
import { startPresence } from '../../workers/presence.ts';
import { count } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';

const OPEN_MS = Date.parse('2025-05-09T13:30:00Z');
const FIRST_BEAT_MS = 1000;

let run: TestRun;

beforeAll(async () => {
  run = await createRun({
    kind: 'equities',
    settings: { feed: 'synthetic', day: '2025-05-09' },
    startMs: OPEN_MS,
    endMs: OPEN_MS + 3_600_000,
  });
  const every = { spec: { everyMs: 60_000 }, payload: {}, policy: 'every' } as const;
  await syncSchedules(run.resources.db, [{ name: 'equity-screen', job: 'equity-screen', ...every }], OPEN_MS);
});
afterAll(() => run.close());

it('is behind nothing, though its slots are long gone', async () => {
  const text = await (await createApi(run.resources).request('/metrics')).text();
  expect(text).toMatch(/^nof0_schedule_lag_seconds 0$/m);
});

it('is watched by whoever plays it: its processes are not missed when they end', async () => {
  const presence = startPresence(run.resources);
  await new Promise((resolve) => setTimeout(resolve, 2 * FIRST_BEAT_MS));
  expect(await count(run.resources.db, 'processes')).toBe(0);
  await presence.stop();
});
