/** A disaster, as a person would meet it: back up while it runs, lose everything, restore, check, go on. */

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeCandles } from '../candle-files.ts';
import { eventually } from '../eventually.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const RUN = 'disaster';

let dir = '';
let env: Record<string, string> = {};
let backup = '';
let up: Nof0 | undefined;
/** Every trade of the replay, as the export writes it, when nothing was ever lost. */
let trades = '';

beforeAll(async () => {
  dir = await tempDir('nof0-disaster-');
  env = { NOF0_DATA_DIR: path.join(dir, 'data') };
  await writeCandles(path.join(dir, 'candles'), 4);
});
afterAll(async () => {
  if (up?.process.exitCode === null) up.process.kill('SIGINT');
  await up?.ended;
  await rm(dir, { recursive: true, force: true });
});

const run = (...args: string[]) => runNof0([...args, '--run', RUN], env);
/** Begins or goes on with the run. It is ended, with its servers, when a test fails over it. */
function begin(...flags: string[]): Nof0 {
  up = nof0(['up', '--no-api', ...flags, '--run', RUN], env);
  return up;
}
const replay = () =>
  begin('--market', 'replay', '--data', path.join(dir, 'candles'), '--speed', 'max', '--exit-at-end');

async function ok(...args: string[]): Promise<string> {
  const command = nof0([...args, '--run', RUN], env);
  expect(await command.ended, command.output()).toBe(0);
  return command.answer();
}

async function countTrades(): Promise<number> {
  return (await ok('export', 'trades')).trim().split('\n').length - 1;
}

it('backs up a run that goes on, at one moment', async () => {
  const running = replay();
  await running.printed(/ready/, 120_000);
  await eventually('some trades', async () => (await countTrades()) >= 3, 120_000);
  const answer = JSON.parse(await ok('backup', '--to', path.join(dir, 'backups'), '--json')) as {
    dir: string;
    rows: number;
  };
  backup = answer.dir;
  expect(answer.rows).toBeGreaterThan(100);
  expect(await readdir(path.join(dir, 'backups'))).toEqual([path.basename(backup)]);
  expect(await running.ended, running.output()).toBe(0);
  trades = await ok('export', 'trades');
}, 300_000);

it('is refused over a run that somebody works on', async () => {
  const running = begin();
  await running.printed(/ready/, 60_000);
  const refused = await run('restore', backup);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('NOF0_RUN_BUSY');
  running.process.kill('SIGINT');
  await running.ended;
}, 120_000);

it('brings back everything that was lost, stream and keys included', async () => {
  await rm(path.join(dir, 'data'), { recursive: true, force: true });
  const restored = await run('restore', backup);
  expect(restored.output).toContain(`nof0 verify --run ${RUN}`);
  expect(restored.code).toBe(0);
  const verified = await run('verify');
  expect(verified.output).toContain('everything agrees');
  expect(verified.code).toBe(0);
  const back = await ok('export', 'trades');
  expect(back.split('\n').length).toBeLessThan(trades.split('\n').length);
}, 240_000);

it('goes on from there to the very trades of a run that lost nothing', async () => {
  const running = replay();
  expect(await running.ended, running.output()).toBe(0);
  expect(await ok('export', 'trades')).toBe(trades);
  expect((await run('verify')).output).toContain('everything agrees');
}, 300_000);

it('goes back over what was written since, and keeps that under another name', async () => {
  const restored = await run('restore', backup);
  expect(restored.output).toMatch(/is the database nof0_before_\d{14}/);
  expect((await run('verify')).output).toContain('everything agrees');
  expect((await run('restore', backup, '--drop')).output).not.toContain('nof0_before');
}, 120_000);

it('keeps the newest backups and deletes older ones', async () => {
  const folder = path.join(dir, 'kept');
  for (let made = 0; made < 3; made += 1) await ok('backup', '--to', folder, '--keep', '2');
  expect(await readdir(folder)).toHaveLength(2);
}, 120_000);

it('brings back the rows that had left the database, files and all, and says which file is lost', async () => {
  const archive = path.join(dir, 'data', RUN, 'archive');
  const folder = path.join(dir, 'archived');
  expect(await ok('archive', 'run')).toMatch(/[1-9]\d* days archived/);
  const files = (await readdir(archive)).sort();
  const listed = JSON.parse(await ok('archive', 'list', '--json')) as {
    id: number;
    tables: Record<string, { rows: number }>;
  }[];
  const whole = JSON.parse(await ok('backup', '--to', folder, '--json')) as { dir: string; archived: number };
  expect(whole.archived).toBe(files.length);
  await rm(archive, { recursive: true });
  const restored = await run('restore', whole.dir, '--drop');
  expect(restored.output).toContain(`${files.length} files of archived rows`);
  expect((await readdir(archive)).sort()).toEqual(files);
  const back = await ok('archive', 'restore', ...listed.map(({ id }) => String(id)));
  for (const { id, tables } of listed) {
    const rows = Object.values(tables).reduce((sum, each) => sum + each.rows, 0);
    expect(back).toContain(`archive ${id}: ${rows} rows came back`);
  }
  // The next backup has it from the one before; one that stands alone cannot have it.
  await rm(path.join(archive, files[0] ?? ''));
  expect(JSON.parse(await ok('backup', '--to', folder, '--json'))).toMatchObject({ archived: files.length });
  const lacking = await run('backup', '--to', path.join(dir, 'alone'));
  expect(lacking.code).toBe(1);
  expect(lacking.output).toMatch(new RegExp(`NOF0_ARCHIVE_BROKEN[^]*${files[0]}`));
  expect(await readdir(path.join(dir, 'alone'))).toHaveLength(1);
}, 240_000);
