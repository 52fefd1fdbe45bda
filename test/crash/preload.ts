/**
 * Loaded into a child before the program itself: writes down which boundaries the child passes, and kills it at chosen ones.
 * The settings come in CRASH_PLAN (JSON); each kill leaves a file first, so that the restarted process goes on where it died.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { type Boundary, observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { labelOf, readPlan } from './plan.ts';

const plan = readPlan(process.env);
if (plan !== null && isMainThread) {
  const passed = new Map<string, number>();
  // Kills happen in their order: the next one is the first that has left no file yet.
  const next = plan.kills.find(({ marker }) => !existsSync(marker));
  observeBoundaries((boundary: Boundary) => {
    const label = labelOf(boundary);
    const times = (passed.get(label) ?? 0) + 1;
    passed.set(label, times);
    if (next === undefined || label !== next.label || times < next.occurrence) return;
    writeFileSync(next.marker, label, { flag: 'wx' });
    process.kill(process.pid, 'SIGKILL');
  });
  process.on('exit', () => writeFileSync(plan.passed, JSON.stringify(Object.fromEntries(passed))));
}
