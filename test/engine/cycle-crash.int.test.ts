/** A cycle that stops at any of its boundaries goes on: a stored answer is not asked for again, and no order is placed twice. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { type Boundary, observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { type Arena, arenaConfig, count, never, one, openTestArena, T0 } from './arena.ts';
import { completion, type Endpoint, openEndpoint } from './stand-ins.ts';

const MODEL = 'sage';
const SLOT_MS = 15_000;

let endpoint: Endpoint;
let arena: Arena;
beforeAll(async () => {
  endpoint = await openEndpoint();
  const settings = { baseUrl: endpoint.baseUrl, model: 'm', maxCompletionTokens: 500, timeout: '20s' };
  const models = [{ id: MODEL, endpoint: settings }];
  arena = await openTestArena(arenaConfig({ history: '30m', models, guardrails: { cooldown: '0s' } }));
});
afterAll(async () => {
  await arena.run.close();
  await endpoint.close();
});

type Ending = { readonly boundary: Boundary | null; readonly step: string; readonly answered: boolean };
type Stored = { step: string; answered: boolean; error: string | null };
const stored = (slotMs: number) =>
  one<Stored>(
    arena.db,
    `SELECT step, answer IS NOT NULL AS answered, error_message AS error FROM decision_cycles WHERE slot_ms = $1`,
    [slotMs],
  );

/** Prices of the slot, and an answer that opens a position, or closes the one that is open. Returns how many orders it leads to. */
async function prepare(slotMs: number): Promise<number> {
  await ingestPrices(arena.stories, slotMs, never);
  const { positions } = await arena.stories.exchange.accountState(MODEL);
  const { price } = await one<{ price: number }>(arena.db, `SELECT price FROM paper_marks WHERE symbol = 'SOL'`);
  const entry = {
    action: 'open_long',
    position_size_usd: 1000,
    leverage: 2,
    stop_loss: price * 0.8,
    take_profit: price * 1.3,
  };
  const decision = positions.length > 0 ? { action: 'close_long' } : entry;
  endpoint.reply = completion(JSON.stringify({ decisions: [{ symbol: 'SOL', confidence: 0.9, ...decision }] }));
  endpoint.asked.length = 0;
  return positions.length > 0 ? 1 : 3;
}

/** Runs the cycle of a slot until its n-th boundary, where everything ends. */
async function runUntil(slotMs: number, nth: number): Promise<Ending> {
  let passed = 0;
  let boundary: Boundary | null = null;
  const stop = observeBoundaries((seen) => {
    passed += 1;
    if (passed !== nth) return;
    boundary = seen;
    throw new Error('the process has died');
  });
  const frames = new FrameBuilder(arena.stories);
  await runDecisionCycle(arena.stories, frames, MODEL, slotMs, never)
    .catch(() => {})
    .finally(stop);
  const [row] = await arena.db.query<Stored>(
    `SELECT step, answer IS NOT NULL AS answered FROM decision_cycles WHERE slot_ms = $1`,
    [slotMs],
  );
  return { boundary, step: row?.step ?? 'none', answered: row?.answered ?? false };
}

it('stops anywhere, asks at most once, and orders once', async () => {
  const seen: string[] = [];
  const steps = new Set<string>();
  for (let nth = 1; ; nth += 1) {
    const slotMs = T0 + nth * SLOT_MS;
    const orders = await prepare(slotMs);
    const { boundary, step, answered } = await runUntil(slotMs, nth);
    if (boundary === null) break;
    const where = `${boundary.side} ${boundary.what}`;
    seen.push(where);
    steps.add(step);
    const asks = endpoint.asked.length;
    // The lease of a dead process runs out.
    await arena.db.query('UPDATE trader_state SET lease_until = NULL');
    const outcome = await runDecisionCycle(arena.stories, new FrameBuilder(arena.stories), MODEL, slotMs, never);
    expect(outcome.kind, where).toBe(step === 'done' ? 'skipped' : 'done');
    expect(endpoint.asked.length, where).toBeLessThanOrEqual(1);
    if (answered) expect(endpoint.asked.length, where).toBe(asks);
    const end = await stored(slotMs);
    expect(end.step, where).toBe('done');
    // Lost is only what was asked and not stored.
    const lost = step === 'asking';
    expect(end.error, where).toEqual(lost ? expect.stringContaining('answer_lost') : null);
    expect(await count(arena.db, 'paper_orders WHERE ts_ms = $1', [slotMs]), where).toBe(lost ? 0 : orders);
    expect(await count(arena.db, 'trader_state WHERE lease_until IS NOT NULL'), where).toBe(0);
  }
  // Every step was met in the middle, on both sides of what leaves the process.
  expect([...steps].sort()).toEqual(['answered', 'asking', 'done', 'none', 'sending', 'started']);
  for (const what of ['call model', 'call exchange.send', 'call exchange.fillsSince'])
    for (const side of ['before', 'after']) expect(seen).toContain(`${side} ${what}`);
  expect(seen.filter((where) => where.includes('decision_cycles')).length).toBeGreaterThanOrEqual(8);
  expect(await count(arena.db, `positions WHERE model_id = $1 AND status = 'open' AND sl_oid IS NULL`, [MODEL])).toBe(
    0,
  );
}, 120_000);
