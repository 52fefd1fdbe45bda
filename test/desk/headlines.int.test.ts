/** Headlines scored by the model of the desk: asked once for each, within a budget, and never without a sentiment when it fails. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import { scoreHeadline } from '../../src/domain/desk/sentiment.ts';
import type { Stories } from '../../src/engine/context.ts';
import { readNews } from '../../src/engine/desk/news.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { budgetCheck } from '../../src/store/llm-budget.ts';
import { arenaConfig, count, never, one } from '../engine/arena.ts';
import { completion, type Endpoint, json, openEndpoint, USAGE } from '../engine/stand-ins.ts';
import { createRun, type TestRun } from '../harness.ts';

const DAY = '2025-05-09';
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };
const NOW = session.openMs;

let endpoint: Endpoint;
let run: TestRun;
let stories: Stories;

beforeAll(async () => {
  endpoint = await openEndpoint();
});
afterAll(() => endpoint.close());
beforeEach(() => open());
afterEach(() => run.close());

async function open(dailyTokens = 1_000_000): Promise<void> {
  endpoint.asked.length = 0;
  const asking = { baseUrl: endpoint.baseUrl, model: 'some-model', maxCompletionTokens: 500, apiKeyEnv: 'DESK_KEY' };
  const trader = { id: 'broker', dailyTokens, endpoint: asking };
  run = await createRun({
    ...{ kind: 'equities', settings: { feed: 'synthetic', day: DAY }, seed: 'nof0' },
    ...{ startMs: NOW - 1_800_000, endMs: session.closeMs },
    config: arenaConfig({ equities: { trader, sentiment: 'model' } }, { DESK_KEY: 'k-of-the-desk' }),
  });
  ({ stories } = await run.stories());
  await registerArena(stories, run.resources.run, NOW - 1_800_000);
}

const db = () => run.resources.db;
/** What the newest question was about. */
const lines = () => endpoint.asked.at(-1)?.messages.at(-1)?.content.split('\n') ?? [];
const scoring = (score: number) => (response: Parameters<Endpoint['reply']>[0]) =>
  completion(`I think: ${JSON.stringify({ scores: lines().map(() => score) })}`)(response);
const rows = () =>
  db().query<{ headline: string; score: number }>('SELECT headline, score FROM desk_news ORDER BY ts_ms, id');
const byLexicon = async () => (await rows()).every(({ headline, score }) => score === scoreHeadline(headline));
const usage = () =>
  one(db(), 'SELECT model_id AS id, requests, used_tokens AS used, reserved_tokens AS reserved FROM llm_usage');

describe('headlines', () => {
  it('are scored by the model, some at a time and each once, against a budget of their own', async () => {
    endpoint.reply = scoring(0.42);
    expect(await readNews(stories, NOW, never)).toMatchObject({ kind: 'done' });
    const stored = await rows();
    expect(stored.length).toBeGreaterThan(40);
    expect(stored.every(({ score }) => score === 0.42)).toBe(true);
    const asked = endpoint.asked.length;
    expect(asked).toBe(Math.ceil(new Set(stored.map(({ headline }) => headline)).size / 40));
    expect(await usage()).toEqual({
      id: 'broker:headlines',
      requests: asked,
      used: asked * USAGE.total_tokens,
      reserved: 0,
    });
    expect((await budgetCheck(db())).differences).toEqual([]);
    await readNews(stories, NOW, never);
    expect(endpoint.asked).toHaveLength(asked);
    expect(await count(db(), 'desk_sentiment WHERE score = 0.42')).toBeGreaterThan(0);
  });

  it.each([
    ['too few numbers', () => completion('{"scores": [1]}')],
    ['numbers beyond the scale', () => (response: Parameters<Endpoint['reply']>[0]) => scoring(7)(response)],
    ['words', () => completion('All good! {"scores": "high"}')],
    ['a failure', () => json(500, { error: { message: 'broken' } })],
    ['a refusal', () => json(400, { error: 'no' })],
  ])('are scored by the lexicon when the model answers %s', async (_name, reply) => {
    endpoint.reply = reply();
    expect(await readNews(stories, NOW, never)).toMatchObject({ kind: 'done' });
    expect(await count(db(), 'desk_news')).toBeGreaterThan(0);
    expect(await byLexicon()).toBe(true);
    expect(endpoint.asked).toHaveLength(1);
    expect(await usage()).toMatchObject({ reserved: 0 });
  });

  it('are scored by the lexicon when the budget is used up', async () => {
    await run.close();
    await open(100);
    endpoint.reply = scoring(0.42);
    await readNews(stories, NOW, never);
    expect(endpoint.asked).toHaveLength(0);
    expect(await byLexicon()).toBe(true);
  });
});
