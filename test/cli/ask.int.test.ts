/** `nof0 ask` and `nof0 llm` as processes, against an arena whose cycles were decided in this one. */

import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { type Arena, arenaConfig, never, openTestArena, T0 } from '../engine/arena.ts';
import { completion, type Endpoint, openEndpoint, USAGE } from '../engine/stand-ins.ts';
import { addressesOf, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const KEY = 'sk-a-key-that-nobody-sees';

let dir = '';
let endpoint: Endpoint;
let arena: Arena;

beforeAll(async () => {
  dir = await tempDir('nof0-ask-');
  endpoint = await openEndpoint();
  const hold = { symbol: 'BTC', action: 'hold', confidence: 0.6, reasoning: '' };
  endpoint.reply = completion(JSON.stringify({ reasoning: `the sage says ${KEY}`, decisions: [hold] }));
  const fields = {
    history: '30m',
    models: [
      { id: 'flip', strategy: 'coin-flip' },
      { id: 'sage', endpoint: { baseUrl: endpoint.baseUrl, model: 'm', apiKeyEnv: 'SAGE_KEY' }, dailyTokens: 50_000 },
    ],
  };
  await writeFile(path.join(dir, 'arena.yaml'), JSON.stringify({ seed: 'test', ...fields }));
  arena = await openTestArena(arenaConfig(fields, { SAGE_KEY: KEY }));
  await ingestPrices(arena.stories, T0, never);
  for (const id of ['flip', 'sage'])
    await runDecisionCycle(arena.stories, new FrameBuilder(arena.stories), id, T0, never);
});
afterAll(async () => {
  await arena.run.close();
  await endpoint.close();
  await rm(dir, { recursive: true, force: true });
});

function cli(...args: string[]) {
  const { servers, prefix } = arena.run;
  const env = {
    ...addressesOf(servers),
    NOF0_REDIS_PREFIX: prefix,
    NOF0_ARENA: path.join(dir, 'arena.yaml'),
    NOF0_LOG_LEVEL: 'trace',
    SAGE_KEY: KEY,
  };
  return runNof0(args, env, dir);
}

it('shows both answers side by side', async () => {
  const { code, output } = await cli('ask', 'flip/1', '--with', 'sage');
  expect(output).toMatch(/decision 1 of .*flip.* at 2025-09-15 12:00:00/);
  expect(output).toMatch(/model +flip +sage/);
  expect(output).toMatch(/prompt +none +v3/);
  expect(output).toMatch(new RegExp(`tokens +0 \\+ 0 +${USAGE.prompt_tokens} \\+ ${USAGE.completion_tokens}`));
  expect(output).toMatch(/BTC .*hold \(0\.6\)/);
  expect(output).not.toContain(KEY);
  expect(code).toBe(0);
});

it('answers programs in JSON', async () => {
  const { code, output } = await cli('ask', 'sage', '--json');
  const asked = JSON.parse(output.slice(output.indexOf('{\n'))) as { stored: object; again: object };
  expect(asked.again).toMatchObject({ model: 'sage', error: null, isCached: false });
  expect(asked.stored).toMatchObject({ model: 'sage', promptVersion: 'v3' });
  expect(code).toBe(0);
});

it.each([
  [['ask', 'flip/77'], 'NOF0_CYCLE_UNKNOWN'],
  [['ask', 'flip', '--with', 'sgae'], 'did you mean sage?'],
  [['ask', 'flip', '--prompt', 'nowhere.md'], 'asked without words'],
  [['ask', 'sage', '--prompt', 'nowhere.md'], 'a readable file'],
])('%j says what was expected', async (args, said) => {
  const { code, output } = await cli(...args);
  expect(output).toContain(said);
  expect(code).toBe(1);
});

it('shows what models have used and may use, and what they remember', async () => {
  const budget = await cli('llm', 'budget', '--day', '2025-09-15T00:00:00Z');
  expect(budget.output).toMatch(new RegExp(`sage +1 +${USAGE.total_tokens} +0 +50000 +0\\.0000 +0\\.0000 +unlimited`));
  const warm = await cli('llm', 'warm');
  expect(warm).toMatchObject({ code: 0, output: expect.stringContaining('sage remembers nothing in this run') });
});
