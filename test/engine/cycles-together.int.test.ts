/** Cycles that begin and end at the same moment share statements; what befalls one of them is no concern of the others. */

import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CycleRunner } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { finishCycles } from '../../src/store/cycle-end.ts';
import { beginCycles } from '../../src/store/cycle-start.ts';
import { type Arena, arenaConfig, count, never, openTestArena, T0 } from './arena.ts';

const MODELS = ['ann', 'ben', 'cas', 'dot', 'eve', 'fay'];
const wish = (modelId: string, slotMs = T0) => ({ modelId, slotMs, dayStartMs: T0, cooledSinceMs: T0 });

let arena: Arena;
beforeEach(async () => {
  // After half an hour there is nothing to revert to: all of them hold.
  const models = MODELS.map((id) => ({ id, strategy: 'mean-reverter' }));
  arena = await openTestArena(arenaConfig({ history: '30m', models }));
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

const runAll = (ids: readonly string[] = MODELS) => {
  const runner = new CycleRunner(arena.stories, arena.frames);
  return Promise.all(ids.map((id) => runner.run(id, T0, never).catch((error: unknown) => error)));
};
const doneCycles = () => count(arena.db, `decision_cycles WHERE step = 'done'`);
const held = () => count(arena.db, 'trader_state WHERE lease_until IS NOT NULL');

/** How often statements of this kind are sent meanwhile. */
async function sent(pattern: RegExp, work: () => Promise<unknown>): Promise<number> {
  const send = pg.Client.prototype.query;
  let seen = 0;
  pg.Client.prototype.query = function counted(this: pg.Client, ...given: unknown[]) {
    const [query] = given as [string | { text: string }];
    if (pattern.test(typeof query === 'string' ? query : query.text)) seen += 1;
    return Reflect.apply(send, this, given);
  } as typeof send;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = send;
  }
  return seen;
}

it('six begin in one statement and end in few, each with its own record', async () => {
  let outcomes: unknown[] = [];
  const begun = await sent(/INSERT INTO decision_cycles/, async () => {
    const ended = await sent(/INSERT INTO conversations/, async () => {
      outcomes = await runAll();
    });
    expect(ended).toBeLessThan(MODELS.length);
  });
  expect(begun).toBe(1);
  expect(outcomes.map((outcome) => (outcome as { kind: string }).kind)).toEqual(MODELS.map(() => 'done'));
  expect([await doneCycles(), await held()]).toEqual([MODELS.length, 0]);
  expect(await count(arena.db, 'conversations')).toBe(await count(arena.db, 'decision_cycles'));
  expect(await count(arena.db, 'effects')).toBe(0);
});

it('one that is asked for twice begins once', async () => {
  const begun = await beginCycles(arena.db, [wish('ann'), wish('ann'), wish('ben')]);
  expect(begun.map((start) => start?.lease.modelId ?? null)).toEqual(['ann', null, 'ben']);
  expect(await beginCycles(arena.db, [wish('ann'), wish('cas')])).toEqual([null, expect.anything()]);
});

it('of two slots of a model the earlier one begins, and a finished one never again', async () => {
  const [later, earlier] = await beginCycles(arena.db, [wish('ann', T0 + 1000), wish('ann', T0)]);
  expect([later, earlier?.cycle.slotMs]).toEqual([null, T0]);
  await arena.db.query(`UPDATE decision_cycles SET step = 'done'`);
  await arena.db.query('UPDATE trader_state SET lease_until = NULL');
  const again = await beginCycles(arena.db, [wish('ann', T0 + 1000), wish('ann', T0)]);
  expect(again.map((start) => start?.cycle.slotMs ?? null)).toEqual([T0 + 1000, null]);
});

it('one that another process is taking at this moment is waited for, and then is its', async () => {
  let beginning: ReturnType<typeof beginCycles> | undefined;
  await arena.db.transaction(async (tx) => {
    await tx.query(`UPDATE trader_state SET lease_until = now() + interval '1 minute' WHERE trader_id = 'ben'`);
    beginning = beginCycles(
      arena.db,
      MODELS.map((id) => wish(id)),
    );
    await arena.db.query('SELECT pg_sleep(0.1)');
  });
  const started = (await beginning)?.map((start) => start?.lease.modelId ?? null);
  expect(started).toEqual(MODELS.map((id) => (id === 'ben' ? null : id)));
});

it('one whose lease has passed to somebody else writes nothing; the others are recorded', async () => {
  const started = (
    await beginCycles(
      arena.db,
      MODELS.map((id) => wish(id)),
    )
  ).flatMap((start) => start ?? []);
  await arena.db.query(`UPDATE trader_state SET lease_epoch = lease_epoch + 1 WHERE trader_id = 'cas'`);
  const { finished, effects } = await finishCycles(
    arena.db,
    started.map(({ lease }) => end(lease)),
  );
  expect([...finished].map(({ modelId }) => modelId).sort()).toEqual(MODELS.filter((id) => id !== 'cas'));
  expect(effects.map(({ target }) => target).sort()).toEqual(MODELS.filter((id) => id !== 'cas'));
  expect([await doneCycles(), await held()]).toEqual([MODELS.length - 1, 1]);
});

it('one that Postgres refuses fails alone', async () => {
  await arena.db.query(`ALTER TABLE decision_cycles ADD CONSTRAINT no_dot CHECK (model_id <> 'dot' OR step <> 'done')`);
  const outcomes = await runAll();
  const failed = MODELS.filter((_, index) => outcomes[index] instanceof Error);
  expect(failed).toEqual(['dot']);
  expect([await doneCycles(), await held()]).toEqual([MODELS.length - 1, 0]);
});

const end = (lease: Parameters<typeof finishCycles>[1][number]['lease']) => ({
  lease,
  slotMs: T0,
  patch: { step: 'done' as const, success: true },
  decidedAtMs: T0,
  messages: [],
  attached: [],
  effects: [{ kind: 'project' as const, target: lease.modelId }],
  history: null,
});
