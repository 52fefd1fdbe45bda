/** How participants come and go: what is written down about their settings, and that nobody leaves with a position. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config.ts';
import { addModel, retireModel } from '../../src/engine/control-models.ts';
import type { Desk } from '../../src/engine/control-positions.ts';
import { resumeModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { openTraders } from '../../src/resources.ts';
import { modelConfig, modelHistory } from '../../src/store/models.ts';
import { listSchedules } from '../../src/store/schedules.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { auditRows, controlOf, WHO } from '../platform/control-support.ts';
import { type Arena, arenaConfig, count, never, openTestArena, T0 } from './arena.ts';
import { withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const MODEL = 'holder';
const WAIT_MS = 2000;

let arena: Arena;
let desk: Desk;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m', guardrails: { cooldown: '0s' } }));
  desk = { control: controlOf(arena.run.resources), stories: arena.stories, signal: never };
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

const cycle = (minute: number) => runDecisionCycle(arena.stories, arena.frames, MODEL, T0 + minute * MINUTE_MS, never);
const stateOf = async (id = MODEL) => (await traderStates(arena.db, [id]))[0]?.state;
const scheduled = async () =>
  (await listSchedules(arena.db)).filter(({ payload }) => payload.modelId === MODEL).map(({ job }) => job);
/** The same arena with another arena file. */
function configured(config: Config): Desk['stories'] {
  return { ...arena.stories, config, traders: openTraders({ ...arena.run.resources, config }) };
}
const fileWith = (...models: object[]) => arenaConfig({ history: '30m', models });

describe('the history of a model', () => {
  it('says when its settings changed, by whom, and keeps them all', async () => {
    const [added] = await modelHistory(arena.db, MODEL, 10);
    expect(added).toMatchObject({ what: 'added', who: 'platform', promptDigest: null });
    const now = configured(fileWith({ id: MODEL, strategy: 'breakout' }, { id: 'twin', strategy: 'buy-and-hold' }));
    for (let starts = 0; starts < 2; starts += 1) await registerArena(now, arena.run.resources.run, T0, 'carol@desk');
    // And back: the same settings once more are a change too.
    await registerArena(arena.stories, arena.run.resources.run, T0, 'dave@desk');
    const history = await modelHistory(arena.db, MODEL, 10);
    expect(history.map(({ what, who }) => [what, who])).toEqual([
      ['configured', 'dave@desk'],
      ['configured', 'carol@desk'],
      ['added', 'platform'],
    ]);
    expect(history[0]?.configDigest).toBe(history[2]?.configDigest);
    expect(await modelHistory(arena.db, 'twin', 10)).toHaveLength(1);
    const before = await modelConfig(arena.db, MODEL, history[1]?.configDigest?.slice(0, 6) ?? '');
    expect(before?.config).toMatchObject({ id: MODEL, strategy: 'breakout' });
  });

  it('several schedulers that start at once write it once', async () => {
    const now = configured(fileWith({ id: MODEL, strategy: 'breakout' }));
    await Promise.all([1, 2, 3].map(() => registerArena(now, arena.run.resources.run, T0, 'carol@desk')));
    expect(await modelHistory(arena.db, MODEL, 10)).toHaveLength(2);
  });
});

describe('a model that is added', () => {
  const file = () => fileWith({ id: MODEL, strategy: 'buy-and-hold' }, { id: 'late', strategy: 'buy-and-hold' });

  it('has an account and schedules, and waits for workers that know it', async () => {
    const stories = configured(file());
    const run = arena.run.resources.run;
    await expect(addModel({ ...desk, stories }, run, 'layt')).rejects.toThrow('did you mean late?');
    expect(await addModel({ ...desk, stories }, run, 'late')).toEqual({ model: 'late', added: true });
    expect(await addModel({ ...desk, stories }, run, 'late')).toEqual({ model: 'late', added: false });
    expect((await modelHistory(arena.db, 'late', 10)).map(({ what, who }) => [what, who])).toEqual([['added', WHO]]);
    expect((await stories.exchange.accountState('late')).equityUsd).toBe(10_000);
    const old = await runDecisionCycle(arena.stories, arena.frames, 'late', T0, never);
    expect(old).toMatchObject({ kind: 'snoozed' });
    expect((await runDecisionCycle(stories, arena.frames, 'late', T0, never)).kind).toBe('done');
    await expect(runDecisionCycle(stories, arena.frames, 'nobody', T0, never)).rejects.toMatchObject({
      code: 'NOF0_MODEL_UNKNOWN',
    });
  });
});

describe('a model that retires', () => {
  it('is refused while it has positions, and goes on as it was', async () => {
    await cycle(0);
    await expect(retireModel(desk, MODEL, false, WAIT_MS)).rejects.toMatchObject({ code: 'NOF0_MODEL_NOT_FLAT' });
    expect([await stateOf(), (await scheduled()).length]).toEqual(['running', 2]);
  });

  it('closes them when it is told to, leaves flat, and never comes back', async () => {
    await cycle(0);
    const done = await retireModel(desk, MODEL, true, WAIT_MS);
    expect(done).toMatchObject({ retired: true, changed: true, closing: { flat: true, closed: [{}, {}, {}, {}] } });
    const { positions, openOrders } = await arena.stories.exchange.accountState(MODEL);
    expect([positions, openOrders]).toEqual([[], []]);
    expect([await stateOf(), await scheduled()]).toEqual(['retired', []]);
    expect((await modelHistory(arena.db, MODEL, 1))[0]).toMatchObject({ what: 'retired', who: WHO });
    expect((await auditRows(arena.run.resources)).map(({ what }) => what)).toEqual([
      'pause',
      'retire',
      'retire done',
      'retire',
    ]);
    expect(await retireModel(desk, MODEL, true, WAIT_MS)).toMatchObject({ retired: true, changed: false });
    // Neither a resume nor the next start of a scheduler wakes it.
    await resumeModels(desk.control, [MODEL], true);
    await registerArena(arena.stories, arena.run.resources.run, T0);
    expect([await stateOf(), await scheduled()]).toEqual(['retired', []]);
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    await cycle(1);
    expect(await count(arena.db, `positions WHERE status = 'open' AND model_id = $1`, [MODEL])).toBe(0);
  });

  it('stays a paused one when its positions cannot be closed, and the same call goes on', async () => {
    await cycle(0);
    const stuck = withExchange(arena.stories, { send: async () => Promise.reject(new Error('the exchange is away')) });
    await expect(retireModel({ ...desk, stories: stuck }, MODEL, true, WAIT_MS)).rejects.toThrow('is away');
    expect([await stateOf(), (await scheduled()).length]).toEqual(['paused', 2]);
    expect(await retireModel(desk, MODEL, true, WAIT_MS)).toMatchObject({ retired: true, changed: true });
  });

  it('waits for the cycle in flight', async () => {
    await arena.db.query(
      `UPDATE trader_state SET lease_until = clock_timestamp() + interval '1 hour', lease_epoch = 7 WHERE trader_id = $1`,
      [MODEL],
    );
    await expect(retireModel(desk, MODEL, false, 200)).rejects.toMatchObject({ code: 'NOF0_TRADER_BUSY' });
    expect(await stateOf()).toBe('running');
  });
});
