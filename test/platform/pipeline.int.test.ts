import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done, skipped, snoozed } from '../../src/engine/context.ts';
import { CodedError } from '../../src/errors.ts';
import type { JobContract } from '../../src/jobs/contract.ts';
import { contractOf, enqueueEffect, type JobName } from '../../src/jobs/registry.ts';
import type { Resources } from '../../src/resources.ts';
import { listDeadLetters, redrive } from '../../src/store/dead-letters.ts';
import type { NewEffect } from '../../src/store/effects.ts';
import { type Handler, type RunningWorker, startWorker } from '../../workers/define-worker.ts';
import { STOP } from '../../workers/running-jobs.ts';
import { createRun, type TestRun } from '../harness.ts';
import { age, commit, deferred, emptyPlatform, eventually, outboxRows } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);

type RunRow = {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly outcome: string;
  readonly reason: string | null;
  readonly modelId: string | null;
  readonly slotMs: number | null;
  readonly worker: string;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly payload: Record<string, unknown>;
  readonly tookMs: number;
};

let run: TestRun;
let resources: Resources;
const workers: RunningWorker[] = [];

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
});

afterEach(async () => {
  for (const worker of workers.splice(0)) {
    await worker.close(0);
  }
  await resources.history.flush();
  await emptyPlatform(resources);
});

afterAll(() => run.close());

/** Starts a worker with the test's handler; `changes` shorten the times of the real contract. */
function work<Name extends JobName>(
  name: Name,
  handler: Handler<Name>,
  changes: Partial<Pick<JobContract, 'attempts' | 'backoff' | 'timeoutMs'>> = {},
): RunningWorker {
  const worker = startWorker(resources, name, handler, 4, { ...contractOf(name), ...changes });
  workers.push(worker);
  return worker;
}

/** Commits the effects and drains them inline, as a story does. */
async function request(...effects: NewEffect[]): Promise<void> {
  await resources.outbox.drain(await commit(resources.db, effects));
}

const cycle = (modelId: string, slotMs = SLOT) => enqueueEffect('decision-cycle', { modelId, slotMs });
const snapshot = (modelId: string, asOfMs = SLOT) => enqueueEffect('snapshot', { modelId, asOfMs });

function queueOf(name: string) {
  const queue = resources.queues.all().find((candidate) => candidate.name === name);
  if (queue === undefined) throw new Error(`no queue ${name}`);
  return queue;
}

async function history(): Promise<RunRow[]> {
  await resources.history.flush();
  return resources.db.query<RunRow>(
    `SELECT queue, job_id AS "jobId", attempt, outcome, reason, model_id AS "modelId", slot_ms AS "slotMs", worker, error_code AS "errorCode",
            error_message AS "errorMessage", payload, (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS "tookMs"
     FROM job_runs ORDER BY id`,
  );
}

/** Waits until so many runs have ended, and no job is left that could make another. */
async function settled(name: JobName, runs: number): Promise<RunRow[]> {
  return eventually(async () => {
    const counts = await queueOf(name).getJobCounts('waiting', 'active', 'delayed', 'prioritized');
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(0);
    const rows = await history();
    expect(rows).toHaveLength(runs);
    return rows;
  });
}

