import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toEnqueue } from '../../src/effect-handlers.ts';
import { done, type Outcome } from '../../src/engine/context.ts';
import type { Control } from '../../src/engine/control.ts';
import { redriveLetters } from '../../src/engine/control.ts';
import { cancelJob } from '../../src/engine/control-jobs.ts';
import { CodedError } from '../../src/errors.ts';
import { enqueueEffect, jobsOf } from '../../src/jobs/registry.ts';
import type { Resources } from '../../src/resources.ts';
import { listDeadLetters } from '../../src/store/dead-letters.ts';
import type { NewEffect } from '../../src/store/effects.ts';
import type { Handler } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import {
  auditRows,
  controlOf,
  type Handlers,
  openProcess,
  queueOf,
  startProcess,
  WHO,
  type WorkerProcess,
} from './control-support.ts';
import { age, commit, deferred, emptyPlatform, eventually, outboxTargets } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);

let run: TestRun;
let resources: Resources;
/** Neither the producer nor a worker: the operator's own connections. */
let operator: Resources;
let control: Control;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
  operator = await openProcess(run, 'operator');
  control = controlOf(operator);
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((each) => each.close()));
  const marks = await resources.queueRedis.keys(`${run.prefix}:cancel:*`);
  if (marks.length > 0) await resources.queueRedis.del(...marks);
  await auditRows(resources);
  await emptyPlatform(resources);
});

afterAll(async () => {
  await operator.close();
  await run.close();
});

async function work(handlers: Handlers, options?: { deaf?: boolean }): Promise<WorkerProcess> {
  const started = await startProcess(run, handlers, options);
  processes.push(started);
  return started;
}

async function request(...effects: NewEffect[]): Promise<void> {
  await resources.outbox.drain(await commit(resources.db, effects));
}

const cycle = (modelId: string, slotMs = SLOT) => enqueueEffect('decision-cycle', { modelId, slotMs });
const snapshot = (modelId: string, asOfMs = SLOT) => enqueueEffect('snapshot', { modelId, asOfMs });
const analytics = (modelId: string) => enqueueEffect('analytics', { modelId, asOfMs: SLOT });
const letters = () => listDeadLetters(resources.db, { limit: 100 });
const marked = async (id: string) => (await resources.queueRedis.exists(resources.keys.cancelMark(id))) === 1;

/** A handler that runs until it is aborted, and says which models it has begun and left. */
function endless() {
  const begun: string[] = [];
  const aborted: string[] = [];
  const handler = (payload: { modelId: string | null }, { signal }: { signal: AbortSignal }) => {
    const model = payload.modelId ?? '';
    begun.push(model);
    return new Promise<never>((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        aborted.push(model);
        reject(new Error('left'));
      }),
    );
  };
  return { begun, aborted, handler };
}

/** A worker that hears no word of control. Its job ends when the test says so. */
async function deaf(name: 'decision-cycle' | 'snapshot', outcome: () => Promise<Outcome>) {
  const started = deferred();
  const gate = deferred();
  const handler = async () => {
    started.resolve();
    await gate.promise;
    return outcome();
  };
  await work({ [name]: handler }, { deaf: true });
  return { started: started.promise, ends: gate.resolve };
}

