import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config.ts';
import { loadConfig, pace } from '../../src/config.ts';
import { dueInReplay, dueNow, nextSlot, schedulesOf } from '../../src/engine/slots.ts';
import type { DueSlot, Schedule, ScheduleSpec, SlotPolicy } from '../../src/store/schedules.ts';
import { REPO } from '../paths.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A full hour, so that every interval of the tests has a slot there. */
const T0 = Date.UTC(2026, 0, 1);

function schedule(name: string, spec: ScheduleSpec, lastSlotMs: number, policy: SlotPolicy = 'run-latest'): Schedule {
  const [job = '', modelId] = name.split(':');
  const payload = job === 'price-ingest' ? { provider: 'synthetic' } : modelId ? { modelId } : {};
  return { name, job, spec, payload, policy, lastSlotMs };
}

const every = (everyMs: number): ScheduleSpec => ({ everyMs });
const slotsOf = (due: readonly DueSlot[]) => due.map(({ name, slotMs }) => [name, slotMs - T0]);

describe('the next slot', () => {
  it.each([
    [0, MINUTE],
    [1, MINUTE],
    [MINUTE - 1, MINUTE],
    [MINUTE, 2 * MINUTE],
  ])('of an interval is its next multiple on the UTC clock: %d → %d', (after, next) => {
    expect(nextSlot(every(MINUTE), T0 + after)).toBe(T0 + next);
  });

  it('of any interval is a multiple of it, later than now, by at most one interval', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 * HOUR }), fc.integer({ min: 1, max: 10 * T0 }), (everyMs, afterMs) => {
        const next = nextSlot(every(everyMs), afterMs);
        expect(next % everyMs).toBe(0);
        expect(next).toBeGreaterThan(afterMs);
        expect(next - afterMs).toBeLessThanOrEqual(everyMs);
      }),
    );
  });

  it.each([
    ['*/5 * * * *', 0, 5 * MINUTE],
    ['*/5 * * * *', 5 * MINUTE - 1, 5 * MINUTE],
    ['*/5 * * * *', 5 * MINUTE, 10 * MINUTE],
    ['0 * * * *', 1, HOUR],
    ['30 2 * * *', 0, 2 * HOUR + 30 * MINUTE],
  ])('of the cron "%s" is its next time in UTC', (cron, after, next) => {
    expect(nextSlot({ cron }, T0 + after)).toBe(T0 + next);
  });

  it('of a cron that never comes again is never', () => {
    expect(nextSlot({ cron: '0 0 30 2 *' }, T0)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('what is due in real time', () => {
  it('is nothing before the slot and one slot from its first millisecond on', () => {
    const one = [schedule('analytics', every(MINUTE), T0)];
    expect(dueNow(one, T0 + MINUTE - 1, false)).toEqual([]);
    expect(slotsOf(dueNow(one, T0 + MINUTE, false))).toEqual([['analytics', MINUTE]]);
  });

  it('is nothing twice: a cursor that has moved is satisfied', () => {
    expect(dueNow([schedule('analytics', every(MINUTE), T0 + MINUTE)], T0 + MINUTE + 30_000, false)).toEqual([]);
  });

  it('carries the cursor it was computed from, and a payload that its contract accepts', () => {
    const [due] = dueNow([schedule('snapshot:m', every(MINUTE), T0)], T0 + MINUTE, false);
    expect(due).toEqual({
      name: 'snapshot:m',
      fromSlotMs: T0,
      slotMs: T0 + MINUTE,
      effect: {
        kind: 'enqueue',
        target: `snapshot_m_${T0 + MINUTE}`,
        payload: { job: 'snapshot', data: { v: 1, modelId: 'm', slotMs: T0 + MINUTE, asOfMs: T0 + MINUTE } },
      },
    });
    const [cycle] = dueNow([schedule('decision-cycle:m', every(MINUTE), T0)], T0 + MINUTE, false);
    expect(cycle?.effect).toMatchObject({ payload: { data: { v: 1, modelId: 'm', slotMs: T0 + MINUTE } } });
  });

  it('is one slot after an outage, the newest, not a burst', () => {
    const many = [schedule('analytics', every(MINUTE), T0), schedule('price-ingest:p', every(1000), T0)];
    expect(slotsOf(dueNow(many, T0 + HOUR + 500, false))).toEqual([
      ['analytics', HOUR],
      ['price-ingest:p', HOUR],
    ]);
  });

  it('lets a missed slot go where the policy is to skip, unless it began within the last minute', () => {
    const skip = [schedule('decision-cycle:m', every(3 * MINUTE), T0, 'skip')];
    expect(slotsOf(dueNow(skip, T0 + 3 * MINUTE, false))).toEqual([['decision-cycle:m', 3 * MINUTE]]);
    expect(slotsOf(dueNow(skip, T0 + 4 * MINUTE, false))).toEqual([['decision-cycle:m', 3 * MINUTE]]);
    expect(dueNow(skip, T0 + 4 * MINUTE + 1, false)).toEqual([]);
    // The next one is a slot of its own.
    expect(slotsOf(dueNow(skip, T0 + 6 * MINUTE, false))).toEqual([['decision-cycle:m', 6 * MINUTE]]);
  });

  it('is the missed slot, however late, where the policy is to run the latest', () => {
    const latest = [schedule('analytics', every(HOUR), T0, 'run-latest')];
    expect(slotsOf(dueNow(latest, T0 + 2 * HOUR - 1, false))).toEqual([['analytics', HOUR]]);
  });

  it('is the current slot at boot, whatever its policy, if it has not run', () => {
    const skip = (last: number) => [schedule('decision-cycle:m', every(HOUR), last, 'skip')];
    expect(slotsOf(dueNow(skip(T0 - HOUR), T0 + HOUR / 2, true))).toEqual([['decision-cycle:m', 0]]);
    expect(dueNow(skip(T0), T0 + HOUR / 2, true)).toEqual([]);
  });

  it('is the newest time of a cron', () => {
    const cron = [schedule('analytics', { cron: '*/5 * * * *' }, T0)];
    expect(dueNow(cron, T0 + 4 * MINUTE, false)).toEqual([]);
    expect(slotsOf(dueNow(cron, T0 + 6 * MINUTE, false))).toEqual([['analytics', 5 * MINUTE]]);
    expect(slotsOf(dueNow(cron, T0 + 31 * MINUTE, false))).toEqual([['analytics', 30 * MINUTE]]);
    expect(dueNow([schedule('analytics', { cron: '*/5 * * * *' }, T0 + 30 * MINUTE)], T0 + 31 * MINUTE, false)).toEqual(
      [],
    );
  });
});

describe('what a replay runs next', () => {
  it('is the earliest slot of all schedules', () => {
    const many = [schedule('analytics', every(HOUR), T0), schedule('snapshot:m', every(5 * MINUTE), T0, 'every')];
    const next = dueInReplay(many, T0 + HOUR);
    expect(next?.slotMs).toBe(T0 + 5 * MINUTE);
    expect(slotsOf(next?.due ?? [])).toEqual([['snapshot:m', 5 * MINUTE]]);
  });

  it('puts the prices of a moment before everything else of that moment', () => {
    const at = (prices: number) => [
      schedule('decision-cycle:m', every(MINUTE), T0, 'every'),
      schedule('price-ingest:p', every(MINUTE), prices, 'every'),
      schedule('snapshot:m', every(MINUTE), T0, 'every'),
    ];
    const first = dueInReplay(at(T0), T0 + HOUR);
    expect(slotsOf(first?.due ?? [])).toEqual([['price-ingest:p', MINUTE]]);
    const second = dueInReplay(at(T0 + MINUTE), T0 + HOUR);
    expect(slotsOf(second?.due ?? [])).toEqual([
      ['decision-cycle:m', MINUTE],
      ['snapshot:m', MINUTE],
    ]);
  });

  it('fetches prices of which only the latest count when somebody looks at them, and once more at its end', () => {
    const at = (prices: number, decided: number) => [
      schedule('decision-cycle:m', every(3 * MINUTE), decided, 'every'),
      schedule('price-ingest:p', every(MINUTE), prices),
    ];
    const next = (prices: number, decided: number) =>
      slotsOf(dueInReplay(at(T0 + prices * MINUTE, T0 + decided * MINUTE), T0 + 5 * MINUTE)?.due ?? []);
    expect(next(0, 0)).toEqual([['price-ingest:p', 3 * MINUTE]]);
    expect(next(3, 0)).toEqual([['decision-cycle:m', 3 * MINUTE]]);
    expect(next(3, 3)).toEqual([['price-ingest:p', 5 * MINUTE]]);
    expect(next(5, 3)).toEqual([]);
  });

  it('ends with the last slot at or before its end', () => {
    const one = (last: number) => [schedule('analytics', every(HOUR), last, 'every')];
    expect(dueInReplay(one(T0), T0 + HOUR)?.slotMs).toBe(T0 + HOUR);
    expect(dueInReplay(one(T0), T0 + HOUR - 1)).toBeNull();
    expect(dueInReplay(one(T0 + HOUR), T0 + HOUR)).toBeNull();
    expect(dueInReplay([], T0 + HOUR)).toBeNull();
  });

  it('misses no slot of any schedule, in the order of time, prices first', () => {
    const intervals = fc.record({
      price: fc.constantFrom(1000, 5000, MINUTE),
      decision: fc.constantFrom(3000, MINUTE, 7000),
      snapshot: fc.constantFrom(2000, 30_000),
    });
    fc.assert(
      fc.property(intervals, ({ price, decision, snapshot }) => {
        const endMs = T0 + 2 * MINUTE;
        const wanted: [string, number][] = [
          ['price-ingest:p', price],
          ['decision-cycle:m', decision],
          ['snapshot:m', snapshot],
        ];
        let schedules = wanted.map(([name, everyMs]) => schedule(name, every(everyMs), T0, 'every'));
        const fired: { name: string; slotMs: number }[] = [];
        for (let next = dueInReplay(schedules, endMs); next !== null; next = dueInReplay(schedules, endMs)) {
          const moved = new Map(next.due.map((slot) => [slot.name, slot.slotMs]));
          fired.push(...next.due);
          schedules = schedules.map((row) => ({ ...row, lastSlotMs: moved.get(row.name) ?? row.lastSlotMs }));
        }
        for (const [name, everyMs] of wanted) {
          const slots = fired.filter((slot) => slot.name === name).map((slot) => slot.slotMs);
          const first = Math.floor(T0 / everyMs) * everyMs + everyMs;
          const all: number[] = [];
          for (let slotMs = first; slotMs <= endMs; slotMs += everyMs) all.push(slotMs);
          expect(slots).toEqual(all);
        }
        for (const [index, slot] of fired.entries()) {
          const before = fired[index - 1];
          if (before === undefined) continue;
          expect(slot.slotMs).toBeGreaterThanOrEqual(before.slotMs);
          if (slot.slotMs === before.slotMs && slot.name === 'price-ingest:p') expect(before.name).toBe(slot.name);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the schedules of an arena', () => {
  const config: Config = loadConfig({ env: {}, cwd: REPO });
  /** Without what looks after the platform itself. */
  const wantedOf = (of: Config) =>
    schedulesOf(of, pace(of.arena, 'synthetic'), 'synthetic', false).filter(({ job }) => job !== 'maintenance');

  it('are one a provider, two a model and one for all', () => {
    const wanted = wantedOf(config);
    expect(wanted).toHaveLength(2 + 2 * config.arena.models.length);
    expect(wanted.map(({ name }) => name)).toEqual([
      'price-ingest:synthetic',
      ...config.arena.models.map(({ id }) => `decision-cycle:${id}`),
      ...config.arena.models.map(({ id }) => `snapshot:${id}`),
      'analytics',
    ]);
    expect(new Set(wanted.map(({ name }) => name)).size).toBe(wanted.length);
  });

  it('skip a decision that was missed and catch up with what anybody may do late', () => {
    const wanted = wantedOf(config);
    const policies = new Map(wanted.map(({ job, policy }) => [job, policy]));
    expect(Object.fromEntries(policies)).toEqual({
      'price-ingest': 'run-latest',
      'decision-cycle': 'skip',
      snapshot: 'run-latest',
      analytics: 'run-latest',
    });
  });

  it('skip nothing in a replay, where market time waits; prices come together with whoever looks at them', () => {
    const wanted = schedulesOf(config, pace(config.arena, 'replay'), 'replay', true);
    const policies = (prices: boolean) =>
      new Set(wanted.filter(({ job }) => (job === 'price-ingest') === prices).map(({ policy }) => policy));
    expect(policies(true)).toEqual(new Set(['run-latest']));
    expect(policies(false)).toEqual(new Set(['every']));
  });

  it('give a model its own decision interval', () => {
    const [first, ...others] = config.arena.models;
    if (first === undefined) throw new Error('the arena has no models');
    const own: Config = { ...config, arena: { ...config.arena, models: [{ ...first, decision: 7000 }, ...others] } };
    const wanted = wantedOf(own);
    expect(wanted.find(({ name }) => name === `decision-cycle:${first.id}`)?.spec).toEqual({ everyMs: 7000 });
    expect(wanted.filter(({ spec }) => 'everyMs' in spec && spec.everyMs === 7000)).toHaveLength(1);
  });

  it('make payloads that every contract accepts', () => {
    const wanted = wantedOf(config);
    const due = dueNow(
      wanted.map((entry) => ({ ...entry, lastSlotMs: T0 - HOUR })),
      T0,
      true,
    );
    expect(due).toHaveLength(wanted.length);
    expect(new Set(due.map(({ effect }) => effect.target)).size).toBe(wanted.length);
  });
});
