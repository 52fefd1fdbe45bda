import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dueInReplay } from '../../src/engine/slots.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import { Database } from '../../src/store/database.ts';
import { clockIsHeld, hasUnfinishedJobs } from '../../src/store/effects.ts';
import { HandOver } from '../../src/store/hand-over.ts';
import { fireSlots, listSchedules, type NextMoment, type Schedule, syncSchedules } from '../../src/store/schedules.ts';
import { createRun, type TestRun } from '../harness.ts';
import { commit, outboxTargets } from './support.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 1);
const END = T0 + 60 * MINUTE;

let run: TestRun;
let db: Database;
/** Another process has a pool of its own. */
let otherDb: Database;

const schedule = (modelId: string): Omit<Schedule, 'lastSlotMs'> => ({
  name: `snapshot:${modelId}`,
  job: 'snapshot',
  spec: { everyMs: MINUTE },
  payload: { modelId },
  policy: 'every',
});
const job = (modelId: string) => enqueueEffect('decision-cycle', { modelId, slotMs: T0 });
const done = (modelId: string) => ({ target: job(modelId).target, ids: null });
const slot = (modelId: string, minute: number) => `snapshot_${modelId}_${T0 + minute * MINUTE}`;

async function nextMoment(): Promise<NextMoment> {
  const cursors = await listSchedules(db);
  const next = dueInReplay(cursors, END);
  if (next === null) throw new Error('nothing is due any more');
  return { due: next.due, replay: { marketNowMs: next.slotMs, cursors } };
}

const targets = (fired: readonly { target: string }[] | null) => fired?.map(({ target }) => target).sort() ?? null;
const marketNowMs = async () => (await db.query<{ now: number }>('SELECT market_now_ms AS now FROM runs'))[0]?.now;
const cursors = async () => (await listSchedules(db)).map(({ lastSlotMs }) => (lastSlotMs - T0) / MINUTE);

beforeAll(async () => {
  run = await createRun();
  db = run.resources.db;
  otherDb = new Database(run.servers.databaseUrl, { max: 2, applicationName: 'other', onError: () => {} });
});

beforeEach(async () => {
  await db.query('TRUNCATE schedules, effects');
  await syncSchedules(db, [schedule('a'), schedule('b')], T0);
});

afterEach(() => db.query('UPDATE runs SET market_now_ms = NULL'));

afterAll(async () => {
  await otherDb.close();
  await run.close();
});

