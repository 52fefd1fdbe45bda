import { describe, expect, it } from 'vitest';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import { listDeadLetters } from '../../src/store/dead-letters.ts';
import { startChild } from '../faults/children/open.ts';
import { createRun, type TestRun } from '../harness.ts';
import type { Nof0 } from '../processes.ts';
import { commit, eventually, outboxRows } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);
/** How soon somebody else has the job of a process that died. */
const NOTICED_MS = 15_000;

/** A run with workers that are processes of their own. */
class Yard {
  readonly run: TestRun;
  readonly workers: Nof0[] = [];

  private constructor(run: TestRun) {
    this.run = run;
  }

  /** `finished` takes what must be done when the test is over: others of this file run at the same time. */
  static async open(finished: (close: () => Promise<void>) => void): Promise<Yard> {
    const yard = new Yard(await createRun());
    finished(() => yard.close());
    await yard.run.resources.db.query('CREATE TABLE ran (model_id text, slot_ms bigint)');
    return yard;
  }

  async worker(options: { maxStalls?: number } = {}): Promise<Nof0> {
    const { servers, prefix } = this.run;
    const worker = startChild('worker', { servers, prefix, options });
    this.workers.push(worker);
    await worker.printed(/^ready$/m);
    return worker;
  }

  async request(modelId: string, slotMs = SLOT): Promise<void> {
    const { db, outbox } = this.run.resources;
    await outbox.drain(await commit(db, [enqueueEffect('decision-cycle', { modelId, slotMs })]));
  }

  /** Runs by model and slot. */
  ran(): Promise<{ modelId: string; slotMs: number; runs: number }[]> {
    return this.run.resources.db.query(
      'SELECT model_id AS "modelId", slot_ms AS "slotMs", count(*) AS runs FROM ran GROUP BY model_id, slot_ms ORDER BY slot_ms',
    );
  }

  /** Waits until nothing is promised any more. */
  settled(timeoutMs: number): Promise<void> {
    return eventually(async () => expect(await outboxRows(this.run.resources.db)).toEqual([]), timeoutMs);
  }

  async close(): Promise<void> {
    for (const worker of this.workers) worker.process.kill('SIGKILL');
    await Promise.all(this.workers.map((worker) => worker.ended));
    await this.run.close();
  }
}

describe.concurrent('a process that dies', () => {
  it('twice with the same job does not lose it, and is noticed within 15 s', async ({ onTestFinished }) => {
    const yard = await Yard.open(onTestFinished);
    let holder = await yard.worker();
    await yard.request('wait');
    await holder.printed(/began wait/);
    const seconds: number[] = [];
    for (let death = 0; death < 2; death++) {
      const successor = await yard.worker();
      const diedAt = performance.now();
      holder.process.kill('SIGKILL');
      await successor.printed(/began wait/, 2 * NOTICED_MS);
      seconds.push((performance.now() - diedAt) / 1000);
      holder = successor;
    }
    process.stdout.write(`dead workers were noticed after ${seconds.map((s) => s.toFixed(1)).join(' and ')} s\n`);
    await yard.run.resources.queueRedis.set(`${yard.run.prefix}:release`, '1');
    await yard.settled(10_000);
    expect(await yard.ran()).toEqual([{ modelId: 'wait', slotMs: SLOT, runs: 1 }]);
    expect(Math.max(...seconds) * 1000).toBeLessThan(NOTICED_MS);
  }, 60_000);

  it('again and again because of one job is spared it in the end: the job waits for people, the others go on', async ({
    onTestFinished,
  }) => {
    const yard = await Yard.open(onTestFinished);
    const { db } = yard.run.resources;
    const workers = await Promise.all([1, 2, 3].map(() => yard.worker({ maxStalls: 1 })));
    await yard.request('poison');
    const letters = await eventually(async () => {
      const found = await listDeadLetters(db, { limit: 10 });
      expect(found).toHaveLength(1);
      return found;
    }, 45_000);
    expect(letters).toMatchObject([
      {
        job: 'decision-cycle',
        modelId: 'poison',
        payload: { v: 1, modelId: 'poison', slotMs: SLOT },
        errorCode: 'NOF0_JOB_POISON',
        stalls: 2,
      },
    ]);
    await yard.settled(5000);
    expect(workers.filter((worker) => worker.process.signalCode === 'SIGKILL')).toHaveLength(2);
    await yard.request('healthy');
    await yard.settled(10_000);
    expect(await yard.ran()).toEqual([{ modelId: 'healthy', slotMs: SLOT, runs: 1 }]);
  }, 60_000);

  it('in order, one after the other under load, loses nothing and does nothing twice', async ({ onTestFinished }) => {
    const yard = await Yard.open(onTestFinished);
    let workers = [await yard.worker(), await yard.worker()];
    let replaced = false;
    let jobs = 0;
    const load = async () => {
      while (!replaced) {
        await yard.request('m', SLOT + jobs++ * 1000);
        await yard.run.resources.db.query('SELECT pg_sleep(0.02)');
      }
    };
    const restart = async () => {
      for (const old of workers) {
        await old.printed(/began m/);
        old.process.kill('SIGTERM');
        expect(await old.ended).toBe(0);
        const successor = await yard.worker();
        await successor.printed(/began m/);
        workers = [...workers.filter((worker) => worker !== old), successor];
      }
    };
    await Promise.all([load(), restart().finally(() => (replaced = true))]);
    await yard.settled(20_000);
    for (const worker of workers) worker.process.kill('SIGTERM');
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);
    const ran = await yard.ran();
    expect(ran).toHaveLength(jobs);
    expect(ran.filter(({ runs }) => runs !== 1)).toEqual([]);
  }, 60_000);
});
