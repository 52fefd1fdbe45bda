import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { createRun, type TestRun } from '../harness.ts';
import { INCEPTION_MS, MODELS, seed, TRADES_OF_EACH } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST, SECOND] = MODELS;

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

const get = <T extends z.ZodType>(path: string, shape: T) => shapes.getAnswer(api, path, shape);

describe('trades', () => {
  it('come newest first with all fields and times in seconds', async () => {
    const { trades } = await get('/api/trades', shapes.trades);
    expect(trades).toHaveLength(100);
    const times = trades.map((trade) => trade.exit_time);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(times[0]).toBe((INCEPTION_MS + 43 * 1001) / 1000);
  });

  it('are filtered by model, symbol and time', async () => {
    const ofModel = await get(`/api/trades?limit=1000&model_id=${SECOND}`, shapes.trades);
    expect(ofModel.trades).toHaveLength(TRADES_OF_EACH);
    const ofSymbol = await get(`/api/trades?model_id=${SECOND}&symbol=ETH`, shapes.trades);
    expect(ofSymbol.trades.every((trade) => trade.symbol === 'ETH' && trade.model_id === SECOND)).toBe(true);
    const since = (INCEPTION_MS + 42 * 1001) / 1000;
    const late = await get(`/api/trades?since=${since}`, shapes.trades);
    expect(late.trades.length).toBe(10);
    expect(Math.min(...late.trades.map((trade) => trade.exit_time))).toBe(since);
  });

  it.each([
    ['', 1],
    ['', 5],
    ['', 7],
    ['', 100],
    [`model_id=${SECOND}&`, 100],
    ['symbol=BTC&', 5],
    [`model_id=${FIRST}&`, 13],
    ['since=0&', 3],
  ])('come page by page without loss or repetition (%s%i a page)', async (filter, limit) => {
    const whole = await get(`/api/trades?${filter}limit=1000`, shapes.trades);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await get(`/api/trades?${filter}limit=${limit}&cursor=${cursor ?? ''}`, shapes.trades);
      expect(page.trades.length).toBeLessThanOrEqual(limit);
      seen.push(...page.trades.map((trade) => trade.id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(whole.trades.map((trade) => trade.id));
  });
});

describe('decisions', () => {
  it('come newest first and keep signed requests to themselves', async () => {
    const { decisions } = await get(`/api/decisions?model_id=${FIRST}`, shapes.decisions);
    expect(decisions.map((row) => row.cycle_number)).toEqual([5, 4, 3, 2, 1]);
    expect(JSON.stringify(decisions)).not.toContain('signed');
  });

  it('before a slot are older than it', async () => {
    const slot = INCEPTION_MS + 3 * 60_000;
    const { decisions } = await get(`/api/decisions?before=${slot}`, shapes.decisions);
    expect(decisions.map((row) => row.cycle_number)).toEqual([2, 2, 1, 1]);
  });

  it('come page by page without loss or repetition, also inside a slot', async () => {
    const seen: string[] = [];
    let before: string | undefined = '';
    while (before !== undefined) {
      const page: z.infer<typeof shapes.decisions> = await get(
        `/api/decisions?limit=3&before=${before}`,
        shapes.decisions,
      );
      seen.push(...page.decisions.map((row) => `${row.cycle_number} ${row.model_id}`));
      before = page.nextBefore;
    }
    expect(seen).toEqual([5, 4, 3, 2, 1].flatMap((cycle) => MODELS.map((id) => `${cycle} ${id}`)));
  });
});
