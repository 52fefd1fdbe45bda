import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { type Control, findModels, findTargets, pauseQueues, resumeQueues } from '../../src/engine/control.ts';
import { pauseModels, resumeModels, shadowModels, unshadowModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { enqueueEffect, jobsOf } from '../../src/jobs/registry.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { type Arena, arenaConfig, cached, count, never, one, openTestArena, T0 } from '../engine/arena.ts';
import { whileDeciding } from '../engine/stand-ins.ts';
import { auditRows, controlOf, queueOf, startProcess, WHO, type WorkerProcess } from './control-support.ts';
import { age, commit, deferred, emptyPlatform, eventually, outboxTargets } from './support.ts';

const MINUTE_MS = 60_000;

let arena: Arena;
let control: Control;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  // The last one shares its name with a queue, as people sometimes do.
  const ids = ['holder', 'twin', 'a:b', 'snapshot'];
  const models = ids.map((id) => ({ id, strategy: 'buy-and-hold' }));
  arena = await openTestArena(arenaConfig({ history: '30m', models }));
  await ingestPrices(arena.stories, T0, never);
  control = controlOf(arena.run.resources);
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((each) => each.close()));
  await arena.db.query(`UPDATE trader_state SET state = 'running', metadata = '{}'`);
  await auditRows(arena.run.resources);
  await emptyPlatform(arena.run.resources);
});

afterAll(() => arena.run.close());

const stateOf = async (id: string) => (await traderStates(arena.db, [id]))[0]?.state;
const become = (id: string, state: string) =>
  arena.db.query('UPDATE trader_state SET state = $2 WHERE trader_id = $1', [id, state]);
const cycleOf = (modelId: string, slotMs: number, stories = arena.stories) =>
  runDecisionCycle(stories, arena.frames, modelId, slotMs, never);
const recordOf = (modelId: string, slotMs: number) =>
  one<{ step: string; success: boolean; orders: unknown; error_message: string | null }>(
    arena.db,
    'SELECT step, success, orders, error_message FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2',
    [modelId, slotMs],
  );
const placed = (modelId: string) => count(arena.db, 'paper_orders WHERE account = $1', [modelId]);