describe('the settlement of the last promised job', () => {
  it('fires the next moment: cursors, promises and the clock move with it', async () => {
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    await handOver.settle([done('a')]);
    expect(targets(await fired)).toEqual([slot('a', 1), slot('b', 1)]);
    expect((await outboxTargets(db)).sort()).toEqual([slot('a', 1), slot('b', 1)]);
    expect(await cursors()).toEqual([1, 1]);
    expect(await marketNowMs()).toBe(T0 + MINUTE);
  });

  it('covers only what it was told: while another job is promised nothing is fired, and the wish stands', async () => {
    await commit(db, [job('a'), job('b')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    await handOver.settle([done('a')]);
    expect(await outboxTargets(db)).toEqual([job('b').target]);
    expect(await cursors()).toEqual([0, 0]);
    await handOver.settle([done('b')]);
    expect(targets(await fired)).toEqual([slot('a', 1), slot('b', 1)]);
  });

  it('does not ask whether it was the last while another job runs here', async () => {
    await commit(db, [job('a'), job('b')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    await handOver.during(() => handOver.settle([done('a'), done('b')]));
    expect(await outboxTargets(db)).toEqual([]);
    expect(await cursors()).toEqual([0, 0]);
    await commit(db, [job('c')]);
    await handOver.settle([done('c')]);
    expect(targets(await fired)).toEqual([slot('a', 1), slot('b', 1)]);
  });

  it('waits for what the job itself has promised, and for a promise of its identity that it did not cover', async () => {
    const [first] = await commit(db, [job('a')]);
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    await handOver.settle([{ target: job('a').target, ids: [first?.id ?? 0] }]);
    expect(await cursors()).toEqual([0, 0]);
    await handOver.settle([done('a')]);
    expect(await fired).toHaveLength(2);
  });

  it('waits for no job that nothing reads which decides or trades', async () => {
    await commit(db, [job('a'), enqueueEffect('analytics', { modelId: 'a', asOfMs: T0 })]);
    expect(await clockIsHeld(db)).toBe(true);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    await handOver.settle([done('a')]);
    expect(targets(await fired)).toEqual([slot('a', 1), slot('b', 1)]);
    expect(await outboxTargets(db)).toContain('analytics_a');
    await handOver.settle([slot('a', 1), slot('b', 1)].map((target) => ({ target, ids: null })));
    expect(await clockIsHeld(db)).toBe(false);
    expect(await hasUnfinishedJobs(db)).toBe(true);
  });

  it('only tells that it was the last one where nothing shall follow', async () => {
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(null);
    await handOver.settle([done('a')]);
    expect(await fired).toEqual([]);
    expect(await outboxTargets(db)).toEqual([]);
    expect(await cursors()).toEqual([0, 0]);
    expect(await marketNowMs()).toBeNull();
  });

  it('fires nothing where another scheduler has moved a cursor, also one that is not due', async () => {
    await syncSchedules(db, [schedule('a'), { ...schedule('b'), spec: { everyMs: 2 * MINUTE } }], T0);
    const next = await nextMoment();
    expect(next.due.map(({ name }) => name)).toEqual(['snapshot:a']);
    await db.query(`UPDATE schedules SET last_slot_ms = last_slot_ms + $1 WHERE name = 'snapshot:b'`, [MINUTE]);
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(next);
    await handOver.settle([done('a')]);
    expect(await fired).toEqual([]);
    expect(await outboxTargets(db)).toEqual([]);
    expect(await cursors()).toEqual([0, 1]);
    expect(await marketNowMs()).toBeNull();
  });

  it('fires nothing any more once the wish was withdrawn', async () => {
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    handOver.withdraw();
    expect(await fired).toBeNull();
    await handOver.settle([done('a')]);
    expect(await outboxTargets(db)).toEqual([]);
    expect(await cursors()).toEqual([0, 0]);
  });

  it('answers with what it fires though the wish is withdrawn meanwhile: somebody has to drain it', async () => {
    await commit(db, [job('a')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    const settled = handOver.settle([done('a')]);
    handOver.withdraw();
    await settled;
    expect(targets(await fired)).toEqual([slot('a', 1), slot('b', 1)]);
    expect((await outboxTargets(db)).sort()).toEqual([slot('a', 1), slot('b', 1)]);
  });

  it('that was not the last one answers a wish withdrawn meanwhile, and fires nothing later', async () => {
    await commit(db, [job('a'), job('b')]);
    const handOver = new HandOver(db);
    const fired = handOver.want(await nextMoment());
    const settled = handOver.settle([done('a')]);
    handOver.withdraw();
    await settled;
    expect(await fired).toBeNull();
    await handOver.settle([done('b')]);
    expect(await cursors()).toEqual([0, 0]);
  });

  it('settles and fires together or not at all', async () => {
    await commit(db, [job('a')]);
    const next = await nextMoment();
    const shout = { ...job('b'), kind: 'shout' as 'enqueue' };
    const handOver = new HandOver(db);
    const fired = handOver.want({ ...next, due: next.due.map((due) => ({ ...due, effect: shout })) });
    await expect(handOver.settle([done('a')])).rejects.toThrow(/effects_kind/);
    expect(await fired).toBeNull();
    expect(await outboxTargets(db)).toEqual([job('a').target]);
    expect(await cursors()).toEqual([0, 0]);
  });
});

describe('two schedulers', () => {
  it('fire a moment once, though both settle the last job and want the same', async () => {
    for (let minute = 1; minute <= 30; minute++) {
      await db.query('DELETE FROM effects');
      await commit(db, [job('a')]);
      const next = await nextMoment();
      const both = [new HandOver(db), new HandOver(otherDb)];
      const wishes = both.map((handOver) => handOver.want(next));
      await Promise.all(both.map((handOver) => handOver.settle([done('a')])));
      for (const handOver of both) handOver.withdraw();
      const fired = (await Promise.all(wishes)).flatMap((rows) => rows ?? []);
      // A schedule that the other one holds is passed over; nobody fires it twice, and it stays due.
      expect(new Set(targets(fired)).size).toBe(fired.length);
      await db.query('DELETE FROM effects');
      const rest = fired.length < 2 ? await fireSlots(db, (await nextMoment()).due, null) : [];
      expect(targets([...fired, ...rest])).toEqual([slot('a', minute), slot('b', minute)]);
      expect(await cursors()).toEqual([minute, minute]);
    }
  });

  it('of two last jobs at the same moment at most one fires, and what none has fired is found by asking', async () => {
    for (let minute = 1; minute <= 30; minute++) {
      await db.query('DELETE FROM effects');
      await commit(db, [job('a'), job('b')]);
      const next = await nextMoment();
      const ours = new HandOver(db);
      const theirs = new HandOver(otherDb);
      const wishes = [ours.want(next), theirs.want(next)];
      await Promise.all([ours.settle([done('a')]), theirs.settle([done('b')])]);
      ours.withdraw();
      theirs.withdraw();
      const fired = (await Promise.all(wishes)).flatMap((rows) => rows ?? []);
      expect([0, 2]).toContain(fired.length);
      const asked = await fireSlots(db, next.due, next.replay);
      expect(targets([...fired, ...asked])).toEqual([slot('a', minute), slot('b', minute)]);
      expect(await cursors()).toEqual([minute, minute]);
    }
  });
});
