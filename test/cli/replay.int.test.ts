/** Recorded cycles judged and sized again: from their row by a command, and from their journal file. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type JournalRecord, journalSchema } from '../../src/domain/journal.ts';
import { replayCycle } from '../../src/domain/replay-cycle.ts';
import { pauseModels, shadowModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { type Arena, arenaConfig, never, openTestArena, T0 } from '../engine/arena.ts';
import { whileDeciding } from '../engine/stand-ins.ts';
import { REPO } from '../harness.ts';
import { controlOf } from '../platform/control-support.ts';
import { addressesOf, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const MINUTE_MS = 60_000;

let dir = '';
let arena: Arena;
const slotMs = T0;

beforeAll(async () => {
  dir = await tempDir('nof0-replay-');
  const models = ['traded', 'refused', 'shadowed', 'paused', 'stopped'].map((id) => ({ id, strategy: 'buy-and-hold' }));
  arena = await openTestArena(arenaConfig({ history: '30m', journal: true, models }), { journalDir: dir });
  await ingestPrices(arena.stories, T0, never);
});
afterAll(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

const fileOf = (model: string) => path.join(dir, model, `cycle_${slotMs}_1.json`);
/** Runs a cycle and reads its journal file. */
async function recorded(model: string, stories = arena.stories): Promise<JournalRecord> {
  await runDecisionCycle(stories, arena.frames, model, slotMs, never);
  return journalSchema.parse(JSON.parse(await readFile(fileOf(model), 'utf8')));
}
const control = () => controlOf(arena.run.resources);

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

describe('a cycle that has traded', () => {
  let record: JournalRecord;
  beforeAll(async () => {
    record = await recorded('traded');
  });
  const changed = async (change: (record: JournalRecord) => unknown) => {
    const copy = structuredClone(record);
    change(copy);
    const file = path.join(dir, 'changed.json');
    await writeFile(file, JSON.stringify(copy));
    return cli('replay', '--file', file, '--json');
  };

  it('comes out the same, from its row and from its file', async () => {
    const same = `cycle ${record.id}: decision 1 of traded at 2025-09-15 12:00:00\nno difference: 0 rejected, 12 orders\n`;
    expect(await cli('replay', String(record.id))).toEqual({ code: 0, output: same });
    expect(await cli('replay', '--file', fileOf('traded'))).toEqual({ code: 0, output: same });
    const { output } = await cli('replay', 'traded/1', '--json');
    expect(JSON.parse(output)).toMatchObject({ id: record.id, note: null, orders: 12, differences: [] });
  });

  it('shows an order of another size', async () => {
    const { code, output } = await changed(({ orders }) => {
      const [leg] = orders?.legs ?? [];
      if (leg) leg.size *= 2;
    });
    const leg = record.orders?.legs[0];
    expect(JSON.parse(output).differences).toEqual([
      { what: `order ${leg?.symbol} ${leg?.leg} size`, recorded: (leg?.size ?? 0) * 2, now: leg?.size },
    ]);
    expect(code).toBe(1);
  });

  it('shows orders and rejections that would not have been', async () => {
    const symbol = record.answer?.decisions.find(({ action }) => action === 'open_long')?.symbol ?? '';
    const { code, output } = await changed(({ answer }) => {
      for (const decision of answer?.decisions ?? []) if (decision.symbol === symbol) decision.confidence = 0.01;
    });
    expect(code).toBe(1);
    const { differences } = JSON.parse(output);
    expect(differences.map(({ what }: { what: string }) => what).sort()).toEqual([
      ...['entry', 'stop', 'target'].map((leg) => `order ${symbol} ${leg}`),
      `rejection ${symbol} open_long`,
    ]);
    expect(differences.find(({ what }: { what: string }) => what.startsWith('rejection'))).toMatchObject({
      recorded: null,
      now: { code: 'LOW_CONFIDENCE' },
    });
    const shown = await cli('replay', '--file', path.join(dir, 'changed.json'));
    expect(shown.output).toMatch(new RegExp(`rejection ${symbol} open_long +- +{"code":"LOW_CONFIDENCE"`));
  });

  it('does not judge what the exchange made of its orders', () => {
    const copy = structuredClone(record);
    for (const leg of copy.orders?.legs ?? []) Object.assign(leg, { status: 'rejected', oid: null, avgPrice: 7 });
    expect(replayCycle(copy).differences).toEqual([]);
  });
});

describe('a cycle', () => {
  it('whose slot was late comes out the same', async () => {
    const late = { ...arena.stories, clock: { repeats: true, now: (asOfMs: number) => asOfMs + 10 * MINUTE_MS } };
    // The frame of the slot is there: others decided in time.
    const record = await recorded('refused', late);
    expect(record.rejected?.map(({ code }) => code)).toContain('LATE');
    expect(replayCycle(record)).toMatchObject({ note: null, orders: 0, differences: [] });
  });

  it('in the shadow has no orders to compare', async () => {
    await shadowModels(control(), ['shadowed']);
    expect(replayCycle(await recorded('shadowed'))).toMatchObject({
      note: expect.stringContaining('in the shadow'),
      orders: 12,
      differences: [],
    });
  });

  it('that was held before or behind its model has nothing to compare', async () => {
    await pauseModels(control(), ['paused']);
    expect(replayCycle(await recorded('paused'))).toMatchObject({
      note: expect.stringMatching(/^it ended without an answer: the trader is paused/),
      differences: [],
    });
    const stories = whileDeciding(arena.stories, 'stopped', async () => {
      await pauseModels(control(), ['stopped']);
    });
    const record = await recorded('stopped', stories);
    expect(replayCycle(record)).toMatchObject({
      note: expect.stringMatching(/^it ended before its answer was judged: the trader is paused/),
      differences: [],
    });
    expect(await cli('replay', String(record.id))).toMatchObject({
      code: 0,
      output: expect.stringMatching(/not compared: it ended before/),
    });
  });
});

describe('nof0 replay', () => {
  it.each([
    [['replay'], 'expects either a cycle or --file'],
    [['replay', '5', '--file', 'x.json'], 'expects either a cycle or --file'],
    [['replay', '--file', 'nowhere.json'], '--file expects a journal file (ENOENT'],
    [['replay', '999999'], 'NOF0_CYCLE_UNKNOWN there is no finished cycle "999999"'],
  ])('%j is refused with a reason', async (args, reason) => {
    const { code, output } = await cli(...args);
    expect(output).toContain(reason);
    expect(code).toBe(1);
  });

  it('says what is wrong with a file that is no journal', async () => {
    const file = path.join(dir, 'other.json');
    await writeFile(file, '{"version": 2}');
    const { code, output } = await cli('replay', '--file', file);
    expect(output).toContain('NOF0_INPUT_INVALID');
    expect(output).toMatch(/version: expected /);
    expect(code).toBe(1);
  });
});
