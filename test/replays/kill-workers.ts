/**
 * Kills workers (SIGKILL) while a replay runs, and compares the end with an undisturbed run of the same data: nothing may be lost and
 * nothing done twice. Seeded: the same seed chooses the same victims after the same pauses.
 *
 *   npm run test:kills -- [--data DIR] [--hours H] [--kills N] [--seed S]
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { uniform } from '../../src/domain/random.ts';
import { nof0, runNof0 } from '../processes.ts';
import { difference, ReplayBench, say } from './bench.ts';

const WORKERS = 2;

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    hours: { type: 'string', default: '24' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const kills = Number(values.kills);
const seed = values.seed ?? '1';

/** Two workers; again and again one of them is killed and another one started in its place. */
async function killWorkers(bench: ReplayBench, run: string): Promise<void> {
  const start = () => nof0(['worker', '--run', run], bench.env);
  const workers = Array.from({ length: WORKERS }, start);
  await Promise.all(workers.map((worker) => worker.printed(/working on run/)));
  for (let kill = 0; kill < kills; kill++) {
    await sleep(300 + uniform(seed, 'pause', kill) * 1500);
    const victim = Math.floor(uniform(seed, 'victim', kill) * WORKERS);
    workers[victim]?.process.kill('SIGKILL');
    await workers[victim]?.ended;
    const successor = start();
    workers[victim] = successor;
    // The next kill must hit a worker that works, not one that is still starting.
    await successor.printed(/working on run/);
    say(`kill ${kill + 1} of ${kills}`);
  }
  await bench.finished(run);
  for (const worker of workers) worker.process.kill('SIGTERM');
  const codes = await Promise.all(workers.map((worker) => worker.ended));
  if (codes.some((code) => code !== 0)) {
    throw new Error(
      `workers ended with ${codes.join(', ')}:\n${workers.map((worker) => worker.output().slice(-2000)).join('\n')}`,
    );
  }
}

const bench = await ReplayBench.open({ data: values.data, hours: Number(values.hours) });
try {
  const calm = await bench.replay('calm');
  const disturbed = await bench.replay('disturbed', () => killWorkers(bench, 'disturbed'));
  const verify = await runNof0(['verify', '--run', 'disturbed'], bench.env);
  if (verify.code !== 0) say(verify.output);
  const { lost, doubled } = difference(calm, disturbed);
  say(`verify exit code ${verify.code}`);
  say(`${kills} kills, ${lost} lost, ${doubled} doubled`);
  process.exitCode = lost + doubled === 0 && verify.code === 0 ? 0 : 1;
} finally {
  await bench.close();
}
process.exit();
