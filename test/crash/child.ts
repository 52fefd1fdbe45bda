/** The `nof0` command that counts the boundaries it passes and dies at the one its plan names. */

import { existsSync, writeFileSync } from 'node:fs';
import { observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { runCli } from '../../workers/cli.ts';
import { labelOf, readPlan } from './plan.ts';

const plan = readPlan(process.env);
const index = plan.kills.findIndex((_, number) => !existsSync(`${plan.marker}${number}`));
const kill = plan.kills[index];
const passed = new Map<string, number>();

observeBoundaries((boundary) => {
  const label = labelOf(boundary);
  const times = (passed.get(label) ?? 0) + 1;
  passed.set(label, times);
  if (label !== kill?.label || times < kill.occurrence) return;
  // The marker first: whoever is started next lives on.
  writeFileSync(`${plan.marker}${index}`, label, { flag: 'wx' });
  process.kill(process.pid, 'SIGKILL');
});
process.on('exit', () => writeFileSync(plan.passed, JSON.stringify(Object.fromEntries(passed))));

await runCli(process.argv);