describe('cancelling a job that runs', () => {
  it('is refused for one whose slot has not fired: it would come all the same', async () => {
    const { queues } = resources;
    const early = { ...toEnqueue({ ...cycle('early'), attempts: 0 }), announced: true };
    await queues.add([early]);
    await expect(cancelJob(control, early.identity)).rejects.toMatchObject({
      code: 'NOF0_JOB_UNKNOWN',
      message: expect.stringContaining('waits for its slot to fire'),
    });
    expect(await letters()).toEqual([]);
    await commit(resources.db, [cycle('early')]);
    expect(await cancelJob(control, early.identity)).toMatchObject({ end: 'withdrawn' });
    expect(await outboxTargets(resources.db)).toEqual([]);
  });

  it('aborts it in whichever of two processes it runs, and nothing else', async () => {
    const jobs = endless();
    const one = await work({ 'decision-cycle': jobs.handler });
    const other = await work({ 'decision-cycle': jobs.handler });
    await request(cycle('a'), cycle('b'));
    await eventually(() => expect([...jobs.begun].sort()).toEqual(['a', 'b']));

    const { job, end } = await cancelJob(control, cycle('b').target);
    expect([job.state, end]).toEqual(['active', 'stopped']);
    expect(jobs.aborted).toEqual(['b']);
    expect(await letters()).toMatchObject([
      { job: 'decision-cycle', identity: cycle('b').target, modelId: 'b', errorCode: 'NOF0_JOB_CANCELLED' },
    ]);
    expect(await outboxTargets(resources.db)).toEqual([cycle('a').target]);
    expect(await queueOf(resources, 'decision-cycle').getActiveCount()).toBe(1);
    expect(await marked(job.id)).toBe(false);

    expect(await cancelJob(control, cycle('a').target)).toMatchObject({ end: 'stopped' });
    expect(jobs.aborted).toEqual(['b', 'a']);
    expect(await auditRows(resources)).toMatchObject([
      { who: WHO, what: 'cancel', target: cycle('b').target, before: { state: 'active' }, after: { end: 'stopped' } },
      { target: cycle('a').target },
    ]);
    await Promise.all([one, other].map(({ resources: own }) => own.history.flush()));
    const workers = await resources.db.query('SELECT DISTINCT worker FROM job_runs');
    expect(workers).toHaveLength(1);
  });

  it('ends one that coalesces by its identity; what was asked for meanwhile still runs', async () => {
    const jobs = endless();
    let broken = true;
    const handler: Handler<'snapshot'> = async (payload, jobRun) => (broken ? jobs.handler(payload, jobRun) : done());
    await work({ snapshot: handler });
    await request(snapshot('m'));
    await eventually(() => expect(jobs.begun).toEqual(['m']));
    await request(snapshot('m', SLOT + 1));
    broken = false;
    expect(await cancelJob(control, 'snapshot_m')).toMatchObject({ end: 'stopped', job: { identity: 'snapshot_m' } });
    await eventually(async () => expect(await outboxTargets(resources.db)).toEqual([]));
    expect(await letters()).toMatchObject([{ payload: { asOfMs: SLOT } }]);
    expect(await queueOf(resources, 'snapshot').getCompletedCount()).toBe(1);
  });

  it('knows the jobs of different queues apart by the ids that logs show', async () => {
    const jobs = endless();
    const others = endless();
    await work({ snapshot: jobs.handler, analytics: others.handler });
    await request(snapshot('m'), analytics('m'));
    await eventually(() => expect([jobs.begun, others.begun]).toEqual([['m'], ['m']]));
    const [job] = await queueOf(resources, 'snapshot').getActive();
    expect(await cancelJob(control, job?.id ?? '')).toMatchObject({ end: 'stopped', job: { queue: 'snapshot' } });
    expect(jobs.aborted).toEqual(['m']);
    expect(others.aborted).toEqual([]);
  });

  it('that nobody lets go of leaves the mark, which ends it at its next attempt', async () => {
    const { started, ends } = await deaf('decision-cycle', async () => {
      throw new CodedError('NOF0_MARKET_UNAVAILABLE', 'no answer');
    });
    await request(cycle('m'));
    await started;
    expect(await cancelJob(control, cycle('m').target, 300)).toMatchObject({ end: 'running' });
    const ttlMs = await resources.queueRedis.pttl(resources.keys.cancelMark(cycle('m').target));
    expect(ttlMs).toBeGreaterThan(3_500_000);
    ends();
    await eventually(async () =>
      expect(await letters()).toMatchObject([{ errorCode: 'NOF0_JOB_CANCELLED', attempts: 2 }]),
    );
    expect(await outboxTargets(resources.db)).toEqual([]);
  });

  it('takes it out of its queue when its attempt ends meanwhile, and it would be tried again', async () => {
    const { started, ends } = await deaf('snapshot', async () => {
      throw new CodedError('NOF0_EXCHANGE_UNAVAILABLE', 'later', { details: { retryAfterMs: 60_000 } });
    });
    await request(snapshot('m'));
    await started;
    const cancelling = cancelJob(control, 'snapshot_m');
    ends();
    expect(await cancelling).toMatchObject({ end: 'withdrawn' });
    expect(await letters()).toMatchObject([{ errorCode: 'NOF0_JOB_CANCELLED' }]);
    expect(await outboxTargets(resources.db)).toEqual([]);
  });

  it.each([
    ['completed', async () => done(), []],
    [
      'failed',
      async () => {
        throw new CodedError('NOF0_MODEL_UNKNOWN', 'nobody');
      },
      [{ errorCode: 'NOF0_MODEL_UNKNOWN' }],
    ],
  ])('may come too late: the job has %s by itself', async (end, outcome, kept) => {
    const { started, ends } = await deaf('decision-cycle', outcome);
    await request(cycle('m'));
    await started;
    const cancelling = cancelJob(control, cycle('m').target);
    ends();
    expect(await cancelling).toMatchObject({ end });
    expect(await letters()).toMatchObject(kept);
    expect(await marked(cycle('m').target)).toBe(false);
  });
});

