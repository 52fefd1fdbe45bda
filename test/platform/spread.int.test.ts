import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dueNow, schedulesOf } from '../../src/engine/slots.ts';
import { fireSlots, listSchedules, syncSchedules } from '../../src/store/schedules.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';

const TRADERS = 10_000;
const EVERY_MS = 180_000;
const SPREAD_MS = 30_000;
const SLOT = Date.UTC(2026, 0, 1, 0, 3);

let run: TestRun;

beforeAll(async () => {
  run = await createRun();
});
afterAll(() => run.close());

describe('ten thousand traders with one interval', () => {
  const config = testConfig();
  const [template] = config.arena.models;
  const models = Array.from({ length: TRADERS }, (_, i) => ({ ...template, id: `trader-${i}` }));
  const crowd = { ...config, arena: { ...config.arena, models } } as typeof config;
  const pace = { price: 1000, decision: EVERY_MS, snapshot: 300_000, analytics: 3_600_000, spread: SPREAD_MS };
  const decisions = schedulesOf(crowd, pace, 'synthetic', false).filter(
    (schedule) => schedule.job === 'decision-cycle',
  );

  it('have the same slot and spread starts, each always at the same place', () => {
    const due = dueNow(
      decisions.map((schedule) => ({ ...schedule, lastSlotMs: 0 })),
      SLOT,
      false,
    );
    expect(due).toHaveLength(TRADERS);
    expect(new Set(due.map((slot) => slot.slotMs))).toEqual(new Set([SLOT]));
    const delays = due.map((slot) => (slot.effect.kind === 'enqueue' ? (slot.effect.payload.delayMs ?? 0) : -1));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(SPREAD_MS);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = delays.filter((delay) => Math.floor((delay * 10) / SPREAD_MS) === tenth).length / TRADERS;
      expect(share).toBeGreaterThan(0.08);
      expect(share).toBeLessThan(0.12);
    }
    const again = dueNow(
      decisions.map((schedule) => ({ ...schedule, lastSlotMs: SLOT })),
      SLOT + EVERY_MS,
      false,
    );
    expect(again.map((slot) => (slot.effect.kind === 'enqueue' ? (slot.effect.payload.delayMs ?? 0) : -1))).toEqual(
      delays,
    );
  });

  it('are fired in one transaction, each once, also by two schedulers at a time', async () => {
    const { db } = run.resources;
    await syncSchedules(db, decisions, SLOT - EVERY_MS);
    const due = dueNow(await listSchedules(db), SLOT, false);
    const fired = await Promise.all([fireSlots(db, due, null), fireSlots(db, due, null)]);
    expect(fired.flat()).toHaveLength(TRADERS);
    expect(new Set(fired.flat().map((effect) => effect.target)).size).toBe(TRADERS);
    expect(dueNow(await listSchedules(db), SLOT, false)).toEqual([]);
  });
});
