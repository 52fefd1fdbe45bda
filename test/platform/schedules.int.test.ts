import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dueInReplay, dueNow } from '../../src/engine/slots.ts';
import { Database } from '../../src/store/database.ts';
import { type DueSlot, fireSlots, listSchedules, type Schedule, syncSchedules } from '../../src/store/schedules.ts';
import { createRun, type TestRun } from '../harness.ts';
import { commit, outboxRows, outboxTargets } from './support.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 1);

let run: TestRun;
let db: Database;
/** Five scheduler processes have five pools. */
let schedulers: Database[];

beforeAll(async () => {
  run = await createRun();
  db = run.resources.db;
  schedulers = Array.from(
    { length: 5 },
    (_, index) =>
      new Database(run.servers.databaseUrl, { max: 2, applicationName: `scheduler ${index}`, onError: () => {} }),
  );
});

beforeEach(() => db.query('TRUNCATE schedules, effects'));

afterEach(() => db.query('UPDATE runs SET market_now_ms = NULL'));

afterAll(async () => {
  await Promise.all(schedulers.map((scheduler) => scheduler.close()));
  await run.close();
});

type Wanted = Omit<Schedule, 'lastSlotMs'>;

const snapshots = (modelId: string, everyMs: number, policy: Schedule['policy'] = 'run-latest'): Wanted => ({
  name: `snapshot:${modelId}`,
  job: 'snapshot',
  spec: { everyMs },
  payload: { modelId },
  policy,
});

const cursors = async () =>
  Object.fromEntries((await listSchedules(db)).map(({ name, lastSlotMs }) => [name, lastSlotMs - T0]));

describe('the table of schedules', () => {
  it('says what the configuration says: new ones begin at the start', async () => {
    await syncSchedules(db, [snapshots('b', MINUTE), snapshots('a', HOUR, 'skip')], T0);
    expect(await listSchedules(db)).toEqual([
      { ...snapshots('a', HOUR, 'skip'), lastSlotMs: T0 },
      { ...snapshots('b', MINUTE), lastSlotMs: T0 },
    ]);
  });

  it('keeps the cursor of an unchanged schedule over a restart', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE)], T0);
    await fireSlots(db, dueNow(await listSchedules(db), T0 + 5 * MINUTE, false), null);
    await syncSchedules(db, [snapshots('a', MINUTE)], T0 + HOUR);
    expect(await cursors()).toEqual({ 'snapshot:a': 5 * MINUTE });
  });

  it('lets a changed interval go on from its cursor or the start, whichever is later', async () => {
    await syncSchedules(db, [snapshots('behind', HOUR), snapshots('ahead', HOUR)], T0);
    await db.query(`UPDATE schedules SET last_slot_ms = $1 WHERE name = 'snapshot:ahead'`, [T0 + 2 * HOUR]);
    await syncSchedules(db, [snapshots('behind', MINUTE), snapshots('ahead', MINUTE)], T0 + HOUR);
    expect(await cursors()).toEqual({ 'snapshot:behind': HOUR, 'snapshot:ahead': 2 * HOUR });
    // The new interval owes nothing from the time before.
    const due = dueNow(await listSchedules(db), T0 + HOUR + 90_000, false);
    expect(due.map(({ name, slotMs }) => [name, slotMs - T0])).toEqual([['snapshot:behind', HOUR + MINUTE]]);
  });

  it('forgets what is no longer configured, and takes over policy and payload of what is', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE), snapshots('gone', MINUTE)], T0);
    await syncSchedules(db, [{ ...snapshots('a', MINUTE, 'skip'), payload: { modelId: 'a', extra: 1 } }], T0 + HOUR);
    expect(await listSchedules(db)).toEqual([
      { ...snapshots('a', MINUTE, 'skip'), payload: { modelId: 'a', extra: 1 }, lastSlotMs: T0 },
    ]);
  });

  it('is the same after two schedulers registered at the same time', async () => {
    const wanted = Array.from({ length: 20 }, (_, index) => snapshots(`m${index}`, MINUTE));
    await Promise.all(schedulers.map((scheduler) => syncSchedules(scheduler, wanted, T0)));
    expect(await listSchedules(db)).toHaveLength(20);
  });
});