describe('cancelling a job that has not begun', () => {
  it.each([
    ['a slot', cycle('m'), cycle('m').target],
    ['one that coalesces', snapshot('m'), 'snapshot_m'],
  ])('takes %s out of its queue and keeps it among the failed', async (_what, effect, id) => {
    await request(effect);
    const { job, end } = await cancelJob(control, id);
    expect([job.state, end]).toEqual(['waiting', 'withdrawn']);
    expect(await outboxTargets(resources.db)).toEqual([]);
    expect(await queueOf(resources, effect.payload.job).getJobCountByTypes('waiting', 'delayed', 'active')).toBe(0);
    expect(await marked(job.id)).toBe(false);
    expect(await letters()).toMatchObject([
      {
        ...{ identity: id, jobId: job.id, modelId: 'm', payload: effect.payload.data, attempts: 0 },
        ...{ errorCode: 'NOF0_JOB_CANCELLED', errorMessage: `${WHO} cancelled the job before it began` },
      },
    ]);
    expect(await auditRows(resources)).toMatchObject([
      { who: WHO, what: 'cancel', target: id, before: { state: 'waiting' }, after: { end: 'withdrawn' } },
    ]);
  });

  it('takes it out of the wait between two attempts', async () => {
    await work({
      snapshot: async () => {
        throw new CodedError('NOF0_EXCHANGE_UNAVAILABLE', 'later', { details: { retryAfterMs: 60_000 } });
      },
    });
    await request(snapshot('m'));
    await eventually(async () => expect(await queueOf(resources, 'snapshot').getDelayedCount()).toBe(1));
    expect(await cancelJob(control, 'snapshot_m')).toMatchObject({ end: 'withdrawn', job: { state: 'delayed' } });
    expect(await letters()).toHaveLength(1);
    expect(await outboxTargets(resources.db)).toEqual([]);
  });

  it('is not undone by the relay, which offers it again in between', async () => {
    const offered: string[] = [];
    const desk: Control['desk'] = {
      queueNames: control.desk.queueNames,
      find: (id) => control.desk.find(id),
      allow: (ids) => control.desk.allow(ids),
      setPaused: (queue, paused) => control.desk.setPaused(queue, paused),
      async stop(job, waitMs) {
        const end = await control.desk.stop(job, waitMs);
        if (offered.length === 0) {
          await age(resources.db);
          await resources.outbox.relay();
          offered.push(job.identity);
        }
        return end;
      },
    };
    for (const effect of [cycle('m'), snapshot('m')]) {
      offered.splice(0);
      await request(effect);
      expect(await cancelJob({ ...control, desk }, effect.target)).toMatchObject({ end: 'withdrawn' });
      expect(offered).toEqual([effect.target]);
      expect(await queueOf(resources, effect.payload.job).getWaitingCount()).toBe(0);
      expect(await outboxTargets(resources.db)).toEqual([]);
    }
  });

  it('is kept once when two people do it at the same time', async () => {
    await request(cycle('m'));
    const both = await Promise.allSettled([
      cancelJob(control, cycle('m').target),
      cancelJob(controlOf(resources), cycle('m').target),
    ]);
    expect(both.some((each) => each.status === 'fulfilled' && each.value.end === 'withdrawn')).toBe(true);
    expect(await letters()).toHaveLength(1);
  });

  it('can be taken back: redriven it runs', async () => {
    await request(cycle('m'));
    await cancelJob(control, cycle('m').target);
    const ran: string[] = [];
    await work({
      'decision-cycle': async (payload) => {
        ran.push(payload.modelId);
        return done();
      },
    });
    const [letter] = await letters();
    expect(await redriveLetters(control, { ids: [letter?.id ?? 0] })).toMatchObject({ ids: [letter?.id] });
    await eventually(() => expect(ran).toEqual(['m']));
  });
});

describe('cancelling what is not there', () => {
  it.each(['decision-cycle_nobody_1', '7', 'meta', 'wait', 'id', 'de:snapshot_m', ''])('%j is named', async (id) => {
    await request(cycle('m'), snapshot('m'));
    await expect(cancelJob(control, id)).rejects.toMatchObject({
      code: 'NOF0_JOB_UNKNOWN',
      message: expect.stringContaining(
        `waits or runs (searched ${jobsOf('synthetic').join(', ')} by job id and by identity)`,
      ),
    });
    expect(await auditRows(resources)).toEqual([]);
  });

  it('says that it has ended, or that it has not come to its queue yet', async () => {
    await work({ 'decision-cycle': async () => done() });
    await request(cycle('m'));
    await eventually(async () => expect(await queueOf(resources, 'decision-cycle').getCompletedCount()).toBe(1));
    await expect(cancelJob(control, cycle('m').target)).rejects.toThrow('the one in decision-cycle has completed');
    await commit(resources.db, [snapshot('m')]);
    await expect(cancelJob(control, 'snapshot_m')).rejects.toThrow('it is promised and comes to its queue');
  });
});
