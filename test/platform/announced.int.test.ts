/** Jobs that reach their queue before their slot has fired. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { toEnqueue } from '../../src/effect-handlers.ts';
import { done } from '../../src/engine/context.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import type { EffectRow } from '../../src/store/effects.ts';
import { type RunningWorker, startWorker } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import { age, commit, emptyPlatform, eventually, outboxRows } from './support.ts';

const T0 = Date.UTC(2026, 0, 1);
const SLOT = T0 + 60_000;
/** Longer than a job waits in its worker. */
const LONG_MS = 900;

let run: TestRun;
let worker: RunningWorker;
let ran: string[] = [];

beforeAll(async () => {
  run = await createRun({ startMs: T0, endMs: T0 + 3_600_000 });
});

beforeEach(() => {
  ran = [];
  worker = startWorker(
    run.resources,
    'decision-cycle',
    async ({ modelId }) => {
      ran.push(modelId);
      return done();
    },
    1,
  );
});

afterEach(async () => {
  await worker.close(0);
  await emptyPlatform(run.resources);
  await clock(T0);
});

afterAll(() => run.close());

const job = (modelId: string) => enqueueEffect('decision-cycle', { modelId, slotMs: SLOT });
const clock = (nowMs: number) => run.resources.db.query('UPDATE runs SET market_now_ms = $1', [nowMs]);
const announce = (modelId: string) =>
  run.resources.queues.add([{ ...toEnqueue({ ...job(modelId), attempts: 0 }), announced: true }]);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const outcomes = () => run.resources.db.query('SELECT outcome, reason FROM job_runs');

/** What the scheduler's statement does: the promise, and the clock with it. */
async function fire(modelId: string): Promise<EffectRow[]> {
  const rows = await commit(run.resources.db, [job(modelId)]);
  await clock(SLOT);
  return rows;
}

it('do nothing before, and begin where they wait when it fires', async () => {
  await announce('a0');
  await pause(150);
  expect(ran).toEqual([]);
  expect(run.resources.outbox.announced.release(await fire('a0'))).toEqual([]);
  await eventually(() => expect(ran).toEqual(['a0']), 1000);
  await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
});

it('hear it from the database where another process has fired it', async () => {
  await announce('a1');
  await pause(60);
  await fire('a1');
  await eventually(() => expect(ran).toEqual(['a1']), 2000);
});

it('begin at once when they come after all, and reach their queue when nobody waits for them', async () => {
  const fired = await fire('a2');
  expect(run.resources.outbox.announced.release(fired)).toEqual(fired);
  await announce('a2');
  await eventually(() => expect(ran).toEqual(['a2']), 1000);
  // What was promised without an announcement goes the ordinary way.
  await run.resources.outbox.drain(await fire('b2'));
  await eventually(() => expect(ran).toEqual(['a2', 'b2']), 1000);
});

it('never begin where the market has gone on without them', async () => {
  await announce('a3');
  await clock(SLOT + 1);
  await eventually(async () =>
    expect(await outcomes()).toContainEqual({ outcome: 'skipped', reason: 'its slot is over' }),
  );
  expect(ran).toEqual([]);
});

it('let others to the worker while they wait, and lose nothing by it', async () => {
  await announce('a4');
  await pause(60);
  await run.resources.outbox.drain(await commit(run.resources.db, [job('b4')]));
  await eventually(() => expect(ran).toEqual(['b4']), 5000);
  await pause(LONG_MS);
  expect(ran).toEqual(['b4']);
  run.resources.outbox.announced.release(await fire('a4'));
  await eventually(() => expect(ran).toEqual(['b4', 'a4']), 5000);
});

it('run once although their promise is offered again', async () => {
  await announce('a5');
  await pause(60);
  await run.resources.outbox.drain(await fire('a5'));
  await age(run.resources.db);
  await run.resources.outbox.relay();
  await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
  await pause(100);
  expect(ran).toEqual(['a5']);
});

it('are not added again where they are known to be in their queue', async () => {
  const fired = await fire('a6');
  run.resources.outbox.announced.queued(fired.map(({ target }) => target));
  expect(run.resources.outbox.announced.release(fired)).toEqual([]);
  await announce('a6');
  await eventually(() => expect(ran).toEqual(['a6']), 1000);
});

it('are told once, and soon, that they have fired: a crash of the database may take it back', async () => {
  const { announced } = run.resources.outbox;
  const { target } = job('a8');
  const ask = () => announced.wait(target, SLOT, { reason: null });
  announced.queued([target]);
  expect(announced.release([{ id: 7, target }])).toEqual([]);
  expect(await ask()).toEqual({ kind: 'promised', ids: [7] });
  expect(await ask()).toEqual({ kind: 'later' });
  expect(announced.release([{ id: 8, target }])).toHaveLength(1);
  await pause(300);
  expect(await ask()).toEqual({ kind: 'later' });
});

it('whose runs coalesce cover the promise that has fired, and none that comes later', async () => {
  const effect = enqueueEffect('snapshot', { modelId: 'a7', slotMs: SLOT, asOfMs: SLOT });
  let finish = () => {};
  const first = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const snapshots = startWorker(
    run.resources,
    'snapshot',
    async ({ modelId }) => {
      ran.push(modelId);
      if (ran.length === 1) await first;
      return done();
    },
    1,
  );
  try {
    await run.resources.queues.add([{ ...toEnqueue({ ...effect, attempts: 0 }), announced: true }]);
    run.resources.outbox.announced.queued([effect.target]);
    const fired = await commit(run.resources.db, [effect]);
    await clock(SLOT);
    expect(run.resources.outbox.announced.release(fired)).toEqual([]);
    await eventually(() => expect(ran).toEqual(['a7']), 1000);
    const later = await commit(run.resources.db, [effect]);
    finish();
    await eventually(async () =>
      expect((await outboxRows(run.resources.db)).map(({ id }) => id)).toEqual([later[0]?.id]),
    );
    await age(run.resources.db);
    await run.resources.outbox.relay();
    await eventually(() => expect(ran).toEqual(['a7', 'a7']), 5000);
    await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
  } finally {
    await snapshots.close(0);
  }
});
