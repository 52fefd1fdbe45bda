/** A short part of `npm run test:hostile`, story by story and without waiting for real slots. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Guardrails } from '../../src/config/arena.ts';
import { lateAfterMs } from '../../src/domain/time.ts';
import type { Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { CodedError } from '../../src/errors.ts';
import { type Arena, arenaConfig, count, never, openTestArena, T0 } from '../engine/arena.ts';
import { judgeOrders } from './judge.ts';
import { type HostileServer, openHostile, STEADY } from './server.ts';

const SLOTS = 20;
const SLOT_MS = 15_000;
const HOSTILE = ['loki', 'eris', 'puck', 'anansi'];
const TIMEOUT_MS = 400;

const STRICTER: readonly [Partial<Guardrails>, RegExp][] = [
  [{ minConfidence: 0.9999 }, /confidence/],
  [{ maxPositions: 0 }, /too many positions/],
  [{ maxMarginUsage: 0.0001 }, /margin/],
  [{ maxLeverage: 0.5, maxLeverageOthers: 0.5 }, /leverage/],
  [{ maxPositionUsd: 1 }, /are too many/],
  [{ maxPositionToEquity: 0.001, maxPositionToEquityOthers: 0.001 }, /are too many/],
  [{ maxPriceAge: -1 }, /stale/],
  [{ minVolume24hUsd: 1e18 }, /volume/],
  [{ cooldown: 3_600_000 }, /cooling down/],
  [{ minStopDistance: 0.9 }, /stop at/],
  [{ maxStopDistance: 0.0001 }, /stop far/],
  [{ minRewardRisk: 1000 }, /reward/],
  [{ maxRiskPerTrade: 1e-6 }, /risk of/],
];

let server: HostileServer;
let arena: Arena;
beforeAll(async () => {
  server = await openHostile('short');
  const models = [...HOSTILE, STEADY].map((id) => ({
    id,
    endpoint: { baseUrl: server.baseUrl(id), model: id, timeout: `${TIMEOUT_MS}ms`, maxCompletionTokens: 500 },
  }));
  // A short rest, so that there is something to enter again.
  arena = await openTestArena(arenaConfig({ history: '30m', models, guardrails: { cooldown: '30s' } }));
});
afterAll(async () => {
  await arena.run.close();
  await server.close();
});

/** Runs the cycle as its job would: what can be tried again is, until it ends. Returns how long it took. */
async function decide(stories: Stories, frames: FrameBuilder, model: string, slotMs: number): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    try {
      const outcome = await runDecisionCycle(stories, frames, model, slotMs, never);
      if (outcome.kind !== 'snoozed') return performance.now() - startedAt;
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'NOF0_LLM_UNAVAILABLE') throw error;
    }
  }
}

it('hostile models break no guardrail, lose no cycle and hold nobody up', async () => {
  const { stories } = arena;
  const frames = new FrameBuilder(stories);
  const steadyMs: number[] = [];
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const slotMs = T0 + slot * SLOT_MS;
    await ingestPrices(stories, slotMs, never);
    const hostile = HOSTILE.map((model) => decide(stories, frames, model, slotMs));
    steadyMs.push(await decide(stories, frames, STEADY, slotMs));
    await Promise.all(hostile);
  }
  const cycles = SLOTS * (HOSTILE.length + 1);
  expect(await count(arena.db, `decision_cycles WHERE step = 'done'`)).toBe(cycles);
  expect(await count(arena.db, `trader_state WHERE lease_until IS NOT NULL`)).toBe(0);
  expect(await count(arena.db, `decision_cycles WHERE model_id = '${STEADY}' AND success`)).toBe(SLOTS);
  expect(await count(arena.db, `llm_usage WHERE reserved_tokens <> 0`)).toBe(0);
  // A hostile model that hangs takes its whole timeout, and is asked again.
  steadyMs.sort((a, b) => a - b);
  expect(steadyMs[Math.floor(SLOTS / 2)]).toBeLessThan(TIMEOUT_MS);

  const rules = stories.config.arena.guardrails;
  const judged = (stricter: Partial<typeof rules> = {}, lateMs = lateAfterMs(0, SLOT_MS)) =>
    judgeOrders((sql) => arena.db.query(sql), { ...rules, ...stricter }, lateMs);
  const { faults, entries, closes } = await judged();
  expect(faults).toEqual([]);
  // The judge is not blind: stricter limits than those that held are seen to be broken.
  for (const [stricter, fault] of STRICTER)
    expect((await judged(stricter)).faults.join('\n'), JSON.stringify(stricter)).toMatch(fault);
  expect((await judged({}, -1)).faults.join('\n')).toMatch(/late/);
  expect(entries).toBeGreaterThan(10);
  expect(closes).toBeGreaterThan(2);
  expect(server.given.size).toBeGreaterThan(15);
}, 120_000);
