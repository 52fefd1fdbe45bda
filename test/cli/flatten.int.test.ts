/** Getting out of positions from another process, against a run whose models hold some. */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resumeModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { type Arena, arenaConfig, never, openTestArena, T0 } from '../engine/arena.ts';
import { REPO } from '../harness.ts';
import { controlOf } from '../platform/control-support.ts';
import { addressesOf, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const MINUTE_MS = 60_000;

let dir = '';
let arena: Arena;
let slotMs = T0;

beforeAll(async () => {
  dir = await tempDir('nof0-flatten-');
  arena = await openTestArena(arenaConfig({ history: '30m', guardrails: { cooldown: '0s' } }));
});
beforeEach(async () => {
  await resumeModels(controlOf(arena.run.resources), ['holder', 'twin']);
  slotMs += MINUTE_MS;
  await ingestPrices(arena.stories, slotMs, never);
  for (const model of ['holder', 'twin']) await runDecisionCycle(arena.stories, arena.frames, model, slotMs, never);
});
afterAll(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

async function cli(...args: string[]) {
  const { servers, prefix } = arena.run;
  const env = {
    ...addressesOf(servers),
    NOF0_REDIS_PREFIX: prefix,
    NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
    NOF0_LOG_LEVEL: 'fatal',
  };
  return runNof0(args, env, dir);
}
const held = async (model: string) => (await arena.stories.exchange.accountState(model)).positions;

describe('nof0 close', () => {
  it('closes one position and says at which price', async () => {
    const [position] = await held('holder');
    const symbol = position?.symbol ?? '';
    const { code, output } = await cli('close', 'holder', symbol);
    expect(output).toMatch(
      new RegExp(`^holder: ${symbol} closed \\(sold [\\d.]+ ${symbol} at [\\d.]+(, canceled \\d orders?)?\\)\\n$`),
    );
    expect(code).toBe(0);
    expect(await held('holder')).toHaveLength(3);
    expect(await cli('close', 'holder', symbol)).toEqual({
      code: 0,
      output: `holder: ${symbol} closed (nothing to do)\n`,
    });
  });

  it.each([
    [['close', 'all', 'BTC'], 'NOF0_MODEL_UNKNOWN there is no model "model:all"'],
    [['close', 'holder', 'DOGECOIN'], 'NOF0_SYMBOL_UNKNOWN "DOGECOIN" is not traded here'],
    [['flatten', 'holdr'], 'did you mean holder?'],
    [['flatten', 'holder', '--wait', 'soon'], '--wait expects a duration such as 20s'],
  ])('%j is refused with a reason', async (args, reason) => {
    const { code, output } = await cli(...args);
    expect(output).toContain(reason);
    expect(code).toBe(1);
  });
});

describe('nof0 flatten', () => {
  it('pauses one model and leaves it flat, as JSON too', async () => {
    const { code, output } = await cli('flatten', 'holder', '--json');
    expect(JSON.parse(output)).toMatchObject([
      {
        ...{ model: 'holder', paused: { changed: true, state: 'paused' }, error: null },
        closing: { flat: true, left: { positions: [], orders: [] } },
      },
    ]);
    expect(code).toBe(0);
    expect([(await held('holder')).length, (await held('twin')).length]).toEqual([0, 4]);
    expect(await cli('flatten', 'holder')).toEqual({ code: 0, output: 'holder: paused, flat (nothing to do)\n' });
  });

  it('exits 1 and says why of a model that could not be closed', async () => {
    // A model whose account the exchange does not know.
    await arena.db.query(
      `WITH ghost AS (INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ('ghost', 'G', 'paper', 'synthetic') RETURNING id)
       INSERT INTO trader_state (trader_id) SELECT id FROM ghost`,
    );
    const { code, output } = await cli('flatten', 'ghost');
    expect(output).toMatch(/^ghost: paused, NOT CLOSED: NOF0_EXCHANGE_REJECTED .*"ghost" does not exist\n$/);
    expect(code).toBe(1);
    await arena.db.query(`DELETE FROM trader_state WHERE trader_id = 'ghost'`);
    await arena.db.query(`DELETE FROM models WHERE id = 'ghost'`);
  });
});

describe('nof0 halt', () => {
  it('leaves everybody paused and flat', async () => {
    const { code, output } = await cli('halt');
    expect(output).toMatch(/^holder: paused, flat \(.*\)\ntwin: paused, flat \(.*\)\n$/);
    expect(code).toBe(0);
    expect(await held('holder')).toEqual([]);
    expect(await held('twin')).toEqual([]);
  });
});