describe('an outcome', () => {
  it('done ends the job, is acknowledged and remembered', async () => {
    work('decision-cycle', async (payload, { attempt, signal }) => {
      expect([payload, attempt, signal.aborted]).toEqual([{ v: 1, modelId: 'm:1', slotMs: SLOT }, 1, false]);
      return done({ orders: 2 });
    });
    const effect = cycle('m:1');
    await request(effect);
    const [row] = await settled('decision-cycle', 1);
    expect(row).toMatchObject({
      queue: 'decision-cycle',
      jobId: effect.target,
      attempt: 1,
      outcome: 'done',
      reason: null,
      modelId: 'm:1',
      slotMs: SLOT,
      worker: resources.worker,
      errorCode: null,
      payload: { v: 1, modelId: 'm:1', slotMs: SLOT },
    });
    expect(effect.target).toBe(`decision-cycle_m%3A1_${SLOT}`);
    expect(await outboxRows(resources.db)).toEqual([]);
    expect(await queueOf('decision-cycle').getCompletedCount()).toBe(1);
  });

  it('skipped ends the job too, with its reason', async () => {
    work('decision-cycle', async () => skipped('late'));
    await request(cycle('m'));
    expect(await settled('decision-cycle', 1)).toMatchObject([{ outcome: 'skipped', reason: 'late' }]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('snoozed runs the job again after a while, spends no attempt and acknowledges nothing before the end', async () => {
    const pending: number[] = [];
    const attempts: number[] = [];
    work('decision-cycle', async (_, { attempt }) => {
      attempts.push(attempt);
      pending.push((await outboxRows(resources.db)).length);
      return attempts.length < 4 ? snoozed(5, 'busy') : done();
    });
    await request(cycle('m'));
    const rows = await settled('decision-cycle', 4);
    expect(rows.map((row) => [row.outcome, row.reason])).toEqual([
      ['snoozed', 'busy'],
      ['snoozed', 'busy'],
      ['snoozed', 'busy'],
      ['done', null],
    ]);
    expect(attempts).toEqual([1, 1, 1, 1]);
    expect(pending).toEqual([1, 1, 1, 1]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });
});

describe('an error', () => {
  it('that a retry can help is tried again after a backoff, with the next attempt', async () => {
    const startedAt: number[] = [];
    work(
      'decision-cycle',
      async (_, { attempt }) => {
        startedAt.push(performance.now());
        if (attempt < 3) throw new CodedError('NOF0_MARKET_UNAVAILABLE', `no answer ${attempt}`);
        return done();
      },
      { backoff: { baseMs: 40, capMs: 50 } },
    );
    await request(cycle('m'));
    const rows = await settled('decision-cycle', 3);
    expect(rows.map((row) => [row.attempt, row.outcome, row.errorCode, row.errorMessage])).toEqual([
      [1, 'failed', 'NOF0_MARKET_UNAVAILABLE', 'no answer 1'],
      [2, 'failed', 'NOF0_MARKET_UNAVAILABLE', 'no answer 2'],
      [3, 'done', null, null],
    ]);
    expect(startedAt).toHaveLength(3);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('without a code is a fault of the platform and tried again', async () => {
    work(
      'decision-cycle',
      async (_, { attempt }) => {
        if (attempt === 1) throw new TypeError('undefined is not a function');
        return done();
      },
      { backoff: { baseMs: 1, capMs: 1 } },
    );
    await request(cycle('m'));
    expect(await settled('decision-cycle', 2)).toMatchObject([
      { outcome: 'failed', errorCode: 'NOF0_INTERNAL', errorMessage: 'undefined is not a function' },
      { outcome: 'done' },
    ]);
  });

  it('that says when to come back is a snooze', async () => {
    let tries = 0;
    work('decision-cycle', async () => {
      tries += 1;
      if (tries === 1) throw new CodedError('NOF0_LLM_UNAVAILABLE', 'slow down', { details: { retryAfterMs: 5 } });
      return done();
    });
    await request(cycle('m'));
    expect(await settled('decision-cycle', 2)).toMatchObject([
      { outcome: 'snoozed', reason: 'slow down', attempt: 1 },
      { outcome: 'done', attempt: 1 },
    ]);
  });

  it('that no retry can help fails at once, is acknowledged, and is kept for people', async () => {
    work('decision-cycle', async () => {
      throw new CodedError('NOF0_MODEL_UNKNOWN', 'nobody of that name');
    });
    const effect = cycle('m');
    await request(effect);
    expect(await settled('decision-cycle', 1)).toMatchObject([{ outcome: 'failed', errorCode: 'NOF0_MODEL_UNKNOWN' }]);
    await eventually(async () => expect(await queueOf('decision-cycle').getFailedCount()).toBe(1));
    const job = await queueOf('decision-cycle').getJob(effect.target);
    expect(job).toMatchObject({ attemptsMade: 1, failedReason: 'NOF0_MODEL_UNKNOWN: nobody of that name' });
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('ends the job when its attempts are exhausted, and acknowledges it', async () => {
    work(
      'decision-cycle',
      async () => {
        throw new CodedError('NOF0_MARKET_UNAVAILABLE', 'no answer');
      },
      { attempts: 3, backoff: { baseMs: 1, capMs: 2 } },
    );
    await request(cycle('m'));
    const rows = await settled('decision-cycle', 3);
    expect(rows.map((row) => row.attempt)).toEqual([1, 2, 3]);
    await eventually(async () => expect(await queueOf('decision-cycle').getFailedCount()).toBe(1));
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('keeps the effect between two attempts', async () => {
    const pending: number[] = [];
    work(
      'decision-cycle',
      async (_, { attempt }) => {
        pending.push((await outboxRows(resources.db)).length);
        if (attempt < 3) throw new CodedError('NOF0_MARKET_UNAVAILABLE', 'no answer');
        return done();
      },
      { backoff: { baseMs: 1, capMs: 2 } },
    );
    await request(cycle('m'));
    await settled('decision-cycle', 3);
    expect(pending).toEqual([1, 1, 1]);
  });

  it('with characters that Postgres cannot store does not keep the others out of the history', async () => {
    work('decision-cycle', async (payload) => {
      if (payload.modelId === 'odd') throw new CodedError('NOF0_INPUT_INVALID', `nul \u0000, ${'x'.repeat(1992)}🚀`);
      return done();
    });
    await request(cycle('odd'), cycle('even'));
    const rows = await settled('decision-cycle', 2);
    expect(rows.map((row) => row.modelId).sort()).toEqual(['even', 'odd']);
    expect(rows.find((row) => row.modelId === 'odd')?.errorMessage).toMatch(/^nul \ufffd, x+\ufffd$/);
  });
});

describe('a payload', () => {
  const raw = (target: string, data: object): NewEffect => ({
    kind: 'enqueue',
    target,
    payload: { job: 'decision-cycle', data },
  });
  let handled = 0;
  const count: Handler<'decision-cycle'> = async () => {
    handled += 1;
    return done();
  };

  it('that does not match its contract fails at once, with every fault, and is acknowledged', async () => {
    handled = 0;
    work('decision-cycle', count);
    await request(raw('decision-cycle_bad', { v: 1, modelId: '', slotMs: 'soon', colour: 'red' }));
    const [row] = await settled('decision-cycle', 1);
    expect(row).toMatchObject({
      outcome: 'failed',
      errorCode: 'NOF0_PAYLOAD_INVALID',
      modelId: null,
      slotMs: null,
      payload: { colour: 'red' },
    });
    for (const field of ['modelId', 'slotMs', 'colour']) expect(row?.errorMessage).toContain(field);
    expect(handled).toBe(0);
    await eventually(async () => expect(await queueOf('decision-cycle').getFailedCount()).toBe(1));
    // Otherwise the relay would offer it again for ever, and a replay would never come to its end.
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('that does not match is acknowledged where jobs coalesce, too', async () => {
    work('snapshot', async () => done());
    await request({
      kind: 'enqueue',
      target: 'snapshot_bad',
      payload: { job: 'snapshot', data: { v: 1, modelId: 7, asOfMs: SLOT } },
    });
    expect(await settled('snapshot', 1)).toMatchObject([{ errorCode: 'NOF0_PAYLOAD_INVALID' }]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('of a newer version waits for a newer worker', async () => {
    handled = 0;
    work('decision-cycle', count);
    const target = 'decision-cycle_m_next';
    await request(raw(target, { v: 2, modelId: 'm', slotMs: SLOT, mood: 'bold' }));
    const [row] = await eventually(async () => {
      expect(await queueOf('decision-cycle').getDelayedCount()).toBe(1);
      const rows = await history();
      expect(rows).toHaveLength(1);
      return rows;
    });
    expect(row).toMatchObject({ outcome: 'snoozed', errorCode: null });
    expect(row?.reason).toContain('version 2');
    expect(await queueOf('decision-cycle').getJob(target)).toMatchObject({ attemptsMade: 0 });
    expect(handled).toBe(0);
    expect(await outboxRows(resources.db)).toHaveLength(1);
  });
});

describe('time', () => {
  it('aborts a handler that takes too long, which may then stop by itself', async () => {
    let reason: unknown;
    work(
      'decision-cycle',
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(new Error('the handler noticed'));
          });
        }),
      { timeoutMs: 50, attempts: 1 },
    );
    await request(cycle('m'));
    const [row] = await settled('decision-cycle', 1);
    expect(row).toMatchObject({
      outcome: 'failed',
      errorCode: 'NOF0_JOB_TIMEOUT',
      errorMessage: 'decision-cycle took longer than 50 ms',
    });
    expect(row?.tookMs).toBeGreaterThanOrEqual(45);
    expect(reason).toBe(STOP.timeout);
  });

  it('ends a job whose handler does not listen, and the worker goes on', async () => {
    const never = new Promise<never>(() => {});
    work('decision-cycle', (payload) => (payload.modelId === 'deaf' ? never : Promise.resolve(done())), {
      timeoutMs: 50,
      attempts: 1,
    });
    await request(...['a', 'b', 'c', 'd', 'e'].map(() => cycle('deaf')), cycle('deaf', SLOT + 1), cycle('m'));
    const rows = await settled('decision-cycle', 3);
    expect(rows.map((row) => `${row.modelId} ${row.outcome}`).sort()).toEqual(['deaf failed', 'deaf failed', 'm done']);
  });

  it('tries again after a timeout', async () => {
    const never = new Promise<never>(() => {});
    work('decision-cycle', (_, { attempt }) => (attempt === 1 ? never : Promise.resolve(done())), {
      timeoutMs: 50,
      backoff: { baseMs: 1, capMs: 1 },
    });
    await request(cycle('m'));
    expect(await settled('decision-cycle', 2)).toMatchObject([
      { outcome: 'failed', errorCode: 'NOF0_JOB_TIMEOUT' },
      { outcome: 'done' },
    ]);
  });

  it('gives a running job back at shutdown, without spending an attempt', async () => {
    const started = deferred();
    const never = new Promise<never>(() => {});
    const worker = work('decision-cycle', () => {
      started.resolve();
      return never;
    });
    await request(cycle('m'));
    await started.promise;
    await worker.close(10);
    expect(await history()).toMatchObject([{ outcome: 'snoozed', reason: 'given back at shutdown', attempt: 1 }]);
    expect(await outboxRows(resources.db)).toHaveLength(1);
    work('decision-cycle', async () => done());
    expect(await settled('decision-cycle', 2)).toMatchObject([{}, { outcome: 'done', attempt: 1 }]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('lets a job that is soon over finish before a shutdown', async () => {
    const started = deferred();
    const gate = deferred();
    const worker = work('decision-cycle', async () => {
      started.resolve();
      await gate.promise;
      return done();
    });
    await request(cycle('m'));
    await started.promise;
    const closed = worker.close(20_000);
    gate.resolve();
    await closed;
    expect(await history()).toMatchObject([{ outcome: 'done' }]);
  });

  it('ends a job that people cancel for good, and acknowledges it', async () => {
    const started = deferred();
    const never = new Promise<never>(() => {});
    const effect = cycle('m');
    const worker = work('decision-cycle', () => {
      started.resolve();
      return never;
    });
    await request(effect);
    await started.promise;
    expect(worker.cancel('another job')).toBe(false);
    expect(worker.cancel(effect.target)).toBe(true);
    expect(await settled('decision-cycle', 1)).toMatchObject([{ outcome: 'failed', errorCode: 'NOF0_JOB_CANCELLED' }]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('lets nothing be written by a handler that goes on after its abort', async () => {
    const { db } = resources;
    const tried = deferred();
    let refusal: unknown;
    const insert = `INSERT INTO symbols (symbol) VALUES ('GHOST')`;
    work(
      'decision-cycle',
      async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        refusal = await db.query(insert).catch((error: unknown) => error);
        await db.transaction((tx) => tx.query(insert)).catch(() => {});
        tried.resolve();
        return done();
      },
      { timeoutMs: 50, attempts: 1 },
    );
    await request(cycle('m'));
    await tried.promise;
    expect(await settled('decision-cycle', 1)).toMatchObject([{ errorCode: 'NOF0_JOB_TIMEOUT' }]);
    expect(refusal).toBe(STOP.timeout);
    expect(await db.query(`SELECT symbol FROM symbols WHERE symbol = 'GHOST'`)).toEqual([]);
  });
});

describe('a job that failed for good', () => {
  it('waits in Postgres for people, with its payload and its error, kept in the statement that acknowledges it', async () => {
    const { db } = resources;
    work('snapshot', async () => {
      throw new CodedError('NOF0_MODEL_UNKNOWN', 'nobody \u0000 of that name');
    });
    const effect = snapshot('m');
    await request(effect);
    await settled('snapshot', 1);
    const letters = await eventually(async () => {
      const found = await listDeadLetters(db, { limit: 10 });
      expect(found).toHaveLength(1);
      return found;
    });
    expect(letters).toMatchObject([
      {
        job: 'snapshot',
        identity: effect.target,
        modelId: 'm',
        payload: { v: 1, modelId: 'm', asOfMs: SLOT },
        errorCode: 'NOF0_MODEL_UNKNOWN',
        errorMessage: 'nobody \ufffd of that name',
        attempts: 1,
        stalls: 0,
      },
    ]);
    expect(await outboxRows(db)).toEqual([]);
  });

  it.each(['decision-cycle', 'snapshot'] as const)('runs again when somebody redrives it, once: %s', async (name) => {
    const { db, outbox } = resources;
    let broken = true;
    work(name, async () => {
      if (broken) throw new CodedError('NOF0_MODEL_UNKNOWN', 'nobody');
      return done();
    });
    await request(name === 'snapshot' ? snapshot('m') : cycle('m'));
    await settled(name, 1);
    broken = false;
    const letters = await eventually(async () => {
      const found = await listDeadLetters(db, { limit: 10 });
      expect(found).toHaveLength(1);
      return found;
    });
    // Two operators press the button at the same time.
    const redriven = await Promise.all([redrive(db, letters), redrive(db, letters)]);
    expect(redriven.flat()).toHaveLength(1);
    await outbox.drain(redriven.flat());
    expect(await settled(name, 2)).toMatchObject([{ outcome: 'failed' }, { outcome: 'done' }]);
    expect(await listDeadLetters(db, { limit: 10 })).toEqual([]);
    expect(await outboxRows(db)).toEqual([]);
  });
});

describe('identity', () => {
  it('runs a slot once, however often it is asked for', async () => {
    work('decision-cycle', async () => done());
    await request(cycle('m'), cycle('m'));
    await request(cycle('m'));
    await settled('decision-cycle', 1);
    await request(cycle('m', SLOT + 60_000));
    await settled('decision-cycle', 2);
  });

  it('never lets two runs with the same key overlap, though they are different jobs', async () => {
    let active = 0;
    let most = 0;
    work('snapshot', async () => {
      active += 1;
      most = Math.max(most, active);
      await resources.db.query('SELECT pg_sleep(0.02)');
      active -= 1;
      return done();
    });
    const scheduled = (index: number) =>
      enqueueEffect('snapshot', { modelId: 'm', slotMs: SLOT + index * 60_000, asOfMs: SLOT + index * 60_000 });
    await request(snapshot('m'), scheduled(0), scheduled(1), scheduled(2));
    await eventually(async () => {
      expect(await outboxRows(resources.db)).toEqual([]);
      expect((await history()).filter((row) => row.outcome === 'done')).toHaveLength(4);
    });
    expect(most).toBe(1);
  });

  it('runs batches of prices one at a time, whatever the process allows', async () => {
    let active = 0;
    let most = 0;
    work('price-ingest', async () => {
      active += 1;
      most = Math.max(most, active);
      await resources.db.query('SELECT 1');
      active -= 1;
      return done();
    });
    const batch = (index: number) =>
      enqueueEffect('price-ingest', {
        provider: 'synthetic',
        slotMs: SLOT + index * 1000,
        asOfMs: SLOT + index * 1000,
      });
    await request(...Array.from({ length: 10 }, (_, index) => batch(index)));
    await settled('price-ingest', 10);
    expect(most).toBe(1);
  });
});

describe('jobs that coalesce', () => {
  /** A handler whose first run waits to be released. */
  function gated(outcome: (run: number) => ReturnType<Handler<'snapshot'>>) {
    const started = deferred();
    const gate = deferred();
    const asOf: number[] = [];
    const handler: Handler<'snapshot'> = async (payload) => {
      asOf.push(payload.asOfMs);
      const index = asOf.length;
      if (index === 1) {
        started.resolve();
        await gate.promise;
      }
      return outcome(index);
    };
    return { handler, started: started.promise, release: gate.resolve, asOf };
  }

  it('run once more for any number of requests that arrive during a run, with the newest of them', async () => {
    const first = gated(async () => done());
    work('snapshot', first.handler);
    await request(snapshot('m', SLOT));
    await first.started;
    for (let index = 1; index <= 10; index++) await request(snapshot('m', SLOT + index));
    expect(await outboxRows(resources.db)).toHaveLength(11);
    first.release();
    await settled('snapshot', 2);
    expect(first.asOf).toEqual([SLOT, SLOT + 10]);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('run once for requests that arrive before the run begins', async () => {
    for (let index = 0; index < 5; index++) await request(snapshot('m', SLOT + index));
    expect(await queueOf('snapshot').getWaitingCount()).toBe(1);
    work('snapshot', async () => done());
    await settled('snapshot', 1);
    expect(await outboxRows(resources.db)).toEqual([]);
  });

  it('of different models do not wait for each other', async () => {
    const first = gated(async () => done());
    work('snapshot', first.handler);
    await request(snapshot('m'));
    await first.started;
    await request(snapshot('n'));
    await eventually(async () => expect(await history()).toMatchObject([{ modelId: 'n', outcome: 'done' }]));
    first.release();
    await settled('snapshot', 2);
  });

  it('acknowledge in a run only what was asked for before it began', async () => {
    const { db } = resources;
    const first = gated(async () => done());
    work('snapshot', first.handler);
    await request(snapshot('m', SLOT));
    await first.started;
    // Committed, but its process died before it could tell the queue.
    const [late] = await commit(db, [snapshot('m', SLOT + 1)]);
    first.release();
    await settled('snapshot', 1);
    expect((await outboxRows(db)).map((row) => row.id)).toEqual([late?.id]);
    await age(db);
    await resources.outbox.relay();
    await settled('snapshot', 2);
    expect(first.asOf).toEqual([SLOT, SLOT + 1]);
    expect(await outboxRows(db)).toEqual([]);
  });

  it('do not lose a request that arrived during a run that failed for good', async () => {
    const { db } = resources;
    const first = gated(async (index) => {
      if (index === 1) throw new CodedError('NOF0_MODEL_UNKNOWN', 'nobody yet');
      return done();
    });
    work('snapshot', first.handler);
    await request(snapshot('m', SLOT));
    await first.started;
    const [late] = await commit(db, [snapshot('m', SLOT + 1)]);
    first.release();
    await settled('snapshot', 1);
    expect((await outboxRows(db)).map((row) => row.id)).toEqual([late?.id]);
    await age(db);
    await resources.outbox.relay();
    expect(await settled('snapshot', 2)).toMatchObject([{ outcome: 'failed' }, { outcome: 'done' }]);
    expect(await outboxRows(db)).toEqual([]);
  });

  it('take new requests into a retry', async () => {
    const first = gated(async (index) => {
      if (index === 1) throw new CodedError('NOF0_EXCHANGE_UNAVAILABLE', 'no answer');
      return done();
    });
    work('snapshot', first.handler, { backoff: { baseMs: 1, capMs: 1 } });
    await request(snapshot('m', SLOT));
    await first.started;
    await request(snapshot('m', SLOT + 1));
    first.release();
    await eventually(async () => {
      expect(await outboxRows(resources.db)).toEqual([]);
      expect(first.asOf.at(-1)).toBe(SLOT + 1);
    });
  });
});
