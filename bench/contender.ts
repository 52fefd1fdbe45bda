/**
 * One side of the comparison, in a process of its own: what one side switches on in Node (asynchronous context, for instance) must not
 * slow the other one down. Told by messages to run rounds; answers each with how long it took.
 */

import { Queue, Worker } from 'bullmq';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { done } from '../src/engine/context.ts';
import { decisionCycle } from '../src/jobs/decision-cycle.ts';
import { enqueueEffect } from '../src/jobs/registry.ts';
import { workerConnection } from '../src/redis/connections.ts';
import type { Resources } from '../src/resources.ts';
import { addEffects } from '../src/store/effects.ts';
import { startWorker } from '../workers/define-worker.ts';
import { openBench } from './stage.ts';
import { sevenStatements } from './work.ts';

/** Jobs of one worker process at a time, on both sides. */
const CONCURRENCY = 100;
const CHUNK = 500;
const SLOT_MS = Date.UTC(2026, 0, 1);
const MODELS = 50;

export type Side = 'bare' | 'pipeline';
export type Start = { readonly servers: ServerUrls; readonly dir: string; readonly side: Side };
export type Round = { readonly jobs: number; readonly commits: boolean };
export type Result = { readonly ms: number; readonly cpuMs: number };

type Payload = { v: 1; modelId: string; slotMs: number };
/** The jobs are in the queue; starts a worker and works them off. Resolves to what ends the worker: closing it is not measured. */
type Loaded = () => Promise<() => Promise<unknown>>;

let nextJob = 0;

function payloads(count: number): Payload[] {
  return Array.from({ length: count }, () => {
    const index = nextJob++;
    return { v: 1, modelId: `model-${index % MODELS}`, slotMs: SLOT_MS + Math.floor(index / MODELS) * 1000 };
  });
}

function chunks<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, index) =>
    items.slice(index * CHUNK, (index + 1) * CHUNK),
  );
}

/** Resolves when the worker has reported so many jobs complete; rejects when one failed. */
function completed(worker: Worker, jobs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = 0;
    worker.on('completed', () => {
      ended += 1;
      if (ended === jobs) resolve();
    });
    worker.on('failed', (_job, error) => reject(error));
  });
}

/** The library alone: a worker and a function. Its queue remembers as many finished jobs as the platform's: that is no part of the pipeline. */
async function loadBare({ db, queueRedisUrl }: Resources, { jobs, commits }: Round): Promise<Loaded> {
  const prefix = 'bare';
  const name = decisionCycle.name;
  const queue = new Queue(name, { connection: workerConnection(queueRedisUrl), prefix });
  for (const chunk of chunks(payloads(jobs))) {
    await queue.addBulk(
      chunk.map((data) => ({
        name,
        data,
        opts: {
          jobId: decisionCycle.identity(data),
          removeOnComplete: { count: decisionCycle.keep.completed },
          removeOnFail: { count: decisionCycle.keep.failed },
        },
      })),
    );
  }
  return async () => {
    const worker = new Worker<Payload>(name, (job) => (commits ? sevenStatements(db, job.data) : Promise.resolve()), {
      connection: workerConnection(queueRedisUrl),
      prefix,
      concurrency: CONCURRENCY,
    });
    worker.on('error', () => {});
    await completed(worker, jobs);
    return () => Promise.all([worker.close(), queue.close()]);
  };
}

/** The platform: jobs promised in the outbox, run by the pipeline, acknowledged and remembered. */
async function loadPipeline(resources: Resources, { jobs, commits }: Round): Promise<Loaded> {
  const { db, outbox, history } = resources;
  for (const chunk of chunks(payloads(jobs))) {
    await outbox.drain(
      await addEffects(
        db,
        chunk.map((payload) => enqueueEffect('decision-cycle', payload)),
      ),
    );
  }
  return async () => {
    const worker = startWorker(
      resources,
      'decision-cycle',
      async (payload) => {
        if (commits) await sevenStatements(db, payload);
        return done();
      },
      CONCURRENCY,
    );
    await completed(worker.bull, jobs);
    await history.flush();
    return () => worker.close(0);
  };
}

async function play(resources: Resources, side: Side, round: Round): Promise<Result> {
  const workOff = await (side === 'bare' ? loadBare(resources, round) : loadPipeline(resources, round));
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const close = await workOff();
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  await close();
  return { ms, cpuMs: (user + system) / 1000 };
}

const start = JSON.parse(process.argv[2] ?? '') as Start;
const resources = await openBench(start.servers, start.dir);
process.on('message', (round: Round) => {
  play(resources, start.side, round).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${start.side}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => {
  void resources.close().finally(() => process.exit());
});
process.send?.('ready');
