import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { type Arena, arenaConfig, never, openTestArena, T0 } from './arena.ts';

const SLOT_MS = 15_000;
const send = pg.Client.prototype.query;

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m' }));
});
afterEach(() => {
  pg.Client.prototype.query = send;
});
afterAll(() => arena.run.close());

/** Statements of everything that happens meanwhile, on every connection of this process. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  let sent = 0;
  pg.Client.prototype.query = function counted(this: pg.Client, ...given: unknown[]) {
    sent += 1;
    return Reflect.apply(send, this, given);
  } as typeof send;
  await work();
  pg.Client.prototype.query = send;
  return sent;
}

it('a cycle costs few statements: the backtest makes thousands of them', async () => {
  const frames = new FrameBuilder(arena.stories);
  const cycle = (model: string, slotMs: number) => () => runDecisionCycle(arena.stories, frames, model, slotMs, never);
  await ingestPrices(arena.stories, T0, never);
  await cycle('holder', T0)();
  expect(await statementsOf(cycle('twin', T0)), 'four entries with their stops and targets').toBeLessThanOrEqual(28);
  await ingestPrices(arena.stories, T0 + SLOT_MS, never);
  expect(await statementsOf(cycle('holder', T0 + SLOT_MS)), 'a hold that builds the frame').toBeLessThanOrEqual(13);
  expect(await statementsOf(cycle('twin', T0 + SLOT_MS)), 'a hold').toBeLessThanOrEqual(8);
});
