import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reserveBudget, settleBudget } from '../../src/store/llm-budget.ts';
import { createRun, type TestRun } from '../harness.ts';

const DAY = '2025-09-15';

let run: TestRun;
let models = 0;

beforeAll(async () => {
  run = await createRun();
});
afterAll(() => run.close());

type Sums = { requests: number; tokens: number; usd: number };

async function committed(model: string): Promise<Sums> {
  const [row] = await run.resources.db.query<Sums>(
    'SELECT requests, reserved_tokens + used_tokens AS tokens, reserved_usd + cost_usd AS usd FROM llm_usage WHERE model_id = $1',
    [model],
  );
  return row ?? { requests: 0, tokens: 0, usd: 0 };
}

it('is never passed by calls that are reserved at the same moment', async () => {
  const { db } = run.resources;
  const limit = { tokens: 1000, usd: 1 };
  const granted = await Promise.all(
    Array.from({ length: 200 }, () => reserveBudget(db, 'crowd', DAY, { tokens: 70, usd: 0.01 }, limit)),
  );
  expect(granted.filter(Boolean)).toHaveLength(14);
  expect(await committed('crowd')).toEqual({ requests: 14, tokens: 980, usd: expect.closeTo(0.14, 9) });
});

it('is never passed in tokens nor in dollars, in whatever order calls are reserved, settled and lost', async () => {
  const call = fc.record({
    tokens: fc.integer({ min: 1, max: 400 }),
    usd: fc.double({ min: 0, max: 0.4, noNaN: true }),
    used: fc.double({ min: 0, max: 1, noNaN: true }),
    // A process that dies between the two leaves the reservation.
    isLost: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(call, { minLength: 1, maxLength: 8 }), { maxLength: 5 }), async (rounds) => {
      const { db } = run.resources;
      const model = `m${models++}`;
      const limit = { tokens: 1000, usd: 1 };
      const spent = { tokens: 0, usd: 0 };
      for (const round of rounds) {
        await Promise.all(
          round.map(async ({ tokens, usd, used, isLost }) => {
            if (!(await reserveBudget(db, model, DAY, { tokens, usd }, limit))) return;
            const real = { tokens: Math.floor(tokens * used), usd: usd * used };
            if (!isLost) await settleBudget(db, model, DAY, { tokens, usd }, real);
            spent.tokens += isLost ? tokens : real.tokens;
            spent.usd += isLost ? usd : real.usd;
          }),
        );
        const now = await committed(model);
        expect(now.tokens).toBeLessThanOrEqual(limit.tokens);
        expect(now.usd).toBeLessThanOrEqual(limit.usd + 1e-9);
      }
      const end = await committed(model);
      expect(end.tokens).toBe(spent.tokens);
      expect(end.usd).toBeCloseTo(spent.usd, 9);
    }),
    { numRuns: 40 },
  );
});

it('of another model or day is untouched', async () => {
  const { db } = run.resources;
  const [want, limit] = [
    { tokens: 10, usd: 0 },
    { tokens: 10, usd: null },
  ];
  expect(await reserveBudget(db, 'one', DAY, want, limit)).toBe(true);
  expect(await reserveBudget(db, 'one', DAY, want, limit)).toBe(false);
  expect(await reserveBudget(db, 'two', DAY, want, limit)).toBe(true);
  expect(await reserveBudget(db, 'one', '2025-09-16', want, limit)).toBe(true);
});
