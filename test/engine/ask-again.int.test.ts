import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/domain/decision.ts';
import type { JournalRecord } from '../../src/domain/journal.ts';
import { type PromptTemplate, parsePromptTemplate } from '../../src/domain/prompt-template.ts';
import { askAgain } from '../../src/engine/ask-again.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { warmResponses } from '../../src/engine/warm-responses.ts';
import { recentAudit } from '../../src/store/audit.ts';
import { cycleIdOf } from '../../src/store/decision-reads.ts';
import { journalOfCycle } from '../../src/store/journal.ts';
import { type Arena, arenaConfig, never, openTestArena, T0 } from './arena.ts';
import { completion, type Endpoint, json, openEndpoint, USAGE } from './stand-ins.ts';

let endpoint: Endpoint;
let arena: Arena;

beforeAll(async () => {
  endpoint = await openEndpoint();
});
afterAll(() => endpoint.close());
afterEach(() => arena.run.close());

const HOLD: Decision = { symbol: 'BTC', action: 'hold', confidence: 0.6, reasoning: 'nothing to do' };
const answering = (...decisions: Decision[]) => completion(JSON.stringify({ reasoning: 'because', decisions }));

async function open(asking: object = {}): Promise<void> {
  endpoint.asked.length = 0;
  endpoint.reply = answering(HOLD);
  const settings = { baseUrl: endpoint.baseUrl, model: 'm', promptUsdPerMillionTokens: 1, ...asking };
  const models = [
    { id: 'flip', strategy: 'coin-flip' },
    { id: 'sage', endpoint: settings, dailyTokens: 100_000 },
  ];
  arena = await openTestArena(arenaConfig({ history: '30m', models }));
  await ingestPrices(arena.stories, T0, never);
  for (const { id } of models) await runDecisionCycle(arena.stories, new FrameBuilder(arena.stories), id, T0, never);
}

async function cycleOf(model: string): Promise<JournalRecord> {
  const id = await cycleIdOf(arena.db, model, null);
  const cycle = id === null ? null : await journalOfCycle(arena.db, id);
  if (cycle === null) throw new Error(`no cycle of ${model}`);
  return cycle;
}

async function ask(cycle: JournalRecord, model: string, prompt?: PromptTemplate) {
  const trader = arena.stories.traders.get(model);
  if (trader === undefined) throw new Error(`no trader ${model}`);
  const caller = { db: arena.db, seed: arena.stories.seed, who: 'carol' };
  return askAgain(caller, cycle, { trader, prompt: prompt ?? trader.prompt }, never);
}

/** Everything but the audit log, as text. */
async function books(): Promise<string> {
  const tables = ['decision_cycles', 'llm_usage', 'conversations', 'conversation_messages', 'effects', 'paper_orders'];
  const rows = await Promise.all(
    tables.map((table) => arena.db.query(`SELECT to_jsonb(t) FROM ${table} t ORDER BY 1`)),
  );
  return JSON.stringify(rows);
}