describe('a target', () => {
  it.each([
    ['decision-cycle', { queues: ['decision-cycle'], models: [] }],
    ['holder', { queues: [], models: ['holder'] }],
    ['a:b', { queues: [], models: ['a:b'] }],
    ['model:a:b', { queues: [], models: ['a:b'] }],
    ['queue:snapshot', { queues: ['snapshot'], models: [] }],
    ['model:snapshot', { queues: [], models: ['snapshot'] }],
    ['all', { queues: [], models: ['a:b', 'holder', 'snapshot', 'twin'] }],
    ['queues', { queues: jobsOf('synthetic'), models: [] }],
  ])('"%s" is found', async (word, targets) => {
    expect(await findTargets(control, word)).toEqual(targets);
  });

  it.each([
    ['snapshot', /is a queue and a model: say queue:snapshot or model:snapshot/],
    ['analitics', /did you mean analytics\?/],
    ['holdr', /did you mean holder\?/],
    ['', /expected a model \(a:b, holder, snapshot, twin\), "all" .*, a queue \(price-ingest, .*\) or "queues"/],
  ])('"%s" is refused', async (word, message) => {
    await expect(findTargets(control, word)).rejects.toMatchObject({
      code: 'NOF0_INPUT_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

describe('a model', () => {
  it('is found by its name alone, whatever queue is called the same', async () => {
    expect(await findModels(control, 'snapshot')).toEqual(['snapshot']);
    expect(await findModels(control, 'all')).toEqual(['a:b', 'holder', 'snapshot', 'twin']);
    await expect(findModels(control, 'twim')).rejects.toMatchObject({
      code: 'NOF0_MODEL_UNKNOWN',
      message: expect.stringContaining('did you mean twin?'),
    });
  });
});

describe('a paused queue', () => {
  const snapshot = (modelId: string) => enqueueEffect('snapshot', { modelId, asOfMs: T0 });
  const request = async (modelId: string) =>
    arena.run.resources.outbox.drain(await commit(arena.db, [snapshot(modelId)]));

  it('keeps its jobs from workers that run and workers that start, until it is resumed', async () => {
    const { resources } = arena.run;
    const started = deferred();
    const gate = deferred();
    const ended: string[] = [];
    const handler = async ({ modelId }: { modelId: string }) => {
      if (modelId === 'first') {
        started.resolve();
        await gate.promise;
      }
      ended.push(modelId);
      return done();
    };
    processes.push(await startProcess(arena.run, { snapshot: handler }));
    await request('first');
    await started.promise;
    expect(await pauseQueues(control, ['snapshot'])).toEqual([
      { target: 'queue:snapshot', changed: true, state: 'paused' },
    ]);
    await request('second');
    gate.resolve();
    // A running job finishes; another queue's worker shows that time has passed.
    await eventually(() => expect(ended).toEqual(['first']));
    processes.push(
      await startProcess(arena.run, { snapshot: handler, analytics: async () => done({ note: ended.push('other') }) }),
    );
    await resources.outbox.drain(await commit(arena.db, [enqueueEffect('analytics', { asOfMs: T0 })]));
    await eventually(async () => expect(await outboxTargets(arena.db)).toEqual(['snapshot_second']));
    await age(arena.db);
    await resources.outbox.relay();
    expect(await queueOf(resources, 'snapshot').getWaitingCount()).toBe(1);
    expect(ended).toEqual(['first', 'other']);

    expect(await resumeQueues(control, ['snapshot'])).toMatchObject([{ changed: true, state: 'running' }]);
    await eventually(() => expect(ended).toEqual(['first', 'other', 'second']));
    await eventually(async () => expect(await outboxTargets(arena.db)).toEqual([]));
    expect(await auditRows(resources)).toEqual([
      { who: WHO, what: 'pause', target: 'queue:snapshot', before: { paused: false }, after: { paused: true } },
      { who: WHO, what: 'resume', target: 'queue:snapshot', before: { paused: true }, after: { paused: false } },
    ]);
  });

  it('stays paused when it is paused twice, and says so', async () => {
    const { queues } = await findTargets(control, 'queues');
    expect((await pauseQueues(control, queues)).every(({ changed }) => changed)).toBe(true);
    expect((await pauseQueues(control, queues)).some(({ changed }) => changed)).toBe(false);
    for (const queue of arena.run.resources.queues.all()) expect(await queue.isPaused()).toBe(true);
    await resumeQueues(control, queues);
    for (const queue of arena.run.resources.queues.all()) expect(await queue.isPaused()).toBe(false);
  });
});

describe('a paused model', () => {
  it('holds at once: its cycle is recorded without success, nothing is asked, sent or opened', async () => {
    expect(await pauseModels(control, ['holder'])).toEqual([
      { target: 'model:holder', changed: true, state: 'paused' },
    ]);
    let asked = 0;
    const stories = whileDeciding(arena.stories, 'holder', async () => {
      asked += 1;
    });
    expect(await cycleOf('holder', T0, stories)).toEqual({ kind: 'done', note: { orders: 0, rejected: 0 } });
    expect(await recordOf('holder', T0)).toEqual({
      step: 'done',
      success: false,
      orders: null,
      error_message: `the trader is paused (by ${WHO})`,
    });
    expect([asked, await placed('holder'), await count(arena.db, 'positions')]).toEqual([0, 0, 0]);
    expect(await cached(arena.run, 'traderState', 'holder')).toMatchObject({ state: 'paused' });
    // The others go on.
    expect(await cycleOf('a:b', T0)).toMatchObject({ note: { orders: 12 } });
  });

  it('sends nothing of what it was asked before it was paused', async () => {
    const stories = whileDeciding(arena.stories, 'twin', async () => {
      await pauseModels(control, ['twin']);
    });
    expect(await cycleOf('twin', T0, stories)).toMatchObject({ kind: 'done', note: { orders: 0 } });
    expect(await recordOf('twin', T0)).toMatchObject({
      success: false,
      orders: null,
      error_message: `the trader is paused (by ${WHO})`,
    });
    expect(await placed('twin')).toBe(0);
  });

  it('decides again when it is resumed', async () => {
    await pauseModels(control, ['twin']);
    await resumeModels(control, ['twin']);
    expect(await cached(arena.run, 'traderState', 'twin')).toMatchObject({ state: 'running' });
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    expect(await cycleOf('twin', T0 + MINUTE_MS)).toMatchObject({ note: { orders: 12 } });
    expect(await auditRows(arena.run.resources)).toEqual([
      { who: WHO, what: 'pause', target: 'model:twin', before: { state: 'running' }, after: { state: 'paused' } },
      { who: WHO, what: 'resume', target: 'model:twin', before: { state: 'paused' }, after: { state: 'running' } },
    ]);
  });

  it('goes back into the shadow it came from, not into trading', async () => {
    await become('twin', 'shadow');
    await pauseModels(control, ['twin']);
    expect(await stateOf('twin')).toBe('paused');
    await resumeModels(control, ['twin']);
    expect(await stateOf('twin')).toBe('shadow');
  });

  it('is none that was halted or retired, and resuming all does not wake those', async () => {
    await become('holder', 'retired');
    await become('twin', 'halted');
    const every = ['holder', 'twin', 'a:b'];
    expect(await pauseModels(control, every)).toEqual([
      { target: 'model:holder', changed: false, state: 'retired' },
      { target: 'model:twin', changed: false, state: 'halted' },
      { target: 'model:a:b', changed: true, state: 'paused' },
    ]);
    expect((await resumeModels(control, every)).map(({ state }) => state)).toEqual(['retired', 'halted', 'running']);
    expect((await auditRows(arena.run.resources)).map(({ target }) => target)).toEqual(['model:a:b', 'model:a:b']);
  });

  it('wakes from a halt when it is named', async () => {
    await become('twin', 'halted');
    expect(await resumeModels(control, ['twin'], true)).toEqual([
      { target: 'model:twin', changed: true, state: 'running' },
    ]);
    await become('holder', 'retired');
    expect(await resumeModels(control, ['holder'], true)).toMatchObject([{ changed: false, state: 'retired' }]);
  });

  it('that is put into the shadow stays paused, and goes on there', async () => {
    await pauseModels(control, ['twin']);
    expect(await shadowModels(control, ['twin'])).toEqual([
      { target: 'model:twin', changed: true, state: 'paused, goes on in the shadow when resumed' },
    ]);
    expect(await shadowModels(control, ['twin'])).toMatchObject([{ changed: false }]);
    expect(await resumeModels(control, ['twin'])).toMatchObject([{ changed: true, state: 'shadow' }]);
    // Said twice it is no way out of the shadow.
    expect(await resumeModels(control, ['twin'], true)).toMatchObject([{ changed: false, state: 'shadow' }]);
    expect(await auditRows(arena.run.resources)).toEqual([
      { who: WHO, what: 'pause', target: 'model:twin', before: { state: 'running' }, after: { state: 'paused' } },
      {
        ...{ who: WHO, what: 'shadow', target: 'model:twin' },
        ...{ before: { state: 'paused' }, after: { state: 'paused', resumesAs: 'shadow' } },
      },
      {
        ...{ who: WHO, what: 'resume', target: 'model:twin' },
        ...{ before: { state: 'paused', resumesAs: 'shadow' }, after: { state: 'shadow' } },
      },
    ]);
  });

  it('is paused once by two people at the same time', async () => {
    const every = ['holder', 'twin', 'a:b', 'snapshot'];
    const both = await Promise.all([pauseModels(control, every), pauseModels(control, [...every].reverse())]);
    expect(both.flat().filter(({ changed }) => changed)).toHaveLength(4);
    expect(both.flat().every(({ state }) => state === 'paused')).toBe(true);
    expect(await auditRows(arena.run.resources)).toHaveLength(4);
    await resumeModels(control, every);
    expect(await Promise.all(every.map(stateOf))).toEqual(Array(4).fill('running'));
  });
});

describe('a model in the shadow', () => {
  it('decides and sends nothing, and trades again when it is let out', async () => {
    expect(await shadowModels(control, ['snapshot'])).toMatchObject([{ changed: true, state: 'shadow' }]);
    const slotMs = T0 + 2 * MINUTE_MS;
    await ingestPrices(arena.stories, slotMs, never);
    expect(await cycleOf('snapshot', slotMs)).toMatchObject({ kind: 'done', note: { orders: 0 } });
    expect(await recordOf('snapshot', slotMs)).toMatchObject({ success: true, error_message: null });
    const decided = await one<{ n: number }>(
      arena.db,
      'SELECT jsonb_array_length(decisions) AS n FROM decision_cycles WHERE model_id = $1 AND slot_ms = $2',
      ['snapshot', slotMs],
    );
    expect(decided.n).toBeGreaterThan(0);
    expect(await placed('snapshot')).toBe(0);
    expect(await unshadowModels(control, ['snapshot'])).toMatchObject([{ changed: true, state: 'running' }]);
    const next = slotMs + MINUTE_MS;
    await ingestPrices(arena.stories, next, never);
    expect(await cycleOf('snapshot', next)).toMatchObject({ note: { orders: 12 } });
  });

  it('sends nothing of what it decided before it was put there', async () => {
    const slotMs = T0 + 4 * MINUTE_MS;
    await ingestPrices(arena.stories, slotMs, never);
    const before = await placed('holder');
    const stories = whileDeciding(arena.stories, 'holder', async () => {
      await shadowModels(control, ['holder']);
    });
    await cycleOf('holder', slotMs, stories);
    expect(await placed('holder')).toBe(before);
  });
});
