import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pauseModels, resumeModels, shadowModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { auditRows, controlOf, WHO } from '../platform/control-support.ts';
import { type Arena, arenaConfig, cached, count, feed, never, one, openTestArena, T0, tick } from './arena.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MIDNIGHT = T0 - (T0 % DAY_MS) + DAY_MS;
const LIMITS = { dailyLoss: 0.1, drawdown: 0.3 };

let arena: Arena;

beforeEach(async () => {
  const models = [
    { id: 'holder', strategy: 'buy-and-hold' },
    { id: 'bold', strategy: 'buy-and-hold', breakers: { dailyLoss: null, drawdown: null } },
  ];
  arena = await openTestArena(arenaConfig({ history: '30m', models, breakers: LIMITS }));
  await arena.db.query(`INSERT INTO symbols (symbol) VALUES ('BTC') ON CONFLICT DO NOTHING`);
});
afterEach(() => arena.run.close());

const stateOf = async (id = 'holder') => (await traderStates(arena.db, [id]))[0];

/** The account of a model is worth this much at a moment: cash moves, as if positions had been closed. */
async function worth(modelId: string, equityUsd: number, tsMs: number): Promise<void> {
  await arena.db.query('UPDATE accounts SET realized_usd = $2 - initial_equity_usd WHERE model_id = $1', [
    modelId,
    equityUsd,
  ]);
  await takeSnapshot(arena.stories, modelId, tsMs);
}
const cycle = async (slotMs: number, modelId = 'holder') => {
  await feed(arena.db, { ticks: [tick('BTC', slotMs, 50_000)], watermarkMs: slotMs });
  await runDecisionCycle(arena.stories, arena.frames, modelId, slotMs, never);
  return one<{ success: boolean; error_message: string | null }>(
    arena.db,
    'SELECT success, error_message FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2',
    [modelId, slotMs],
  );
};

describe('the loss of a day', () => {
  beforeEach(async () => {
    await worth('holder', 10_000, T0);
    await worth('holder', 9001, T0 + MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'running' });
    await worth('holder', 9000, T0 + 2 * MINUTE_MS);
  });

  it('pauses the trader until the next market day, with an audit row, a metric and a published state', async () => {
    const reason = 'daily-loss breaker: lost 1000.00 USD, 10.00 % (limit 10.00 %)';
    expect(await stateOf()).toMatchObject({ state: 'paused', pauseUntilMs: MIDNIGHT, reason });
    expect(await auditRows(arena.run.resources)).toEqual([
      {
        ...{ who: 'platform', what: 'breaker', target: 'model:holder', before: { state: 'running' } },
        after: { state: 'paused', pauseUntil: new Date(MIDNIGHT).toISOString(), reason },
      },
    ]);
    expect(await cached(arena.run, 'traderState', 'holder')).toMatchObject({ state: 'paused', pause_until: MIDNIGHT });
    expect((await arena.stories.metrics.breakerTrips.get()).values).toMatchObject([
      { value: 1, labels: { breaker: 'daily-loss' } },
    ]);
    expect(await cycle(T0 + 3 * MINUTE_MS)).toEqual({
      success: false,
      error_message: `the trader is paused (${reason})`,
    });
    // Another loss is no second trip.
    await worth('holder', 8000, T0 + 4 * MINUTE_MS);
    expect(await auditRows(arena.run.resources)).toEqual([]);
  });

  it('is over with the day: the first cycle of the next one decides again', async () => {
    expect((await cycle(MIDNIGHT - MINUTE_MS)).success).toBe(false);
    expect((await cycle(MIDNIGHT)).success).toBe(true);
    expect(await stateOf()).toMatchObject({ state: 'running', pauseUntilMs: null, reason: null });
    expect((await auditRows(arena.run.resources)).at(-1)).toMatchObject({
      ...{ who: 'platform', what: 'resume', after: { state: 'running' } },
    });
    // Yesterday's loss is not today's.
    await worth('holder', 8999, MIDNIGHT + MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'running' });
    await worth('holder', 8100, MIDNIGHT + 2 * MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'paused', pauseUntilMs: MIDNIGHT + DAY_MS });
  });

  it('does not stop a trader again that somebody has resumed, until it loses as much once more', async () => {
    const control = controlOf(arena.run.resources);
    expect(await resumeModels(control, ['holder'])).toMatchObject([{ changed: true, state: 'running' }]);
    await worth('holder', 9000, T0 + 3 * MINUTE_MS);
    await worth('holder', 8200, T0 + 4 * MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'running' });
    await worth('holder', 8100, T0 + 5 * MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'paused' });
  });

  it('leaves a trader paused that somebody has paused as well', async () => {
    const control = controlOf(arena.run.resources);
    expect(await pauseModels(control, ['holder'])).toMatchObject([{ changed: true }]);
    expect((await cycle(MIDNIGHT)).error_message).toBe(`the trader is paused (by ${WHO})`);
  });

  it('counts for what comes behind it: jobs of its very moment do not depend on which of them is first', async () => {
    expect(await cycle(T0 + 2 * MINUTE_MS)).toEqual({ success: true, error_message: null });
    expect((await cycle(T0 + 2 * MINUTE_MS + 1)).error_message).toMatch(/paused/);
  });
});

describe('a drawdown', () => {
  it('halts the trader until somebody who names it resumes it', async () => {
    await worth('holder', 13_000, T0);
    await worth('holder', 12_000, MIDNIGHT);
    await worth('holder', 11_000, MIDNIGHT + DAY_MS);
    expect(await stateOf()).toMatchObject({ state: 'running' });
    await worth('holder', 10_000, MIDNIGHT + 2 * DAY_MS);
    await worth('holder', 9100, MIDNIGHT + 3 * DAY_MS);
    expect(await stateOf()).toMatchObject({ state: 'halted', pauseUntilMs: null });
    expect((await cycle(MIDNIGHT + 9 * DAY_MS)).error_message).toMatch(
      /^the trader is halted \(drawdown breaker: lost 3900/,
    );
    const control = controlOf(arena.run.resources);
    expect(await resumeModels(control, ['holder'])).toMatchObject([{ changed: false }]);
    expect(await resumeModels(control, ['holder'], true)).toMatchObject([{ changed: true, state: 'running' }]);
  });
});

describe('breakers', () => {
  it('are off for a model that says so', async () => {
    await worth('bold', 10_000, T0);
    await worth('bold', 100, T0 + MINUTE_MS);
    expect(await stateOf('bold')).toMatchObject({ state: 'running' });
  });

  it('leave traders alone that do not trade', async () => {
    await shadowModels(controlOf(arena.run.resources), ['holder']);
    await worth('holder', 10_000, T0);
    await worth('holder', 5000, T0 + MINUTE_MS);
    expect(await stateOf()).toMatchObject({ state: 'shadow' });
    expect(await count(arena.db, `audit_log WHERE what = 'breaker'`)).toBe(0);
  });
});
