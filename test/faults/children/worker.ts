/**
 * A worker of decision cycles whose jobs do what their model's name says: `poison` kills its process, `wait` runs until the key of the
 * parent is there, every other one takes a moment. Each writes down that it ran.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { untilStopped } from '../../../src/cli/until-stopped.ts';
import { done } from '../../../src/engine/context.ts';
import { contractOf } from '../../../src/jobs/registry.ts';
import { startWorker } from '../../../workers/define-worker.ts';
import { startRelay } from '../../../workers/relay.ts';
import { openRun, readErrand, tell } from './open.ts';

const WORK_MS = 20;
const DRAIN_MS = 20_000;

const errand = readErrand();
const resources = await openRun(errand);
const released = async () => (await resources.queueRedis.exists(`${errand.prefix}:release`)) === 1;
const maxStalls = errand.options?.maxStalls;

const worker = startWorker(
  resources,
  'decision-cycle',
  async ({ modelId, slotMs }) => {
    tell(`began ${modelId}`);
    if (modelId === 'poison') process.kill(process.pid, 'SIGKILL');
    if (modelId === 'wait') while (!(await released())) await sleep(WORK_MS);
    await sleep(WORK_MS);
    await resources.db.query('INSERT INTO ran (model_id, slot_ms) VALUES ($1, $2)', [modelId, slotMs]);
    return done();
  },
  4,
  contractOf('decision-cycle'),
  ...(typeof maxStalls === 'number' ? [maxStalls] : []),
);
const relay = startRelay(resources);
await worker.bull.waitUntilReady();
tell('ready');
await untilStopped(new Promise<never>(() => {}));
await Promise.all([relay.stop(), worker.close(DRAIN_MS)]);
await resources.close();
process.exit(0);
