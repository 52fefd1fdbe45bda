import { describe, expect, it } from 'vitest';
import { readAnswer } from '../../src/llm/openai-compatible.ts';
import { renderPrompt } from '../../src/llm/prompt.ts';
import { asset, frameOf, requestOf } from './fixtures.ts';

const GOOD = {
  reasoning: 'calm',
  decisions: [{ symbol: 'BTC', action: 'hold', confidence: 0.6, reasoning: 'nothing to do' }],
};

describe('readAnswer', () => {
  it('takes the last of several answers', () => {
    expect(readAnswer(`{"decisions": []} no: ${JSON.stringify(GOOD)}`)).toEqual({ answer: GOOD });
  });

  it('is not confused by braces and quotes inside strings', () => {
    const tricky = { reasoning: 'a "}" and a { here', decisions: [] };
    expect(readAnswer(`well { then: ${JSON.stringify(tricky)} end`)).toEqual({ answer: tricky });
    expect(readAnswer(`well then: ${JSON.stringify(tricky)} end`)).toEqual({ answer: tricky });
  });

  it('survives a wall of braces', () => {
    expect(readAnswer('{'.repeat(20_000))).toHaveProperty('faults');
  });
});

describe('renderPrompt', () => {
  it('is the same for the same inputs and carries account, positions, limits and market', () => {
    const { context, frame } = requestOf({ frame: frameOf([asset('BTC')]) });
    const prompt = renderPrompt(context, frame);
    expect(renderPrompt(context, frame)).toEqual(prompt);
    expect(prompt.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(prompt.user).toContain('equity 10000.00 USD');
    expect(prompt.user).toContain('| BTC | 100 |');
    expect(prompt.system).toContain('At most 6 open positions');
  });

  it('gives an example that its own schema accepts', () => {
    const { context, frame } = requestOf({ frame: frameOf([asset('BTC')]) });
    expect(readAnswer(renderPrompt(context, frame).system)).toHaveProperty('answer');
  });
});
