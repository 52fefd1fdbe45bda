import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { REPO } from '../paths.ts';
import { runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

let dir = '';
const COMMANDS = [
  'up',
  'scheduler',
  'worker',
  'api',
  'migrate',
  'enqueue',
  'queues',
  'export',
  'consume',
  'import',
  'parity',
  'verify',
  'failed',
  'redrive',
  'cancel',
  'pause',
  'resume',
  'runs',
  'audit',
  'ask',
  'llm',
];

beforeAll(async () => {
  dir = await tempDir('nof0-cli-');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs in an empty folder, so that neither `.env` nor runs of this repository play a part. */
const run = (args: string[], env: Record<string, string> = {}) =>
  runNof0(args, { NOF0_ARENA: path.join(REPO, 'config/arena.yaml'), ...env }, dir);

describe('help and wrong calls', () => {
  it.each(COMMANDS)('%s explains itself', async (command) => {
    const { code, output } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(output).toMatch(new RegExp(`Usage: nof0 ${command}`));
  });

  it.each([
    [['upp'], 2, 'Did you mean up?'],
    [['up', '--prot', '1'], 2, '--port'],
    [['alert', 'lst'], 1, 'nof0 alert has no "lst"; expected list, test; did you mean list?'],
    [['archive', 'rstore'], 1, 'did you mean restore?'],
    [['worker', '--queues', 'snapshit'], 1, 'did you mean snapshot?'],
    [['worker', '--concurrency', 'many'], 1, 'a whole number of at least 1'],
    [['up', '--market', 'replay'], 1, '--data DIR'],
    [['up', '--market', 'moon'], 1, 'synthetic, replay or hyperliquid'],
    [['enqueue', 'snapshto'], 1, 'did you mean snapshot?'],
    [['enqueue', 'snapshot', '--data', '{'], 1, 'a JSON object'],
  ])('%j says what was expected', async (args, code, said) => {
    const answer = await run(args);
    expect(answer.output).toContain(said);
    expect(answer.code).toBe(code);
  });
});

describe('bad configuration starts nothing', () => {
  it('lists every fault of environment, .env and arena file at once', async () => {
    await writeFile(path.join(dir, '.env'), 'NOF0_HTTP_PORT=eighty\nthis is no variable\n');
    await writeFile(
      path.join(dir, 'bad.yaml'),
      'models:\n  - { id: a, strategy: trend-folower }\n  - { id: a, strategy: carry }\nguardrails: { maxPositions: -1 }\nschedules: { decision: soon }\n',
    );
    const { code, output } = await run(['up', '--arena', 'bad.yaml'], {
      NOF0_LOG_LEVL: 'info',
      DATABASE_URL: 'mysql://x',
    });
    await rm(path.join(dir, '.env'));
    expect(code).toBe(1);
    expect(output).toContain('NOF0_CONFIG_INVALID');
    for (const place of [
      '.env: line 2',
      'NOF0_HTTP_PORT',
      'NOF0_LOG_LEVL',
      'did you mean NOF0_LOG_LEVEL?',
      'DATABASE_URL',
      'models.0.strategy',
      'guardrails.maxPositions',
      'schedules',
    ]) {
      expect(output).toContain(place);
    }
    expect(output).not.toMatch(/^\s+at /m);
  });
});

describe('dead servers at start', () => {
  const dead = 'redis://127.0.0.1:1';

  it('names a dead Postgres in one line and exits with 1', async () => {
    const { code, output } = await run(['up'], {
      DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/x',
      REDIS_QUEUE_URL: inject('queueRedisUrl'),
      REDIS_CACHE_URL: inject('cacheRedisUrl'),
    });
    expect(code).toBe(1);
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(output).toMatch(/NOF0_DATABASE_UNAVAILABLE Postgres at .*127\.0\.0\.1:1/);
    expect(output).not.toContain('secret');
  });

  it.each([
    ['queue', { REDIS_QUEUE_URL: dead }, 'NOF0_QUEUE_UNAVAILABLE'],
    ['cache', { REDIS_CACHE_URL: dead }, 'NOF0_CACHE_UNAVAILABLE'],
  ])('names a dead %s Redis in one line and exits with 1', async (role, broken, code) => {
    const database = new URL(inject('databaseUrl'));
    database.pathname = `/cli_${role}`;
    const env = {
      DATABASE_URL: database.toString(),
      REDIS_QUEUE_URL: inject('queueRedisUrl'),
      REDIS_CACHE_URL: inject('cacheRedisUrl'),
      ...broken,
    };
    const { code: exit, output } = await run(['up'], env);
    expect(exit).toBe(1);
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(output).toContain(code);
  });
});

describe('nof0 migrate', () => {
  it('applies everything to an empty database, and nothing the second time', async () => {
    const database = new URL(inject('databaseUrl'));
    database.pathname = '/cli_migrate';
    const env = { DATABASE_URL: database.toString(), REDIS_URL: inject('queueRedisUrl') };
    expect(await run(['migrate'], env)).toMatchObject({
      code: 0,
      output: expect.stringContaining('applied 0001_tables, 0002_storage'),
    });
    expect(await run(['migrate'], env)).toMatchObject({
      code: 0,
      output: expect.stringContaining('the schema is up to date'),
    });
  });
});
