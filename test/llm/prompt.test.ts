import { describe, expect, it } from 'vitest';
import { renderPrompt } from '../../src/llm/prompt.ts';
import { readAnswer } from '../../src/llm/read-answer.ts';
import { asset, frameOf, requestOf, shippedPrompt } from './fixtures.ts';

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

  it.each([
    ['braces', '{'.repeat(200_000)],
    ['thoughts', '<think>'.repeat(35_000)],
    ['objects', '{"decisions":1}'.repeat(15_000)],
    ['quotes', '{"'.repeat(100_000)],
    ['text', 'x'.repeat(10_000_000)],
  ])('survives a wall of %s', (_name, wall) => {
    const startedAt = performance.now();
    expect(readAnswer(wall)).toHaveProperty('faults');
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('does not fall back to a draft when the last answer is at fault', () => {
    const wrong = { ...GOOD, decisions: [{ ...GOOD.decisions[0], confidence: '0.6' }] };
    expect(readAnswer(`${JSON.stringify(GOOD)} no, better: ${JSON.stringify(wrong)}`)).toEqual({
      faults: [{ path: 'decisions.0.confidence', expected: expect.stringContaining('number') }],
    });
  });

  it('takes nothing out of a text that was cut off, unless it is whole', () => {
    expect(readAnswer(`${JSON.stringify(GOOD)} but then`, true)).toHaveProperty('faults');
    expect(readAnswer(JSON.stringify(GOOD), true)).toEqual({ answer: GOOD });
  });

  it('names every fault of an answer', () => {
    const { faults } = readAnswer('{"decisions":[{"symbol":"BTC"},{"action":"yolo"}]}') as unknown as {
      faults: { path: string }[];
    };
    expect(faults.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['decisions.0.action', 'decisions.0.confidence', 'decisions.1.symbol']),
    );
  });
});

const PROMPT = shippedPrompt();

describe('renderPrompt', () => {
  it('is the same for the same inputs and carries account, positions, limits and market', () => {
    const { context, frame } = requestOf({ frame: frameOf([asset('BTC')]) });
    const prompt = renderPrompt(PROMPT, context, frame);
    expect(renderPrompt(PROMPT, context, frame)).toEqual(prompt);
    expect(prompt.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(prompt.user).toContain('equity 10000.00 USD');
    expect(prompt.user).toContain('| BTC | 100 |');
    expect(prompt.user).toContain('at most 6 open positions');
    expect(prompt.user).not.toContain('{{');
  });

  it('says what an entry of each symbol is held to', () => {
    const frame = frameOf([asset('BTC'), asset('XYZ'), asset('ETH', { maxLeverage: 3 })]);
    const limits = {
      majors: { symbols: ['BTC', 'ETH'], maxLeverage: 8, minValueUsd: 0, maxValueUsd: 4000 },
      others: { maxLeverage: 2, minValueUsd: 50, maxValueUsd: 900 },
    };
    const { user } = renderPrompt(PROMPT, requestOf({ frame, limits }).context, frame);
    expect(user).toMatch(/\| BTC \|.*\| 8 \| 10\.00 to 4000\.00 \|/);
    expect(user).toMatch(/\| ETH \|.*\| 3 \| 10\.00 to 4000\.00 \|/);
    expect(user).toMatch(/\| XYZ \|.*\| 2 \| 50\.00 to 900\.00 \|/);
  });

  it('says which entries are refused for a while, as long as they are', () => {
    const frame = frameOf([asset('BTC')]);
    const { context } = requestOf({ frame });
    const { slotMs } = context;
    const history = {
      ...context.history,
      cooldowns: [
        { symbol: 'BTC', untilMs: slotMs + 1 },
        { symbol: 'ETH', untilMs: slotMs },
      ],
      pause: { code: 'DAILY_LOSS', untilMs: slotMs + 2 } as const,
    };
    const { user } = renderPrompt(PROMPT, { ...context, history }, frame);
    expect(user).toContain(`BTC was closed a short while ago: no entry until ${new Date(slotMs + 1).toISOString()}`);
    expect(user).not.toContain('ETH was closed');
    expect(user).toContain(`no entries at all until ${new Date(slotMs + 2).toISOString()}`);
  });

  it('gives an example that its own schema accepts', () => {
    const { context, frame } = requestOf({ frame: frameOf([asset('BTC')]) });
    expect(readAnswer(renderPrompt(PROMPT, context, frame).system)).toHaveProperty('answer');
  });
});
