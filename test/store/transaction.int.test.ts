import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Queryable } from '../../src/store/database.ts';
import { withinWork } from '../../src/telemetry/work.ts';
import { createRun, type TestRun } from '../harness.ts';

let run: TestRun;
beforeAll(async () => {
  run = await createRun();
});
afterAll(() => run.close());
beforeEach(() => run.resources.db.query('DELETE FROM symbols'));

const add = (door: Queryable, symbol: string) =>
  door.query<{ symbol: string }>('INSERT INTO symbols (symbol) VALUES ($1) RETURNING symbol', [symbol]);
const stored = async () => {
  const rows = await run.resources.db.query<{ symbol: string }>('SELECT symbol FROM symbols ORDER BY symbol');
  return rows.map(({ symbol }) => symbol);
};

describe('the last statement of a transaction', () => {
  it('is answered, and committed with everything before it', async () => {
    const rows = await run.resources.db.transaction(async (tx, last) => {
      await add(tx, 'A');
      expect(await stored()).toEqual([]);
      return add(last, 'B');
    });
    expect(rows).toEqual([{ symbol: 'B' }]);
    expect(await stored()).toEqual(['A', 'B']);
  });

  it('may be the only one', async () => {
    await run.resources.db.transaction((_tx, last) => add(last, 'A'));
    expect(await stored()).toEqual(['A']);
  });

  it('that Postgres refuses takes everything before it back', async () => {
    const refused = run.resources.db.transaction(async (tx, last) => {
      await add(tx, 'A');
      await add(last, 'A');
    });
    await expect(refused).rejects.toMatchObject({ code: '23505' });
    expect(await stored()).toEqual([]);
  });

  it('is followed by none', async () => {
    const talkative = run.resources.db.transaction(async (tx, last) => {
      await add(last, 'A');
      await add(tx, 'B');
    });
    await expect(talkative).rejects.toMatchObject({ code: 'NOF0_INTERNAL' });
    expect(await stored()).not.toContain('B');
  });

  it('of work that has been told to stop is not sent, and nothing is committed', async () => {
    const stop: { reason: string | null } = { reason: null };
    const stopped = withinWork({ job: 'test', stop }, () =>
      run.resources.db.transaction(async (tx, last) => {
        await add(tx, 'A');
        stop.reason = 'told to stop';
        await add(last, 'B');
      }),
    );
    await expect(stopped).rejects.toBe('told to stop');
    expect(await stored()).toEqual([]);
  });

  it('whose connection has died fails, and nothing is committed', async () => {
    const { db } = run.resources;
    const died = db.transaction(async (tx, last) => {
      const [me] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await add(tx, 'A');
      await db.query('SELECT pg_terminate_backend($1)', [me?.pid]);
      await add(last, 'B');
    });
    await expect(died).rejects.toThrow();
    expect(await stored()).toEqual([]);
  });
});

it('a transaction that throws is rolled back, also before its first statement, and its client is of use again', async () => {
  const { db } = run.resources;
  for (let time = 0; time < 20; time++) {
    await expect(db.transaction(() => Promise.reject(new Error('changed my mind')))).rejects.toThrow('changed my mind');
    const late = db.transaction(async (tx) => {
      await add(tx, 'A');
      throw new Error('changed my mind');
    });
    await expect(late).rejects.toThrow('changed my mind');
  }
  await db.transaction((tx) => add(tx, 'B'));
  expect(await stored()).toEqual(['B']);
});

it('statements of one transaction may be asked side by side', async () => {
  const rows = await run.resources.db.transaction((tx) =>
    Promise.all(['A', 'B', 'C'].map((symbol) => add(tx, symbol))),
  );
  expect(rows.flat().map(({ symbol }) => symbol)).toEqual(['A', 'B', 'C']);
  expect(await stored()).toEqual(['A', 'B', 'C']);
});
