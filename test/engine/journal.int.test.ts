import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JournalRecord, journalEffect, journalSchema } from '../../src/domain/journal.ts';
import { pauseModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { journalOfCycle } from '../../src/store/journal.ts';
import { controlOf } from '../platform/control-support.ts';
import { age, commit, outboxTargets } from '../platform/support.ts';
import { tempDir } from '../temp-dir.ts';
import { type Arena, arenaConfig, never, one, openTestArena, T0 } from './arena.ts';

const MODEL = 'holder';

let dir = '';
let journalDir = '';
let arena: Arena;

beforeEach(async () => {
  dir = await tempDir('nof0-journal-');
  journalDir = path.join(dir, 'journal');
  arena = await openTestArena(arenaConfig({ history: '30m', journal: true }), { journalDir });
  await ingestPrices(arena.stories, T0, never);
});
afterEach(async () => {
  await arena.run.close();
  await rm(dir, { recursive: true, force: true });
});

const cycle = (modelId = MODEL) => runDecisionCycle(arena.stories, arena.frames, modelId, T0, never);
const fileOf = (modelId = MODEL) => path.join(journalDir, modelId, `cycle_${T0}_1.json`);
const read = async (modelId = MODEL): Promise<JournalRecord> =>
  journalSchema.parse(JSON.parse(await readFile(fileOf(modelId), 'utf8')));
const pending = async () => (await outboxTargets(arena.db)).filter((target) => target.startsWith(String(T0)));

describe('the journal', () => {
  it('holds all of a finished cycle in a file of its own, the same as its row', async () => {
    await cycle();
    const record = await read();
    const row = await one<Record<string, unknown>>(arena.db, 'SELECT * FROM decision_cycles WHERE model_id = $1', [
      MODEL,
    ]);
    expect(record).toMatchObject({
      ...{ version: 1, id: row.id, trader_id: MODEL, cycle_ts_ms: T0, cycle_number: 1, executed_at_ms: T0 },
      ...{ success: true, error_code: null, context: row.context, answer: row.answer, decisions: row.decisions },
      ...{ rejected: [], orders: row.orders, cot_trace: row.cot_trace, config_digest: row.config_digest },
    });
    expect(Object.keys(record.market?.assets ?? {}).length).toBeGreaterThan(0);
    expect(record.messages).toMatchObject([{ role: 'assistant' }]);
    expect(await journalOfCycle(arena.db, record.id)).toEqual(record);
    // Whole files only, and no draft is left.
    expect(await readdir(path.join(journalDir, MODEL))).toEqual([path.basename(fileOf())]);
    expect(await pending()).toEqual([]);
  });

  it('holds a cycle that was held, with the reason', async () => {
    await pauseModels(controlOf(arena.run.resources), [MODEL]);
    await cycle();
    expect(await read()).toMatchObject({
      ...{ success: false, context: null, market: null, answer: null, orders: null, decisions: [] },
      error_message: expect.stringContaining('the trader is paused'),
    });
  });

  it('holds up nothing when the disk does not take it, and is written as soon as it does', async () => {
    await writeFile(journalDir, 'a file where the folder should be');
    expect(await cycle()).toMatchObject({ kind: 'done', note: { orders: 12 } });
    expect(await pending()).toEqual([journalEffect(MODEL, T0).target]);
    await rm(journalDir);
    await age(arena.db);
    await arena.run.resources.outbox.relay();
    expect(await read()).toMatchObject({ success: true });
    expect(await pending()).toEqual([]);
  });

  it('stays as long as it is told to after it was written, and what is no journal file stays for good', async () => {
    const old = (Date.now() - 91 * 86_400_000) / 1000;
    const folder = path.join(journalDir, 'somebody');
    await mkdir(folder, { recursive: true });
    for (const [name, seconds] of [
      ['cycle_1000_1.json', old],
      ['cycle_2000_2.json', old],
      ['.cycle_2000_2.json.77-1.tmp', old],
      ['cycle_3000_3.json', Date.now() / 1000],
      ['notes.txt', old],
    ] as const) {
      await writeFile(path.join(folder, name), '{}');
      await utimes(path.join(folder, name), seconds, seconds);
    }
    await cycle();
    expect((await readdir(folder)).sort()).toEqual(['cycle_3000_3.json', 'notes.txt']);
    expect(existsSync(fileOf())).toBe(true);
    expect(await pending()).toEqual([]);
  });

  it('leaves alone what has the name of a file and is none, and links that lead elsewhere', async () => {
    const stuck = path.join(journalDir, 'somebody', 'cycle_1000_1.json');
    await mkdir(stuck, { recursive: true });
    const elsewhere = path.join(dir, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(path.join(elsewhere, 'cycle_1000_1.json'), '{}');
    await utimes(path.join(elsewhere, 'cycle_1000_1.json'), 1, 1);
    await symlink(elsewhere, path.join(journalDir, 'link'));
    await utimes(stuck, 1, 1);
    await cycle();
    expect(existsSync(fileOf())).toBe(true);
    expect(existsSync(stuck)).toBe(true);
    expect(await readdir(elsewhere)).toHaveLength(1);
    expect(await pending()).toEqual([]);
  });

  it('written twice is the same file', async () => {
    await cycle();
    const first = await readFile(fileOf(), 'utf8');
    const effects = await commit(arena.db, [journalEffect(MODEL, T0), journalEffect('nobody', T0)]);
    await arena.run.resources.outbox.drain(effects);
    expect(await readFile(fileOf(), 'utf8')).toBe(first);
    expect(await pending()).toEqual([]);
  });
});

describe('without a journal in the arena file', () => {
  it('nothing is written', async () => {
    const quiet = await openTestArena(arenaConfig({ history: '30m' }), { journalDir: path.join(dir, 'quiet') });
    await ingestPrices(quiet.stories, T0, never);
    await runDecisionCycle(quiet.stories, quiet.frames, MODEL, T0, never);
    expect(existsSync(path.join(dir, 'quiet'))).toBe(false);
    await quiet.run.close();
  });
});
