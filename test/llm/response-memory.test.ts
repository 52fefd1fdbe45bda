import { beforeEach, describe, expect, it } from 'vitest';
import type { ModelReply } from '../../src/llm/decision-model.ts';
import { responseMemory } from '../../src/llm/response-memory.ts';
import { asset, frameOf, requestOf } from './fixtures.ts';

const kept = new Map<string, string>();
const store = {
  get: async (digest: string) => kept.get(digest) ?? null,
  set: async (digest: string, value: string) => void kept.set(digest, value),
};
const ASKER = { id: 'a', name: 'm', temperature: 0.2 };
const REPLY: ModelReply = {
  answer: { reasoning: 'calm', decisions: [] },
  raw: '{"reasoning":"calm","decisions":[]}',
  promptTokens: 900,
  completionTokens: 60,
  costUsd: 0.5,
};
const asked = (user: string) => ({
  ...requestOf({ frame: frameOf([asset('BTC')]) }),
  prompt: { system: 's', user },
});

beforeEach(() => kept.clear());

describe('a memory of answers', () => {
  it('gives an answer again to the same question, free of charge', async () => {
    const memory = responseMemory(store, ASKER);
    expect(await memory.recall(asked('now'))).toBeNull();
    await memory.keep(asked('now'), REPLY);
    expect(await memory.recall(asked('now'))).toEqual({ ...REPLY, promptTokens: 0, completionTokens: 0, costUsd: 0 });
    expect(await memory.recall(asked('later'))).toBeNull();
  });

  it('is not shared between models, nor between settings of one', async () => {
    await responseMemory(store, ASKER).keep(asked('now'), REPLY);
    for (const other of [{ id: 'b' }, { name: 'n' }, { temperature: 0.3 }])
      expect(await responseMemory(store, { ...ASKER, ...other }).recall(asked('now'))).toBeNull();
  });

  it('keeps an answer that was put right under the question that it answers', async () => {
    const memory = responseMemory(store, ASKER);
    await memory.keep({ ...asked('now'), repair: { said: 'no', asked: 'again' } }, REPLY);
    expect(await memory.recall(asked('now'))).toMatchObject({ answer: REPLY.answer });
  });

  it.each(['', '{', '{"answer":{"decisions":"all"},"raw":""}', 'null'])('knows nothing from %j', async (text) => {
    const memory = responseMemory(store, ASKER);
    await memory.keep(asked('now'), REPLY);
    for (const digest of kept.keys()) kept.set(digest, text);
    expect(await memory.recall(asked('now'))).toBeNull();
  });
});
