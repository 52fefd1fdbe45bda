import { rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Answer, Decision } from '../../src/domain/decision.ts';
import type { Rejection } from '../../src/domain/review.ts';
import type { Outcome, Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { CodedError } from '../../src/errors.ts';
import { checkKeys } from '../../src/projections/check.ts';
import type { CycleOrders } from '../../src/store/decisions.ts';
import { budgetCheck } from '../../src/store/llm-budget.ts';
import { tempDir } from '../temp-dir.ts';
import { type Arena, arenaConfig, cached, count, never, one, openTestArena, T0, until } from './arena.ts';
import { completion, type Endpoint, json, openEndpoint, USAGE, withExchange } from './stand-ins.ts';

const MINUTE_MS = 60_000;
const MODEL = 'sage';
/** USD a token. */
const PRICES = { prompt: 0.5 / 1e6, completion: 1.5 / 1e6 };
const COST_USD = USAGE.prompt_tokens * PRICES.prompt + USAGE.completion_tokens * PRICES.completion;

let endpoint: Endpoint;
let arena: Arena;

beforeAll(async () => {
  endpoint = await openEndpoint();
});
afterAll(() => endpoint.close());
afterEach(() => arena.run.close());

async function open(participant: object = {}, asking: object = {}): Promise<void> {
  endpoint.asked.length = 0;
  const settings = {
    ...{
      baseUrl: endpoint.baseUrl,
      model: 'some-model',
      maxCompletionTokens: 500,
      timeout: '20s',
      apiKeyEnv: 'SAGE_KEY',
    },
    ...{ promptUsdPerMillionTokens: 0.5, completionUsdPerMillionTokens: 1.5, ...asking },
  };
  const models = [{ id: MODEL, endpoint: settings, ...participant }];
  arena = await openTestArena(arenaConfig({ history: '30m', models }, { SAGE_KEY: 'k' }));
  await ingestPrices(arena.stories, T0, never);
}

const cycle = (stories: Stories = arena.stories, slotMs = T0, signal = never): Promise<Outcome> =>
  runDecisionCycle(stories, new FrameBuilder(stories), MODEL, slotMs, signal);

type Stored = {
  step: string;
  success: boolean;
  answer: Answer | null;
  orders: CycleOrders | null;
  rejected: Rejection[] | null;
  decisions: Decision[] | null;
  error_code: string | null;
  error_message: string | null;
  llm_calls: number;
  context_digest: string | null;
};
const recordOf = (slotMs = T0) => one<Stored>(arena.db, 'SELECT * FROM decision_cycles WHERE slot_ms = $1', [slotMs]);
const usage = () =>
  one(
    arena.db,
    `SELECT day::text, requests, reserved_tokens AS "reservedTokens", used_tokens AS "usedTokens", reserved_usd AS "reservedUsd", cost_usd AS "costUsd" FROM llm_usage`,
  );
const filled = () => count(arena.db, 'paper_fills');
const priceOf = async (symbol: string) =>
  (await one<{ price: number }>(arena.db, 'SELECT price FROM paper_marks WHERE symbol = $1', [symbol])).price;

async function long(symbol: string, fields: Partial<Decision> = {}): Promise<Decision> {
  const price = await priceOf(symbol);
  return {
    ...{ symbol, action: 'open_long', position_size_usd: 1000, leverage: 2, entry_price: price / 2 },
    ...{ stop_loss: price * 0.9, take_profit: price * 1.2, confidence: 0.8, reasoning: 'up', ...fields },
  };
}

const answering = (...decisions: Decision[]) => completion(JSON.stringify({ reasoning: 'because', decisions }));

describe('an answer', () => {
  beforeEach(() => open());

  it('is stored with its prompt, its usage and its conversation, and is acted upon', async () => {
    const decision = await long('SOL');
    endpoint.reply = answering(decision);
    expect(await cycle()).toEqual({ kind: 'done', note: { orders: 3, rejected: 0 } });
    expect(await recordOf()).toMatchObject({
      ...{ step: 'done', success: true, decisions: [decision], cot_trace: 'because', prompt_version: 'v3' },
      ...{ prompt_tokens: USAGE.prompt_tokens, completion_tokens: USAGE.completion_tokens, error_code: null },
      answer: { reasoning: 'because', decisions: [decision] },
      prompt_digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      cost_usd: expect.closeTo(COST_USD, 12),
    });
    expect(await usage()).toEqual({
      ...{ day: '2025-09-15', requests: 1, reservedTokens: 0, usedTokens: USAGE.total_tokens },
      ...{ reservedUsd: expect.closeTo(0, 12), costUsd: expect.closeTo(COST_USD, 12) },
    });
    const messages = await arena.db.query<{ role: string; content: string; ts_ms: number }>(
      'SELECT role, content, ts_ms FROM conversation_messages ORDER BY id',
    );
    const [asked] = endpoint.asked;
    expect(messages.slice(0, 2).map(({ role, content }) => ({ role, content }))).toEqual(asked?.messages);
    expect(messages[2]).toEqual({
      role: 'assistant',
      content: JSON.stringify({ reasoning: 'because', decisions: [decision] }),
      ts_ms: T0,
    });
    expect(messages).toHaveLength(3);
  });

  it('is never paid at the price it expects', async () => {
    endpoint.reply = answering(await long('SOL', { entry_price: 1 }));
    await cycle();
    const fill = await one<{ price: number }>(arena.db, 'SELECT price FROM paper_fills');
    expect(fill.price).toBeGreaterThan(await priceOf('SOL'));
  });

  it('whose decisions are refused is recorded with the reasons, and nothing of it is executed', async () => {
    endpoint.reply = answering(
      await long('BTC', { confidence: 0.1 }),
      await long('ETH', { stop_loss: null }),
      await long('SOL', { position_size_usd: 1e6 }),
      { symbol: 'PEPE', action: 'open_long', confidence: 1, reasoning: '' },
      { symbol: 'XRP', action: 'close_long', confidence: 1, reasoning: '' },
    );
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 0, rejected: 5 } });
    const record = await recordOf();
    expect(Object.fromEntries((record.rejected ?? []).map(({ symbol, code }) => [symbol, code]))).toEqual({
      ...{
        BTC: 'LOW_CONFIDENCE',
        ETH: 'STOP_MISSING',
        SOL: 'VALUE_ABOVE_BAND',
        PEPE: 'UNKNOWN_SYMBOL',
        XRP: 'NO_POSITION',
      },
    });
    expect(record).toMatchObject({ success: true, orders: { request: null, legs: [] } });
    expect(await count(arena.db, 'paper_orders')).toBe(0);
  });

  it('is executed in part when only a part is refused', async () => {
    endpoint.reply = answering(await long('BTC', { confidence: 0.1 }), await long('SOL'));
    expect(await cycle()).toMatchObject({ note: { orders: 3, rejected: 1 } });
    expect(await arena.db.query('SELECT symbol FROM positions')).toEqual([{ symbol: 'SOL' }]);
  });

  it('to a late slot may close what is open but open nothing', async () => {
    endpoint.reply = answering(await long('SOL'));
    await cycle();
    const slotMs = T0 + MINUTE_MS;
    await ingestPrices(arena.stories, slotMs, never);
    await arena.frames.frame(slotMs, never);
    endpoint.reply = answering(await long('ETH'), {
      symbol: 'SOL',
      action: 'close_long',
      confidence: 1,
      reasoning: '',
    });
    const late: Stories = { ...arena.stories, clock: { repeats: true, now: (asOfMs) => asOfMs + MINUTE_MS } };
    expect(await cycle(late, slotMs)).toMatchObject({ note: { orders: 1, rejected: 1 } });
    expect((await recordOf(slotMs)).rejected).toMatchObject([{ symbol: 'ETH', code: 'LATE' }]);
    expect(await arena.db.query('SELECT symbol, status FROM positions')).toEqual([{ symbol: 'SOL', status: 'closed' }]);
    const trade = await one(arena.db, 'SELECT exit_reason AS reason FROM trades');
    expect(trade).toEqual({ reason: 'signal' });
  });

  it('that took its time is executed at the time it came, not at the time it was asked for', async () => {
    let nowMs = T0;
    const decision = await long('SOL');
    endpoint.reply = (response) => {
      nowMs += 12_000;
      return answering(decision)(response);
    };
    await cycle({ ...arena.stories, clock: { repeats: true, now: () => nowMs } });
    expect(await one(arena.db, 'SELECT ts_ms AS "tsMs" FROM fills')).toEqual({ tsMs: T0 + 12_000 });
    expect((await recordOf()).orders?.request?.expiresAtMs).toBe(T0 + 22_000);
    expect(await cached(arena.run, 'traderState', MODEL)).toMatchObject({ last_decision_at: T0 + 12_000 });
  });
});

