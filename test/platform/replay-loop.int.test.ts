import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done, type Stories } from '../../src/engine/context.ts';
import { CodedError } from '../../src/errors.ts';
import { enqueueEffect, type JobName } from '../../src/jobs/registry.ts';
import { hasUnfinishedJobs } from '../../src/store/effects.ts';
import { registerModels } from '../../src/store/models.ts';
import { listSchedules } from '../../src/store/schedules.ts';
import { type RunningWorker, startWorker } from '../../workers/define-worker.ts';
import { startScheduler } from '../../workers/scheduler.ts';
import { createRun, type TestRun } from '../harness.ts';
import { age, commit, emptyPlatform, eventually, outboxRows } from './support.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 1);
const MINUTES = 30;
const JOBS: readonly JobName[] = ['price-ingest', 'decision-cycle', 'snapshot', 'analytics'];

let run: TestRun;
let stories: Stories;
let workers: RunningWorker[] = [];
/** Every job that ran, by queue and what it was for. */
let ran: string[] = [];
/** Called as each job begins. */
let seen: () => void = () => {};
/** What a job waits for before it ends. */
let ahead: (payload: object) => Promise<void> = async () => {};

beforeAll(async () => {
  run = await createRun({ startMs: T0, endMs: T0 + MINUTES * MINUTE });
  ({ stories } = await run.stories());
});

function startWorkers(): void {
  ran = [];
  workers = JOBS.map((name) =>
    startWorker(
      run.resources,
      name,
      async (payload) => {
        ran.push(`${name} ${JSON.stringify(payload)}`);
        seen();
        await ahead(payload);
        return done();
      },
      4,
    ),
  );
}

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.close(0)));
  seen = () => {};
  ahead = async () => {};
  await emptyPlatform(run.resources);
  await run.resources.db.query('TRUNCATE schedules');
  await run.resources.db.query(`UPDATE runs SET market_now_ms = start_ms, state = 'running'`);
});

afterAll(() => run.close());

const runsOf = (job: JobName) => ran.filter((line) => line.startsWith(`${job} `));
const clockMs = async () =>
  (await run.resources.db.query<{ now: number }>('SELECT market_now_ms AS now FROM runs'))[0]?.now ?? 0;

describe('a replay as fast as it goes', () => {
  it('runs every slot once, up to its end', async () => {
    startWorkers();
    const scheduler = await startScheduler(run.resources, stories, 'max');
    await scheduler.finished;
    await scheduler.stop();
    expect(new Set(ran).size).toBe(ran.length);
    for (const { job, spec, lastSlotMs } of await listSchedules(run.resources.db)) {
      const everyMs = 'everyMs' in spec ? spec.everyMs : Number.NaN;
      expect(lastSlotMs + everyMs, job).toBeGreaterThan(T0 + MINUTES * MINUTE);
    }
    const models = run.config.arena.models.length;
    expect(models).toBeGreaterThan(1);
    for (const job of ['decision-cycle', 'snapshot'] as const) expect(runsOf(job).length % models).toBe(0);
    // Keys of a replay are gathered for a while before they are written.
    await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
  });

  it('does not wait for work that nothing reads which decides or trades, until its end: then all of it is done', async () => {
    const { db } = run.resources;
    await commit(db, [enqueueEffect('analytics', { modelId: 'a', asOfMs: T0 })]);
    startWorkers();
    let countedAtMs = 0;
    ahead = async (payload) => {
      if (!('modelId' in payload) || payload.modelId !== 'a') return;
      await eventually(async () => expect(await clockMs()).toBeGreaterThan(T0 + 5 * MINUTE));
      countedAtMs = await clockMs();
    };
    await age(db);
    const scheduler = await startScheduler(run.resources, stories, 'max');
    await scheduler.finished;
    await scheduler.stop();
    expect(countedAtMs).toBeGreaterThan(T0);
    expect(await hasUnfinishedJobs(db)).toBe(false);
  });

  it('ends though its analytics cannot be counted, and counts that it could not', async () => {
    startWorkers();
    await registerModels(
      run.resources.db,
      [
        {
          id: 'a',
          displayName: 'a',
          initialEquityUsd: 1,
          config: {},
          configDigest: 'd',
          exchangeProvider: 'paper',
          marketProvider: 'replay',
        },
      ],
      T0,
      'test',
    );
    const now = () => {
      throw new CodedError('NOF0_INTERNAL', 'what was counted is broken');
    };
    const scheduler = await startScheduler(run.resources, { ...stories, clock: { repeats: true, now } }, 'max');
    await scheduler.finished;
    await scheduler.stop();
    const { values } = await run.resources.metrics.swallowed.get();
    expect(values.find(({ labels }) => labels.reason === 'analytics_at_end')?.value).toBe(1);
    const rows = await run.resources.db.query<{ state: string }>('SELECT state FROM runs');
    expect(rows).toEqual([{ state: 'finished' }]);
  });

  it('fires nothing any more after its scheduler was stopped, though jobs end later', async () => {
    startWorkers();
    const scheduler = await startScheduler(run.resources, stories, 'max');
    const stopped = new Promise<void>((resolve) => {
      seen = () => {
        if (ran.length >= 10) resolve(scheduler.stop());
      };
    });
    await stopped;
    const before = [await clockMs(), await listSchedules(run.resources.db)];
    await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
    expect([await clockMs(), await listSchedules(run.resources.db)]).toEqual(before);
    expect(await clockMs()).toBeLessThan(T0 + MINUTES * MINUTE);
  });

  it('goes on where another scheduler stopped, and none of its slots runs twice', async () => {
    startWorkers();
    const first = await startScheduler(run.resources, stories, 'max');
    await new Promise<void>((resolve) => {
      seen = () => {
        if (ran.length >= 10) resolve(first.stop());
      };
    });
    seen = () => {};
    const second = await startScheduler(run.resources, stories, 'max');
    await second.finished;
    await second.stop();
    expect(new Set(ran).size).toBe(ran.length);
    // Keys of a replay are gathered for a while before they are written.
    await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
  });
});
