import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { directoryOf, put, trade } from '../import/files.ts';
import { REPO } from '../paths.ts';
import { nof0, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

let dir = '';
let env: Record<string, string> = {};

beforeAll(async () => {
  dir = await tempDir('nof0-cli-');
  const database = new URL(inject('databaseUrl'));
  database.pathname = '/cli_import';
  env = {
    NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
    NOF0_REDIS_PREFIX: 'test.cli_import',
    DATABASE_URL: database.toString(),
    REDIS_QUEUE_URL: inject('queueRedisUrl'),
    REDIS_CACHE_URL: inject('cacheRedisUrl'),
  };
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const run = (...args: string[]) => runNof0(args, env, dir);

describe('nof0 import', () => {
  it('begins a run, loads the files, and agrees with itself afterwards', async () => {
    const files = await directoryOf({ 'trades.json': { trades: [trade()] } });
    const { code, output } = await run('import', files);
    expect(output).toContain('every row is in');
    expect(code).toBe(0);
    const verified = await run('verify');
    expect(verified.output).toContain('everything agrees');
    expect(verified.output).toContain('imported: trades without fills, exempt');
    expect(verified.code).toBe(0);
  });

  it('agrees with the files, and says where it no longer does', async () => {
    const files = await directoryOf({ 'trades.json': { trades: [trade()] } });
    expect(await run('parity', files)).toMatchObject({ code: 0, output: expect.stringContaining('the answers agree') });
    await put(files, 'trades.json', { trades: [trade({ exit_price: 111 })] });
    const { code, output } = await run('parity', files);
    expect(output).toMatch(/trades +exit_price +1 +m1_a +111 +110/);
    expect(code).toBe(1);
  });

  it('exits with 2 and a line a fault when rows are bad', async () => {
    const files = await directoryOf({ 'trades.json': { trades: [trade(), trade({ id: 'bad', symbol: 7 })] } });
    const { code, output } = await run('import', files);
    expect(output).toMatch(/trades\.json \[1\] symbol: .*expected string/);
    expect(code).toBe(2);
  });

  it('says when there is nothing to import', async () => {
    expect(await run('import', path.join(dir, 'nowhere'))).toMatchObject({
      code: 1,
      output: expect.stringContaining('a directory'),
    });
    expect(await run('import', dir)).toMatchObject({ code: 1, output: expect.stringContaining('holds none of') });
  });

  it('follows a directory until it is told to end', async () => {
    const files = await directoryOf({ 'trades.json': { trades: [trade({ id: 'w1' })] } });
    const following = nof0(['import', files, '--watch', '--poll', '50'], env, dir);
    await following.printed(/trades\.json: 1 rows, 1 added/);
    await put(files, 'trades.json', { trades: [trade({ id: 'w1' }), trade({ id: 'w2' })] });
    await following.printed(/trades\.json: 2 rows, 1 added/);
    following.process.kill('SIGTERM');
    expect(await following.ended).toBe(0);
  });
});