describe('firing', () => {
  it('moves the cursor and promises the job in one transaction', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE)], T0);
    const effects = await fireSlots(db, dueNow(await listSchedules(db), T0 + MINUTE, false), null);
    expect(effects).toMatchObject([
      { kind: 'enqueue', target: `snapshot_a_${T0 + MINUTE}`, payload: { job: 'snapshot' } },
    ]);
    expect(await cursors()).toEqual({ 'snapshot:a': MINUTE });
    expect(await outboxTargets(db)).toEqual(effects.map(({ target }) => target));
  });

  it('does neither when one of them fails', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE)], T0);
    const due = dueNow(await listSchedules(db), T0 + MINUTE, false);
    const broken = due.map((slot) => ({ ...slot, effect: { ...slot.effect, kind: 'shout' as 'enqueue' } }));
    await expect(fireSlots(db, broken, null)).rejects.toThrow(/effects_kind/);
    expect(await cursors()).toEqual({ 'snapshot:a': 0 });
    expect(await outboxRows(db)).toEqual([]);
  });

  it('happens once a slot, though five schedulers find the same slots due', async () => {
    const wanted = Array.from({ length: 40 }, (_, index) => snapshots(`m${index}`, MINUTE));
    await syncSchedules(db, wanted, T0);
    for (let slot = 1; slot <= 10; slot++) {
      const due = dueNow(await listSchedules(db), T0 + slot * MINUTE, false);
      expect(due).toHaveLength(wanted.length);
      const fired = await Promise.all(schedulers.map((scheduler) => fireSlots(scheduler, due, null)));
      const targets = fired.flat().map(({ target }) => target);
      // A schedule whose row another one holds is passed over, never waited for; whoever holds it fires it.
      expect(new Set(targets).size).toBe(targets.length);
      await fireSlots(db, dueNow(await listSchedules(db), T0 + slot * MINUTE, false), null);
    }
    const promised = await outboxTargets(db);
    const all = wanted.flatMap(({ payload }) =>
      Array.from({ length: 10 }, (_, slot) => `snapshot_${payload.modelId}_${T0 + (slot + 1) * MINUTE}`),
    );
    expect([...promised].sort()).toEqual(all.sort());
  });

  it('happens once also when every scheduler looks and fires at its own pace', async () => {
    const wanted = Array.from({ length: 10 }, (_, index) => snapshots(`m${index}`, 1000));
    await syncSchedules(db, wanted, T0);
    await Promise.all(
      schedulers.map(async (scheduler) => {
        for (let second = 1; second <= 20; second++) {
          await fireSlots(scheduler, dueNow(await listSchedules(scheduler), T0 + second * 1000, false), null);
        }
      }),
    );
    const promised = await outboxTargets(db);
    expect(new Set(promised).size).toBe(promised.length);
    for (const { payload } of wanted) expect(promised).toContain(`snapshot_${payload.modelId}_${T0 + 20_000}`);
    expect(new Set(Object.values(await cursors()))).toEqual(new Set([20_000]));
  });

  it('leaves out a slot whose cursor somebody has moved meanwhile, and fires the others', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE), snapshots('b', MINUTE)], T0);
    const due = dueNow(await listSchedules(db), T0 + MINUTE, false);
    await db.query(`UPDATE schedules SET last_slot_ms = $1 WHERE name = 'snapshot:a'`, [T0 + 2 * MINUTE]);
    const fired = await fireSlots(db, due, null);
    expect(fired.map(({ target }) => target)).toEqual([`snapshot_b_${T0 + MINUTE}`]);
    expect(await cursors()).toEqual({ 'snapshot:a': 2 * MINUTE, 'snapshot:b': MINUTE });
  });

  it('leaves out a schedule that was removed meanwhile', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE), snapshots('b', MINUTE)], T0);
    const due = dueNow(await listSchedules(db), T0 + MINUTE, false);
    await syncSchedules(db, [snapshots('b', MINUTE)], T0);
    expect((await fireSlots(db, due, null)).map(({ target }) => target)).toEqual([`snapshot_b_${T0 + MINUTE}`]);
  });

  it('of nothing is nothing', async () => {
    expect(await fireSlots(db, [], null)).toEqual([]);
    expect(await commit(db, [])).toEqual([]);
  });

  it('moves the clock of a replay with its slot, and never back', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE, 'every')], T0);
    const marketNow = async () => (await db.query<{ now: number }>('SELECT market_now_ms AS now FROM runs'))[0]?.now;
    const fire = async (due: readonly DueSlot[], marketNowMs: number) => {
      await fireSlots(db, due, { marketNowMs, cursors: await listSchedules(db) });
      return marketNow();
    };
    const next = dueInReplay(await listSchedules(db), T0 + HOUR);
    expect(next?.slotMs).toBe(T0 + MINUTE);
    expect(await fire(next?.due ?? [], T0 + MINUTE)).toBe(T0 + MINUTE);
    expect(await fire([], T0)).toBe(T0 + MINUTE);
  });

  it('happens in a replay only where the cursors are those it knows and no job is promised', async () => {
    await syncSchedules(db, [snapshots('a', MINUTE, 'every'), snapshots('b', HOUR, 'every')], T0);
    const cursors = await listSchedules(db);
    const due = dueInReplay(cursors, T0 + HOUR)?.due ?? [];
    const forgotten = cursors.map((row) => ({
      ...row,
      lastSlotMs: row.lastSlotMs + (row.name.endsWith('b') ? HOUR : 0),
    }));
    expect(await fireSlots(db, due, { marketNowMs: T0 + MINUTE, cursors: forgotten })).toEqual([]);
    const fired = await fireSlots(db, due, { marketNowMs: T0 + MINUTE, cursors });
    expect(fired).toHaveLength(1);
    const now = await listSchedules(db);
    const next = { marketNowMs: T0 + 2 * MINUTE, cursors: now };
    const following = dueInReplay(now, T0 + HOUR)?.due ?? [];
    expect(await fireSlots(db, following, next)).toEqual([]);
    await db.query('DELETE FROM effects');
    expect(await fireSlots(db, following, next)).toHaveLength(1);
  });
});
