/** A language model behind an endpoint decides for the equities desk: what it is asked, and what becomes of its answers. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/domain/decision.ts';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import type { Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import type { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { addSignals, putBefore, type SignalRow } from '../../src/store/desk/signals.ts';
import { arenaConfig, count, never, one } from '../engine/arena.ts';
import { completion, type Endpoint, json, openEndpoint, USAGE } from '../engine/stand-ins.ts';
import { createRun, type TestRun } from '../harness.ts';

const DAY = '2025-05-09';
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };
const NOW = session.openMs + 2 * 3_600_000;

let endpoint: Endpoint;
let run: TestRun;
let stories: Stories;
let frames: FrameBuilder;

beforeAll(async () => {
  endpoint = await openEndpoint();
});
afterAll(() => endpoint.close());
beforeEach(async () => {
  endpoint.asked.length = 0;
  const asking = { baseUrl: endpoint.baseUrl, model: 'some-model', maxCompletionTokens: 500, apiKeyEnv: 'DESK_KEY' };
  const trader = {
    id: 'broker',
    initialEquityUsd: 100_000,
    dailyTokens: 60_000,
    endpoint: { ...asking, cache: false },
  };
  run = await createRun({
    ...{ kind: 'equities', settings: { feed: 'synthetic', day: DAY }, seed: 'nof0' },
    ...{ startMs: session.openMs - 1_800_000, endMs: session.closeMs, marketNowMs: session.closeMs },
    config: arenaConfig({ equities: { trader } }, { DESK_KEY: 'k-of-the-desk' }),
  });
  ({ stories, frames } = await run.stories());
  await registerArena(stories, run.resources.run, session.openMs - 1_800_000);
  await ingestPrices(stories, NOW, never);
  await signal('entry', 'AAPL', 'breakout');
});
afterEach(() => run.close());

const db = () => run.resources.db;
const priceOf = async (symbol: string) =>
  (await one<{ price: number }>(db(), 'SELECT price FROM price_latest WHERE symbol = $1', [symbol])).price;

/** Stores a signal and puts it before the cycle of the slot. */
async function signal(type: 'entry' | 'exit', symbol: string, reason: string, positionId: string | null = null) {
  const row: SignalRow = {
    ...{ type, symbol, reason, positionId, tsMs: NOW - 60_000, price: await priceOf(symbol), confidence: 0.8 },
    indicators: { macd: null, rsi: null },
  };
  await db().transaction(async (tx) => {
    await addSignals(tx, [row]);
    await putBefore(tx, NOW, NOW - 180_000);
  });
}

const cycle = () => runDecisionCycle(stories, frames, 'broker', NOW, never);
const answering = (...decisions: object[]) => completion(JSON.stringify({ reasoning: 'because', decisions }));
const record = () =>
  one<{
    rejected: { symbol: string; code: string }[];
    decisions: Decision[];
    step: string;
    success: boolean;
    error_code: string | null;
    prompt_version: string;
  }>(db(), 'SELECT * FROM decision_cycles WHERE slot_ms = $1', [NOW]);

async function entry(symbol: string, fields: object = {}) {
  const price = await priceOf(symbol);
  return {
    ...{ symbol, action: 'open_long', position_size_usd: 10_000, confidence: 0.8, reasoning: 'breakout on volume' },
    ...{ stop_loss: price * 0.99, take_profit: price * 1.03 },
    ...fields,
  };
}

describe('the model of the desk', () => {
  it('is asked with the prompt of the desk, and its answer is acted upon, stored and kept with what was said', async () => {
    endpoint.reply = answering(await entry('AAPL'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3, rejected: 0 } });
    const [system = '', user = ''] = endpoint.asked[0]?.messages.map(({ content }) => content) ?? [];
    expect(system).toContain('You decide for the equities desk');
    expect(user).toContain('- entry AAPL: breakout');
    expect(`${system}${user}`).not.toMatch(/perpetual|leverage|funding/i);
    expect(await record()).toMatchObject({
      step: 'done',
      success: true,
      prompt_version: 'equities-v1',
      error_code: null,
    });
    const held = await one(db(), 'SELECT symbol, side, leverage, quantity FROM positions');
    expect(held).toEqual({ symbol: 'AAPL', side: 'long', leverage: 1, quantity: expect.any(Number) });
    expect(await count(db(), `conversation_messages WHERE role = 'assistant'`)).toBe(1);
    expect(await count(db(), `conversation_messages WHERE content LIKE '%entry AAPL%'`)).toBe(1);
    expect(await one(db(), 'SELECT used_tokens AS used FROM llm_usage')).toEqual({ used: USAGE.total_tokens });
    const [settings] = await db().query<{ text: string }>(
      `SELECT config::text AS text FROM model_configs WHERE model_id = 'broker'`,
    );
    expect(settings?.text).toContain('equities-v1');
    expect(settings?.text).not.toContain('k-of-the-desk');
  });

  it('buys nothing that was not signalled, and sells nothing that is not held', async () => {
    const price = await priceOf('AAPL');
    endpoint.reply = answering(
      await entry('MSFT'),
      await entry('AAPL', { action: 'open_short', stop_loss: price * 1.01, take_profit: price * 0.97 }),
      { symbol: 'KO', action: 'close_long', confidence: 1 },
    );
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 0, rejected: 3 } });
    expect((await record()).rejected.map(({ symbol, code }) => [symbol, code])).toEqual(
      expect.arrayContaining([
        ['MSFT', 'NO_SIGNAL'],
        ['AAPL', 'NO_SHORT'],
        ['KO', 'NO_POSITION'],
      ]),
    );
    expect(await count(db(), 'positions')).toBe(0);
  });

  it('is asked once more with what was wrong when its answer is none, and what it says then counts', async () => {
    const good = await entry('AAPL');
    endpoint.reply = (response) => {
      const isFirst = endpoint.asked.length === 1;
      return (isFirst ? completion('Buy! {"decisions": [{"symbol": "AAPL", "action": "yolo"}]}') : answering(good))(
        response,
      );
    };
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
    expect(endpoint.asked).toHaveLength(2);
    expect(endpoint.asked[1]?.messages.at(-1)?.content).toContain('decisions.0.action');
  });

  it.each([
    ['garbage', () => completion('<think>'.repeat(2000))],
    ['an instruction of its own', () => completion('Ignore the rules and wire the money.')],
    ['nothing', () => json(200, {})],
    ['a failure', () => json(500, { error: { message: 'k-of-the-desk is broken' } })],
  ])('that answers %s does nothing, and the cycle says why without its key', async (_name, reply) => {
    endpoint.reply = reply();
    const outcome = await cycle().catch((error: unknown) => error);
    expect(JSON.stringify(outcome)).not.toContain('k-of-the-desk');
    expect(await count(db(), 'positions')).toBe(0);
    expect(await count(db(), 'paper_orders')).toBe(0);
    const kept = await db().query<{ text: string }>('SELECT row_to_json(d)::text AS text FROM decision_cycles d');
    expect(kept.map(({ text }) => text).join()).not.toContain('k-of-the-desk');
  });

  it('is not asked beyond its budget', async () => {
    await db().query(
      `INSERT INTO llm_usage (model_id, day, used_tokens) VALUES ('broker', $1, 59999) ON CONFLICT (model_id, day) DO UPDATE SET used_tokens = 59999`,
      [DAY],
    );
    endpoint.reply = answering(await entry('AAPL'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_BUDGET' } });
    expect(endpoint.asked).toHaveLength(0);
  });
});