describe('a cycle that stopped', () => {
  beforeEach(() => open());

  it('while the model was asked is ended as lost: the model is not asked twice and the reservation is spent', async () => {
    const job = new AbortController();
    endpoint.reply = () => job.abort(new CodedError('NOF0_JOB_ABORTED', 'the worker is shutting down'));
    await expect(cycle(arena.stories, T0, job.signal)).rejects.toMatchObject({ code: 'NOF0_JOB_ABORTED' });
    expect(await recordOf()).toMatchObject({ step: 'asking', answer: null, success: false });
    endpoint.reply = answering(await long('SOL'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_UNAVAILABLE' } });
    expect(endpoint.asked).toHaveLength(1);
    expect(await recordOf()).toMatchObject({ step: 'done', success: false, decisions: [], orders: null });
    expect((await recordOf()).error_message).toMatch(/^answer_lost/);
    expect(await usage()).toMatchObject({ requests: 1, usedTokens: 0, reservedTokens: expect.any(Number) });
    expect(
      (await one<{ left: number }>(arena.db, 'SELECT reserved_tokens AS left FROM llm_usage')).left,
    ).toBeGreaterThan(500);
    expect(await filled()).toBe(0);
  });

  it('behind the stored answer goes on with it: the model is not asked twice', async () => {
    endpoint.reply = answering(await long('SOL'));
    const broken = withExchange(arena.stories, {
      prepare: () => {
        throw new Error('out of memory');
      },
    });
    await expect(cycle(broken)).rejects.toThrow('out of memory');
    expect(await recordOf()).toMatchObject({ step: 'answered', orders: null });
    endpoint.reply = answering(await long('ETH'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
    expect(endpoint.asked).toHaveLength(1);
    expect(await arena.db.query('SELECT symbol FROM positions')).toEqual([{ symbol: 'SOL' }]);
    expect(await usage()).toMatchObject({ requests: 1, usedTokens: USAGE.total_tokens, reservedTokens: 0 });
    const said = await arena.db.query<{ role: string }>('SELECT role FROM conversation_messages ORDER BY id');
    expect(said.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
  });

  it('behind the stored answer and goes on late closes but does not enter', async () => {
    endpoint.reply = answering(await long('SOL'));
    const broken = withExchange(arena.stories, {
      prepare: () => {
        throw new Error('out of memory');
      },
    });
    await expect(cycle(broken)).rejects.toThrow('out of memory');
    const late: Stories = { ...arena.stories, clock: { repeats: true, now: (asOfMs) => asOfMs + MINUTE_MS + 1 } };
    expect(await cycle(late)).toMatchObject({ note: { orders: 0, rejected: 1 } });
    expect(await filled()).toBe(0);
  });

  it('because its lease passed on while the model thought writes nothing more', async () => {
    const decision = await long('SOL');
    endpoint.reply = async (response) => {
      await arena.db.query('UPDATE trader_state SET lease_epoch = lease_epoch + 1');
      answering(decision)(response);
    };
    await expect(cycle()).rejects.toMatchObject({ code: 'NOF0_LEASE_LOST' });
    expect(await recordOf()).toMatchObject({ step: 'asking', answer: null, orders: null });
    expect([await filled(), await count(arena.db, 'conversations')]).toEqual([0, 0]);
  });

  it('keeps its lease while a slow model thinks', async () => {
    const decision = await long('SOL');
    const leaseEnd = async () =>
      (await one<{ until: Date }>(arena.db, 'SELECT lease_until AS until FROM trader_state')).until.getTime();
    endpoint.reply = async (response) => {
      const first = await leaseEnd();
      await until('the lease to be renewed', async () => (await leaseEnd()) > first, 15_000);
      answering(decision)(response);
    };
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
  });
});

describe('no answer', () => {
  beforeEach(() => open());

  it('from a failing endpoint is asked for again, and is at last a hold that costs nothing', async () => {
    endpoint.reply = json(500, { error: { message: 'overloaded' } });
    for (let call = 1; call <= 2; call++) {
      const error: unknown = await cycle().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE', retryable: true });
      expect((error as CodedError).details.retryAfterMs).toBeGreaterThan(0);
      expect(await recordOf()).toMatchObject({ step: 'started', answer: null, reserved_tokens: 0, llm_calls: call });
    }
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_UNAVAILABLE' } });
    expect(await recordOf()).toMatchObject({
      ...{ step: 'done', success: false, decisions: [] },
      error_code: 'NOF0_LLM_UNAVAILABLE',
      orders: null,
    });
    expect(await usage()).toMatchObject({ requests: 3, reservedTokens: 0, usedTokens: 0 });
    expect(await cached(arena.run, 'decisionLast', MODEL)).toMatchObject({
      success: false,
      action: 'hold',
      error: expect.stringContaining('500'),
    });
    expect(endpoint.asked).toHaveLength(3);
  });

  it('from an endpoint that recovers is a decision of the same slot', async () => {
    endpoint.reply = json(429, { error: { message: 'slow down' } });
    await expect(cycle()).rejects.toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE' });
    endpoint.reply = answering(await long('SOL'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
    expect(await recordOf()).toMatchObject({ llm_calls: 2, prompt_tokens: USAGE.prompt_tokens, cycle_number: 1 });
    expect(await usage()).toMatchObject({ requests: 2, usedTokens: USAGE.total_tokens, reservedTokens: 0 });
  });

  it('waits as long as the endpoint says, and not at all when that is after the end of the slot', async () => {
    const told = (seconds: string) => (response: ServerResponse) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': seconds });
      response.end('{}');
    };
    endpoint.reply = told('7');
    const error: unknown = await cycle().catch((thrown: unknown) => thrown);
    expect((error as CodedError).details.retryAfterMs).toBeGreaterThan(7000);
    expect((error as CodedError).details.retryAfterMs).toBeLessThanOrEqual(8000);
    endpoint.reply = told('100');
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_UNAVAILABLE' } });
    expect(endpoint.asked).toHaveLength(2);
  });

  it('from an endpoint that refuses the key is a hold at once', async () => {
    endpoint.reply = json(401, { error: { message: 'who are you' } });
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_UNAVAILABLE' } });
    expect(endpoint.asked).toHaveLength(1);
  });

  it('that nobody knows the price of is paid with the whole reservation', async () => {
    endpoint.reply = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' });
      response.write('{"id": ', () => response.destroy());
    };
    await expect(cycle()).rejects.toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE' });
    const { usedTokens, reservedTokens } = (await usage()) as { usedTokens: number; reservedTokens: number };
    expect(usedTokens).toBeGreaterThan(500);
    expect(reservedTokens).toBe(0);
  });

  it('but garbage, twice, is a hold that is paid for twice', async () => {
    endpoint.reply = completion('I would rather not say.');
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_ANSWER_INVALID' } });
    expect(await recordOf()).toMatchObject({
      ...{ success: false, error_code: 'NOF0_LLM_ANSWER_INVALID', orders: null },
      ...{ llm_calls: 2, prompt_tokens: 2 * USAGE.prompt_tokens, cost_usd: expect.closeTo(2 * COST_USD, 12) },
    });
    expect(await usage()).toMatchObject({
      ...{ requests: 2, reservedTokens: 0, usedTokens: 2 * USAGE.total_tokens },
      costUsd: expect.closeTo(2 * COST_USD, 12),
    });
    expect(endpoint.asked).toHaveLength(2);
    expect(await filled()).toBe(0);
  });

  it('but half an answer is sent back with its faults, and what comes then is acted upon', async () => {
    const decision = await long('SOL');
    const wrong = JSON.stringify({ decisions: [{ ...decision, position_size_usd: '1000' }] });
    endpoint.reply = (response) => {
      endpoint.reply = answering(decision);
      completion(wrong)(response);
    };
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
    const [, second] = endpoint.asked;
    expect(second?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(second?.messages[2]?.content).toBe(wrong);
    expect(second?.messages[3]?.content).toContain('decisions.0.position_size_usd');
    const said = await arena.db.query<{ role: string; tokens: number; metadata: Record<string, unknown> }>(
      'SELECT role, tokens, metadata FROM conversation_messages ORDER BY id',
    );
    expect(said.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user', 'assistant']);
    expect(said[2]?.metadata).toMatchObject({
      error: 'NOF0_LLM_ANSWER_INVALID',
      cost_usd: expect.closeTo(COST_USD, 12),
    });
    expect(said[4]).toMatchObject({
      tokens: USAGE.completion_tokens,
      metadata: { cost_usd: expect.closeTo(COST_USD, 12), latency_ms: expect.any(Number) },
    });
  });

  it('is put right only if the budget allows it', async () => {
    endpoint.reply = async (response) => {
      await arena.db.query('UPDATE llm_usage SET used_tokens = 1000000');
      completion('no')(response);
    };
    await arena.run.close();
    await open({ dailyTokens: 1_000_000 });
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_BUDGET' } });
    expect(endpoint.asked).toHaveLength(1);
  });

  it('does not keep the next slot from being decided', async () => {
    endpoint.reply = json(401, {});
    await cycle();
    endpoint.reply = answering(await long('SOL'));
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    expect(await cycle(arena.stories, T0 + MINUTE_MS)).toMatchObject({ note: { orders: 3 } });
    expect(await recordOf(T0 + MINUTE_MS)).toMatchObject({ cycle_number: 2 });
  });
});

describe('a conversation', () => {
  beforeEach(() => open());

  it('is published when its cycle has ended, and holds the newest messages', async () => {
    const key = arena.run.resources.keys.key('conversations', [MODEL]);
    const published = async () =>
      (await arena.run.resources.cacheRedis.lrange(key, 0, -1)).map((text) => JSON.parse(text) as object);
    endpoint.reply = answering(await long('SOL'));
    await cycle();
    expect(await published()).toEqual([
      ...(endpoint.asked[0]?.messages ?? []).map((message) => ({ ...message, timestamp: T0 / 1000 })),
      { role: 'assistant', content: expect.stringContaining('SOL'), timestamp: T0 / 1000 },
    ]);
    for (let slot = 1; slot <= 7; slot++) {
      await ingestPrices(arena.stories, T0 + slot * MINUTE_MS, never);
      await cycle(arena.stories, T0 + slot * MINUTE_MS);
    }
    const messages = await published();
    expect(messages).toHaveLength(20);
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', timestamp: T0 / 1000 + 7 * 60 });
    const { publisher } = arena.run.resources;
    expect((await checkKeys(publisher)).find(({ family }) => family === 'conversations')).toMatchObject({
      ...{ compared: 1, differences: [] },
    });
  });
});

describe('the response cache', () => {
  const lookups = async () => {
    const { values } = await arena.run.resources.metrics.llmCacheReads.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
  };
  /** A prompt that is the same in every slot. */
  const inPrompts = async (work: (prompt: string) => Promise<void>) => {
    const dir = await tempDir('nof0-prompt-');
    const prompt = path.join(dir, 'same.md');
    writeFileSync(prompt, '---\nversion: same\n---\n# System\n{{answer_format}}\n# User\n{{symbols}}\n');
    try {
      await work(prompt);
    } finally {
      rmSync(dir, { recursive: true });
    }
  };

  it('answers a question that comes again, for nothing, and says so', () =>
    inPrompts(async (prompt) => {
      await open({}, { cache: true, prompt });
      endpoint.reply = answering();
      for (let slot = 0; slot < 5; slot++) {
        await ingestPrices(arena.stories, T0 + slot * MINUTE_MS, never);
        await cycle(arena.stories, T0 + slot * MINUTE_MS);
      }
      expect(endpoint.asked).toHaveLength(1);
      const { hit = 0, miss = 0 } = await lookups();
      expect({ hit, miss }).toEqual({ hit: 4, miss: 1 });
      expect(hit / (hit + miss)).toBeGreaterThan(0.2);
      expect(await recordOf(T0)).toMatchObject({ llm_cached: false, llm_calls: 1, prompt_version: 'same' });
      expect(await recordOf(T0 + MINUTE_MS)).toMatchObject({
        ...{ step: 'done', success: true, llm_cached: true, llm_calls: 0, cost_usd: 0, prompt_tokens: 0 },
        answer: { reasoning: 'because', decisions: [] },
      });
      expect(await usage()).toMatchObject({ requests: 1, usedTokens: USAGE.total_tokens });
      const [said] = await arena.db.query('SELECT metadata FROM conversation_messages ORDER BY id DESC LIMIT 1');
      expect(said).toEqual({ metadata: { cached: true, cost_usd: 0 } });
    }));

  it('is not asked by a model that trades in real time, unless it is told to', () =>
    inPrompts(async (prompt) => {
      await open({}, { prompt });
      endpoint.reply = answering();
      await cycle();
      await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
      await cycle(arena.stories, T0 + MINUTE_MS);
      expect(endpoint.asked).toHaveLength(2);
      expect(await lookups()).toEqual({});
    }));

  it('that is gone makes the model be asked', () =>
    inPrompts(async (prompt) => {
      await open({}, { cache: true, prompt });
      arena.run.resources.cacheRedis.disconnect();
      endpoint.reply = answering(await long('SOL'));
      expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 3 } });
    }));
});

describe('a budget', () => {
  it('is what the cycles of its day have called, reserved and cost', async () => {
    await open();
    endpoint.reply = (response) => {
      endpoint.reply = answering();
      completion('no')(response);
    };
    await cycle();
    const lost = new AbortController();
    endpoint.reply = () => lost.abort(new CodedError('NOF0_JOB_ABORTED', 'the worker is shutting down'));
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    await expect(cycle(arena.stories, T0 + MINUTE_MS, lost.signal)).rejects.toThrow('shutting down');
    await cycle(arena.stories, T0 + MINUTE_MS);
    expect(await budgetCheck(arena.db)).toEqual({ family: 'llm_usage', compared: 1, differences: [] });
    await arena.db.query('UPDATE llm_usage SET reserved_tokens = 0');
    expect((await budgetCheck(arena.db)).differences).toEqual([expect.stringMatching(/^sage on 2025-09-15: .*/)]);
  });

  it('that a call could pass keeps the model from being asked', async () => {
    await open({ dailyTokens: 600 });
    endpoint.reply = answering(await long('SOL'));
    expect(await cycle()).toMatchObject({ kind: 'done', note: { error: 'NOF0_LLM_BUDGET' } });
    expect(endpoint.asked).toEqual([]);
    expect(await recordOf()).toMatchObject({
      step: 'done',
      success: false,
      error_code: 'NOF0_LLM_BUDGET',
      answer: null,
    });
    expect(await usage()).toMatchObject({ requests: 0, reservedTokens: 0, usedTokens: 0 });
  });

  it('in dollars counts like one in tokens', async () => {
    await open({ dailyUsd: 0.000001 });
    expect(await cycle()).toMatchObject({ note: { error: 'NOF0_LLM_BUDGET' } });
    expect(endpoint.asked).toEqual([]);
  });

  it('is used up by what was really used, and is there again on the next market day', async () => {
    // One reservation fits (a token a byte of the prompt, and 500 of the answer), a second one beside what was used does not.
    await open({ dailyTokens: 12_000 });
    endpoint.reply = answering();
    expect(await cycle()).not.toMatchObject({ note: { error: 'NOF0_LLM_BUDGET' } });
    await arena.db.query('UPDATE llm_usage SET used_tokens = 11900');
    await ingestPrices(arena.stories, T0 + MINUTE_MS, never);
    expect(await cycle(arena.stories, T0 + MINUTE_MS)).toMatchObject({ note: { error: 'NOF0_LLM_BUDGET' } });
    const tomorrowMs = T0 + 12 * 60 * MINUTE_MS;
    await ingestPrices(arena.stories, tomorrowMs, never);
    expect(await cycle(arena.stories, tomorrowMs)).not.toMatchObject({ note: { error: 'NOF0_LLM_BUDGET' } });
    expect(endpoint.asked).toHaveLength(2);
    const days = await arena.db.query('SELECT day::text FROM llm_usage ORDER BY day');
    expect(days).toEqual([{ day: '2025-09-15' }, { day: '2025-09-16' }]);
  });
});
