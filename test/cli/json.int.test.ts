/** Every command that reads answers programs as well as people: with `--json` its standard output is one JSON document. */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine } from '../../src/cli/main.ts';
import { createRun, REPO, type TestRun } from '../harness.ts';
import { MODELS, seed, seedSeason } from '../http/arena.ts';
import { nof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const [MODEL] = MODELS;

/** Commands that only read, each with what it needs; null: it needs files or a market of its own, and its own tests have its JSON. */
const READING: Readonly<Record<string, readonly string[] | null>> = {
  doctor: [],
  top: [],
  queues: [],
  failed: [],
  'season list': [],
  'season show': [],
  'models list': [],
  'models history': [MODEL],
  runs: [],
  audit: [],
  'alert list': [],
  'archive list': [],
  market: [],
  'llm budget': [],
  verify: [],
  recompute: [],
  parity: null,
  // A desk has runs of its own.
  desk: null,
  replay: null,
  ask: null,
  backtest: null,
  // Its rows are its answer: `--format json`.
  export: null,
};

/** Commands that do something, or stay. */
const ACTING = [
  ...[
    'up',
    'scheduler',
    'worker',
    'feed',
    'api',
    'migrate',
    'backfill',
    'backup',
    'restore',
    'enqueue',
    'redrive',
    'cancel',
  ],
  ...['pause', 'resume', 'shadow', 'close', 'flatten', 'halt', 'consume', 'import', 'alert test', 'llm warm'],
  ...[
    'season start',
    'season end',
    'season freeze',
    'season reset',
    'models add',
    'models retire',
    'archive run',
    'archive restore',
    'archive release',
    'rebuild-cache',
    'warm',
  ],
];

let dir = '';
let run: TestRun;
beforeAll(async () => {
  [dir, run] = await Promise.all([tempDir('nof0-json-'), createRun()]);
  await seed(run.resources);
  await seedSeason(run.resources);
  // The exchange that `verify` asks about them.
  const { stories } = await run.stories();
  await stories.exchange.openAccounts(MODELS.map((account) => ({ account, initialUsd: 10_000 })));
});
afterAll(async () => {
  await run?.close();
  await rm(dir, { recursive: true, force: true });
});

const never = () => Promise.reject(new Error('nothing is started here'));
const program = commandLine({ startScheduler: never, startWorkers: never } as unknown as Parameters<
  typeof commandLine
>[0]);

function leaves(command: Command, name = ''): { name: string; command: Command }[] {
  return command.commands.flatMap((child) => {
    const own = `${name} ${child.name()}`.trim();
    return child.commands.length === 0 ? [{ name: own, command: child }] : leaves(child, own);
  });
}

describe('the command line', () => {
  it('has commands that read and commands that act, and this list knows them all', () => {
    const names = leaves(program).map(({ name }) => name);
    expect(names.sort()).toEqual([...Object.keys(READING), ...ACTING].sort());
  });

  it('offers --json with every one that reads', () => {
    const flags = new Map(leaves(program).map(({ name, command }) => [name, command.options.map(({ long }) => long)]));
    for (const name of Object.keys(READING).filter((each) => each !== 'export'))
      expect(flags.get(name), name).toContain('--json');
    expect(flags.get('export')).toContain('--format');
  });
});

const answering = Object.entries(READING).flatMap(([name, args]) => (args === null ? [] : [[name, args] as const]));

it.each(answering)('nof0 %s --json is one document and nothing else', async (name, args) => {
  const env = {
    DATABASE_URL: run.servers.databaseUrl,
    REDIS_QUEUE_URL: run.servers.queueRedisUrl,
    REDIS_CACHE_URL: run.servers.cacheRedisUrl,
    NOF0_REDIS_PREFIX: run.prefix,
    NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
    NOF0_LOG_LEVEL: 'fatal',
    FORCE_COLOR: '1',
  };
  const process = nof0([...name.split(' '), ...args, '--json'], env, dir);
  await process.ended;
  const answer: unknown = JSON.parse(process.answer());
  expect(typeof answer).toBe('object');
  expect(process.answer()).not.toContain('\u001b');
});
