/** The files that servers of a deployment are given, tried on the servers themselves. */

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../src/embedded/run-command.ts';
import { REPO } from '../paths.ts';
import { startServer } from '../platform/redis-nodes.ts';
import { tempDir } from '../temp-dir.ts';

const DEPLOY = path.join(REPO, 'deploy');

/** What a real server says of its settings when it is given a file of ours. */
async function settingsOf(role: string, names: readonly string[]): Promise<Record<string, string>> {
  const server = await startServer({ include: path.join(DEPLOY, `redis/${role}.conf`) });
  const redis = new Redis(server.url);
  try {
    const pairs = await Promise.all(names.map(async (name) => (await redis.config('GET', name)) as string[]));
    return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, value]));
  } finally {
    redis.disconnect();
    await server.close();
  }
}

describe('the file of', () => {
  const common = {
    bind: '127.0.0.1 -::1',
    'protected-mode': 'yes',
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '3600 1 300 100 60 10000',
  };

  it('the queue keeps everything, on disk twice, and refuses writes rather than forget', async () => {
    const expected = { ...common, maxmemory: '0', 'maxmemory-policy': 'noeviction' };
    expect(await settingsOf('queue', Object.keys(expected))).toEqual(expected);
  });

  it('the cache forgets beyond two gigabytes', async () => {
    const expected = { ...common, maxmemory: String(2 * 1024 ** 3), 'maxmemory-policy': 'volatile-lru' };
    expect(await settingsOf('cache', Object.keys(expected))).toEqual(expected);
  });
});

describe('archiving a piece of log', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await tempDir('nof0-archive-');
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const NAME = '000000010000000000000001';
  const archive = async (content: string) => {
    const piece = path.join(dir, 'piece');
    await writeFile(piece, content);
    return runCommand('sh', [path.join(DEPLOY, 'postgres/archive-wal.sh'), piece, NAME, path.join(dir, 'wal')]);
  };
  const kept = () => readFile(path.join(dir, 'wal', NAME), 'utf8');

  it('keeps it whole, and leaves nothing half beside it', async () => {
    expect(await archive('first')).toMatchObject({ code: 0 });
    expect(await kept()).toBe('first');
    expect(await readdir(path.join(dir, 'wal'))).toEqual([NAME]);
  });

  it('bears being asked again for the same piece, after a crash', async () => {
    expect(await archive('first')).toMatchObject({ code: 0 });
  });

  it('never writes another piece over it', async () => {
    expect((await archive('other')).code).not.toBe(0);
    expect(await kept()).toBe('first');
  });
});
