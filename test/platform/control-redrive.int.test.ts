import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { type Control, redriveLetters } from '../../src/engine/control.ts';
import { CodedError } from '../../src/errors.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import type { Resources } from '../../src/resources.ts';
import { type DeadLetter, listDeadLetters } from '../../src/store/dead-letters.ts';
import type { NewEffect } from '../../src/store/effects.ts';
import { createRun, type TestRun } from '../harness.ts';
import { auditRows, controlOf, openProcess, startProcess, WHO, type WorkerProcess } from './control-support.ts';
import { commit, emptyPlatform, eventually, outboxTargets } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);

let run: TestRun;
let resources: Resources;
let operator: Resources;
let control: Control;
let worker: WorkerProcess;
/** Models whose jobs fail for good. */
const broken = new Set<string>();
const ran: string[] = [];

beforeAll(async () => {
  run = await createRun();
  resources = run.resources;
  operator = await openProcess(run, 'operator');
  control = controlOf(operator);
});

beforeEach(async () => {
  const handler = async ({ modelId }: { modelId: string }) => {
    if (broken.has(modelId)) throw new CodedError('NOF0_LEDGER_INCONSISTENT', `the books of ${modelId} are wrong`);
    ran.push(modelId);
    return done();
  };
  worker = await startProcess(run, { 'decision-cycle': handler, snapshot: handler });
});

afterEach(async () => {
  await worker.close();
  broken.clear();
  ran.splice(0);
  await auditRows(resources);
  await emptyPlatform(resources);
});

afterAll(async () => {
  await operator.close();
  await run.close();
});

const cycle = (modelId: string, slotMs = SLOT) => enqueueEffect('decision-cycle', { modelId, slotMs });
const snapshot = (modelId: string) => enqueueEffect('snapshot', { modelId, asOfMs: SLOT });
const letters = () => listDeadLetters(resources.db, { limit: 1000 });

/** Lets these jobs fail for good; then nothing is broken any more. */
async function failed(...effects: NewEffect[]): Promise<DeadLetter[]> {
  for (const model of ['a', 'b', 'c']) broken.add(model);
  await resources.outbox.drain(await commit(resources.db, effects));
  const found = await eventually(async () => {
    expect(await letters()).toHaveLength(effects.length);
    expect(await outboxTargets(resources.db)).toEqual([]);
    return letters();
  });
  broken.clear();
  return found.reverse();
}

/** Waits until nothing is promised any more. */
const settled = () => eventually(async () => expect(await outboxTargets(resources.db)).toEqual([]));

describe('redriving', () => {
  it.each([
    ['a slot', cycle('a')],
    ['a job that coalesces', snapshot('a')],
  ])('completes %s, once, and leaves a row about who did it', async (_what, effect) => {
    const [letter] = await failed(effect);
    const ids = [letter?.id ?? 0];
    expect(await redriveLetters(control, { ids })).toEqual({ ids, already: [], unknown: [] });
    await settled();
    expect(ran).toEqual(['a']);
    expect(await letters()).toEqual([]);
    expect(await auditRows(resources)).toEqual([
      { who: WHO, what: 'redrive', target: 'dead letters', before: null, after: { ids } },
    ]);
  });

  it('does nothing the second time, and says so', async () => {
    const [letter] = await failed(cycle('a'));
    const ids = [letter?.id ?? 0, 999_999];
    expect(await redriveLetters(control, { ids })).toEqual({ ids: [letter?.id], already: [], unknown: [999_999] });
    await settled();
    await auditRows(resources);
    expect(await redriveLetters(control, { ids })).toEqual({ ids: [], already: [letter?.id], unknown: [999_999] });
    expect(await outboxTargets(resources.db)).toEqual([]);
    expect(ran).toEqual(['a']);
    expect(await auditRows(resources)).toEqual([]);
  });

  it('by two people at the same time runs every job once', async () => {
    const slots = Array.from({ length: 20 }, (_, index) => cycle('a', SLOT + index * 60_000));
    const found = await failed(...slots);
    const both = await Promise.all([redriveLetters(control, {}), redriveLetters(controlOf(resources), {})]);
    expect([...both[0].ids, ...both[1].ids].sort((a, b) => a - b)).toEqual(found.map(({ id }) => id));
    await settled();
    expect(ran).toHaveLength(slots.length);
    expect(await letters()).toEqual([]);
  });

  it('takes those that match', async () => {
    const found = await failed(cycle('a'), cycle('b'), snapshot('b'), cycle('c'));
    await resources.db.query(`UPDATE dead_letters SET failed_at = now() - interval '3 hours' WHERE model_id = 'c'`);
    const idsOf = (job: string, model: string) =>
      found.filter((each) => each.job === job && each.modelId === model).map(({ id }) => id);
    expect(await redriveLetters(control, { error: 'something else' })).toMatchObject({ ids: [] });
    expect(await redriveLetters(control, { job: 'snapshot', modelId: 'b' })).toMatchObject({
      ids: idsOf('snapshot', 'b'),
    });
    expect(await redriveLetters(control, { error: 'books of a' })).toMatchObject({ ids: idsOf('decision-cycle', 'a') });
    expect(await redriveLetters(control, { sinceMs: Date.now() - 3_600_000 })).toMatchObject({
      ids: idsOf('decision-cycle', 'b'),
    });
    expect(await redriveLetters(control, { error: 'NOF0_LEDGER_INCONSISTENT' })).toMatchObject({
      ids: idsOf('decision-cycle', 'c'),
    });
    await settled();
    expect([...ran].sort()).toEqual(['a', 'b', 'b', 'c']);
  });

  it('a job that fails again makes a letter of its own', async () => {
    const [letter] = await failed(cycle('a'));
    broken.add('a');
    await redriveLetters(control, {});
    const again = await eventually(async () => {
      const found = await letters();
      expect(found).toHaveLength(1);
      return found;
    });
    expect(again[0]?.id).toBeGreaterThan(letter?.id ?? 0);
    expect(await redriveLetters(control, { ids: [letter?.id ?? 0] })).toMatchObject({ ids: [], already: [letter?.id] });
  });

  it('takes thousands, in the end all', async () => {
    await resources.db.query(
      `INSERT INTO dead_letters (job, identity, job_id, model_id, payload, error_code, error_message, attempts)
       SELECT 'snapshot', 'snapshot_m' || i, 'gone.' || i, 'm' || i, jsonb_build_object('v', 1, 'modelId', 'm' || i, 'slotMs', null, 'asOfMs', $1::bigint), 'NOF0_INTERNAL', 'x', 1
       FROM generate_series(1, 1200) i`,
      [SLOT],
    );
    const redriven = await redriveLetters(control, {});
    expect(redriven.ids).toHaveLength(1200);
    await eventually(() => expect(new Set(ran).size).toBe(1200), 80_000);
    expect((await auditRows(resources)).length).toBe(3);
  }, 90_000);
});