describe('a decision that is asked again', () => {
  beforeEach(() => open());

  it('of a deterministic strategy is the same decision', async () => {
    const { stored, again } = await ask(await cycleOf('flip'), 'flip');
    expect(again.answer).toEqual(stored.answer);
    expect(again).toMatchObject({ model: 'flip', error: null, costUsd: 0, promptVersion: null });
  });

  it('of another model shows both answers, and changes nothing but the audit log', async () => {
    const cycle = await cycleOf('flip');
    const before = await books();
    const asked = await ask(cycle, 'sage');
    expect(await books()).toBe(before);
    expect(asked).toMatchObject({
      cycle: { id: cycle.id, modelId: 'flip', cycleNumber: 1, slotMs: T0 },
      stored: { model: 'flip', answer: cycle.answer },
      again: { model: 'sage', answer: { decisions: [HOLD] }, promptTokens: USAGE.prompt_tokens, error: null },
    });
    expect(asked.again.costUsd).toBeCloseTo(USAGE.prompt_tokens / 1e6, 12);
    expect((await recentAudit(arena.db, 1))[0]).toMatchObject({
      ...{ who: 'carol', what: 'ask', target: `cycle:${cycle.id}` },
      after: { with: 'sage', promptVersion: 'v3', costUsd: asked.again.costUsd, error: null },
    });
  });

  it('with the same prompt is exactly the question that was asked then', async () => {
    await ask(await cycleOf('sage'), 'sage');
    const [then, now] = endpoint.asked;
    expect(now).toEqual(then);
  });

  it('with another prompt is asked in its words', async () => {
    const read = parsePromptTemplate('---\nversion: terse\n---\n# System\nJSON only.\n# User\n{{symbols}}\n');
    if ('faults' in read) throw new Error('no prompt');
    const { again } = await ask(await cycleOf('sage'), 'sage', read.template);
    expect(again.promptVersion).toBe('terse');
    expect(endpoint.asked.at(-1)?.messages).toEqual([
      { role: 'system', content: 'JSON only.' },
      { role: 'user', content: expect.stringContaining('BTC') },
    ]);
  });

  it('is put right once, and both calls are counted', async () => {
    endpoint.reply = (response) => {
      endpoint.reply = answering(HOLD);
      completion('I think so')(response);
    };
    const { again } = await ask(await cycleOf('flip'), 'sage');
    expect(again).toMatchObject({ error: null, promptTokens: 2 * USAGE.prompt_tokens });
  });

  it('of a model that does not answer says so', async () => {
    endpoint.reply = json(503, { error: { message: 'busy' } });
    const { again } = await ask(await cycleOf('flip'), 'sage');
    expect(again).toMatchObject({ answer: null, error: expect.stringMatching(/NOF0_LLM_UNAVAILABLE.*503.*busy/) });
  });

  it.each([
    ['context', `UPDATE decision_cycles SET context = jsonb_set(context, '{account,equityUsd}', '1')`],
    ['market frame', `UPDATE market_frames SET payload = jsonb_set(payload, '{watermarkMs}', '1')`],
  ])('is refused when its %s is not the stored one any more', async (what, change) => {
    await arena.db.query(change);
    await expect(ask(await cycleOf('flip'), 'sage')).rejects.toMatchObject({
      code: 'NOF0_DIGEST_MISMATCH',
      message: expect.stringContaining(what),
    });
    expect(endpoint.asked).toHaveLength(1);
  });

  it('is refused when it was never asked', async () => {
    await arena.db.query('UPDATE decision_cycles SET context = NULL');
    await expect(ask(await cycleOf('flip'), 'sage')).rejects.toMatchObject({ code: 'NOF0_INPUT_INVALID' });
  });
});

describe('warming the response cache', () => {
  const warm = () => {
    const trader = arena.stories.traders.get('sage');
    if (trader === undefined) throw new Error('no trader');
    return warmResponses(arena.db, trader, 10);
  };

  it('makes stored answers come back without a question', async () => {
    await open({ cache: true });
    const { cacheRedis } = arena.run.resources;
    const keys = await cacheRedis.keys(`${arena.run.prefix}:llm:response:*`);
    expect(keys).toHaveLength(1);
    await cacheRedis.del(...keys);
    expect(await warm()).toEqual({ modelId: 'sage', kept: 1, passedOver: 0 });
    expect(await cacheRedis.keys(`${arena.run.prefix}:llm:response:*`)).toEqual(keys);
    const { again } = await ask(await cycleOf('sage'), 'sage');
    expect(again).toMatchObject({ isCached: true, costUsd: 0, promptTokens: 0, answer: { decisions: [HOLD] } });
    expect(endpoint.asked).toHaveLength(1);
  });

  it('passes over answers to questions that nobody will ask so again', async () => {
    await open({ cache: true });
    await arena.db.query(`UPDATE decision_cycles SET prompt_digest = 'another' WHERE model_id = 'sage'`);
    expect(await warm()).toEqual({ modelId: 'sage', kept: 0, passedOver: 1 });
  });

  it('is nothing for a model that remembers nothing', async () => {
    await open();
    expect(await warm()).toBeNull();
  });
});
