import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import type { Resources } from '../../src/resources.ts';
import type { Database } from '../../src/store/database.ts';
import { type NewSnapshot, saveSnapshot } from '../../src/store/equity.ts';
import { RunHistory } from '../../src/store/job-runs.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { startScheduler } from '../../workers/scheduler.ts';
import { createRun, type TestRun } from '../harness.ts';
import { commit, emptyPlatform, eventually, outboxRows, outboxTargets } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);
const SECOND_MS = 1000;

let run: TestRun;
let resources: Resources;

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
});

afterEach(() => emptyPlatform(resources));

afterAll(() => run.close());

describe('a slot that the queue offers again after its end', () => {
  it('is not run a second time: nothing is promised any more', async () => {
    const { db, outbox, queues, history } = resources;
    let runs = 0;
    const worker = startWorker(
      resources,
      'snapshot',
      async () => {
        runs += 1;
        return done();
      },
      1,
    );
    const effect = enqueueEffect('snapshot', { modelId: 'm', slotMs: SLOT, asOfMs: SLOT });
    await outbox.drain(await commit(db, [effect]));
    await eventually(async () => expect(await outboxRows(db)).toEqual([]));
    const { job, data } = effect.payload;
    await queues.add([{ job, data, identity: effect.target, again: true, delayMs: 0 }]);
    await eventually(async () => {
      await history.flush();
      expect(await db.query('SELECT outcome FROM job_runs ORDER BY id')).toMatchObject([
        { outcome: 'done' },
        { outcome: 'skipped' },
      ]);
    });
    await worker.close(0);
    expect(runs).toBe(1);
  });
});

describe('a snapshot that is taken again', () => {
  const snapshot = (tsMs: number, equityUsd: number): NewSnapshot => ({
    modelId: 'm',
    tsMs,
    equityUsd,
    realizedPnl: 0,
    unrealizedPnl: 0,
    cumPnlPct: 0,
    sharpeRatio: 0,
    marginUsed: 0,
    positions: {},
    hourlyMarker: 0,
    minuteMarker: 0,
  });
  const curve = () =>
    resources.db.query<{ equity: number }>(
      'SELECT equity_usd AS equity FROM account_equity_snapshots WHERE model_id = $1 ORDER BY ts_ms',
      ['m'],
    );

  it('replaces the newest one, never one that the market has left behind', async () => {
    const { db } = resources;
    await saveSnapshot(db, snapshot(SLOT, 100), []);
    await saveSnapshot(db, snapshot(SLOT, 101), []);
    expect(await curve()).toEqual([{ equity: 101 }]);
    await saveSnapshot(db, snapshot(SLOT + 1, 200), []);
    await saveSnapshot(db, snapshot(SLOT, 200), []);
    expect(await curve()).toEqual([{ equity: 101 }, { equity: 200 }]);
  });
});

describe('run history whose answer was lost', () => {
  it('is written once', async () => {
    const { db, logger } = resources;
    let broken = true;
    const deaf = {
      async query(text: string, values?: unknown[]) {
        const rows = await db.query(text, values);
        if (broken) throw new Error('Connection terminated unexpectedly');
        return rows;
      },
    } as unknown as Database;
    const history = new RunHistory(deaf, logger);
    const row = (jobId: string) => ({
      queue: 'snapshot',
      jobId,
      attempt: 1,
      outcome: 'done',
      reason: null,
      modelId: null,
      slotMs: null,
      worker: 'w',
      startedMs: SLOT,
      finishedMs: SLOT + 5,
      errorCode: null,
      errorMessage: null,
      payload: {},
    });
    history.add(row('a'));
    await history.flush();
    broken = false;
    history.add(row('b'));
    await history.flush();
    await history.close();
    expect(await db.query('SELECT job_id AS id FROM job_runs ORDER BY job_id')).toEqual([{ id: 'a' }, { id: 'b' }]);
  });
});

describe('a slot whose cursor another scheduler holds', () => {
  it('is fired as soon as that one lets go without having moved it', async () => {
    const { db } = resources;
    const { stories } = await run.stories();
    const scheduler = await startScheduler(resources, stories, 'max');
    const name = 'price-ingest:synthetic';
    // From shortly before the slot until a while after it, as a scheduler would that dies before its commit.
    const slotMs = (Math.floor((await db.nowMs()) / SECOND_MS) + 2) * SECOND_MS;
    await db.query('SELECT pg_sleep($1)', [(slotMs - 200 - (await db.nowMs())) / SECOND_MS]);
    await db.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM schedules WHERE name = $1 FOR UPDATE', [name]);
      await tx.query('SELECT pg_sleep(0.5)');
    });
    await db.query('SELECT pg_sleep($1)', [(slotMs + SECOND_MS - 50 - (await db.nowMs())) / SECOND_MS]);
    expect(await outboxTargets(db)).toContain(`price-ingest_synthetic_${slotMs}`);
    await scheduler.stop();
  });
});
