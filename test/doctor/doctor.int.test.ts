/** `nof0 doctor` against servers that are healthy, and against each fault: it names the fault, its remedy, and exits 1. */

import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examineNode, judgeDisk } from '../../src/doctor/machine.ts';
import { surelyAheadMs } from '../../src/domain/time.ts';
import { startHttp } from '../../src/http/server.ts';
import { createRun, REPO, type TestRun } from '../harness.ts';
import { startServer, type TestServer } from '../platform/redis-nodes.ts';
import { runNof0 } from '../processes.ts';
import { createEmptyDatabase } from '../store/databases.ts';
import { tempDir } from '../temp-dir.ts';

const GIB = 1024 ** 3;

let dir = '';
let run: TestRun;
let queue: TestServer;
let cache: TestServer;
beforeAll(async () => {
  [dir, run, queue, cache] = await Promise.all([
    tempDir('nof0-doctor-'),
    createRun(),
    startServer({ 'maxmemory-policy': 'noeviction', appendonly: 'yes' }),
    startServer({ 'maxmemory-policy': 'volatile-lru' }),
  ]);
});
afterAll(async () => {
  await Promise.all([run?.close(), queue?.close(), cache?.close()]);
  await rm(dir, { recursive: true, force: true });
});

async function doctor(env: Record<string, string> = {}, ...args: string[]) {
  const whole = {
    DATABASE_URL: run.servers.databaseUrl,
    REDIS_QUEUE_URL: queue.url,
    REDIS_CACHE_URL: cache.url,
    NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
    NOF0_HTTP_PORT: '0',
    ...env,
  };
  return runNof0(['doctor', ...args], whole, dir);
}

/** A machine on which this is so: it runs before the program. */
const machine = (so: string) => ({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(so)}` });

describe('nof0 doctor', () => {
  it('finds nothing wrong with a healthy system', async () => {
    const { code, output } = await doctor();
    expect(output).toContain('nothing is wrong');
    expect(output).not.toMatch(/FAULT|warning/);
    expect(code).toBe(0);
  });

  it('says the same as JSON', async () => {
    const { code, output } = await doctor({}, '--json');
    const { healthy, findings } = JSON.parse(output) as { healthy: boolean; findings: { check: string }[] };
    expect([code, healthy]).toEqual([0, true]);
    expect(findings.map(({ check }) => check)).toEqual([
      'configuration',
      'stock data',
      'node',
      'disk',
      'postgres',
      'migrations',
      'postgres clock',
      'queue redis',
      'queue redis policy',
      'queue redis clock',
      'cache redis',
      'cache redis policy',
      'cache redis clock',
    ]);
  });

  it('names a queue that may forget jobs', async () => {
    const { code, output } = await doctor({ REDIS_QUEUE_URL: cache.url });
    expect(output).toMatch(/FAULT +queue redis policy +maxmemory-policy volatile-lru .* may forget jobs/);
    expect(output).toContain('→ run: redis-cli CONFIG SET maxmemory-policy noeviction');
    expect(code).toBe(1);
  });

  it('names a cache that refuses writes when it is full, unless it is the queue itself', async () => {
    const other = await startServer({ 'maxmemory-policy': 'noeviction' });
    try {
      const { code, output } = await doctor({ REDIS_CACHE_URL: other.url });
      expect(output).toMatch(/FAULT +cache redis policy .*refuses writes/);
      expect(output).toContain('→ run: redis-cli CONFIG SET maxmemory-policy volatile-lru');
      expect(code).toBe(1);
    } finally {
      await other.close();
    }
    expect((await doctor({ REDIS_CACHE_URL: queue.url })).code).toBe(0);
  });

  it('names pending migrations', async () => {
    const empty = await createEmptyDatabase();
    try {
      const { code, output } = await doctor({ DATABASE_URL: empty.url });
      expect(output).toMatch(/FAULT +migrations +\d+ pending: 0001_tables, /);
      expect(output).toContain('→ run: nof0 migrate');
      expect(code).toBe(1);
    } finally {
      await empty.drop();
    }
  });

  it.each([
    ['REDIS_QUEUE_URL', 'queue redis'],
    ['REDIS_CACHE_URL', 'cache redis'],
  ])('names a dead server: %s', async (variable, check) => {
    const dead = await startServer();
    await dead.close();
    const { code, output } = await doctor({ [variable]: dead.url });
    expect(output).toMatch(new RegExp(`FAULT +${check} +Redis .* does not answer`));
    expect(output).toContain(`→ start it, or correct ${variable}`);
    expect(code).toBe(1);
  });

  it('names a dead Postgres, and looks at the rest all the same', async () => {
    const { code, output } = await doctor({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expect(output).toMatch(/FAULT +postgres .*ECONNREFUSED/);
    expect(output).toContain('→ start it, or correct DATABASE_URL');
    expect(output).toMatch(/ok +queue redis policy +noeviction/);
    expect(code).toBe(1);
  });

  it('names a port that another program has taken, and knows its own', async () => {
    const stranger = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const taken = String((stranger.address() as AddressInfo).port);
    const api = await startHttp(run.resources, { host: '127.0.0.1', port: 0 });
    try {
      const other = await doctor({ NOF0_HTTP_PORT: taken });
      expect(other.output).toMatch(new RegExp(`FAULT +http port +${taken} on 127.0.0.1 is taken by another program`));
      expect([other.output.includes('→ end that program, or choose another NOF0_HTTP_PORT'), other.code]).toEqual([
        true,
        1,
      ]);
      const own = await doctor({ NOF0_HTTP_PORT: new URL(api.url).port });
      expect(own.output).toMatch(/ok +http port +an API answers/);
      expect(own.code).toBe(0);
    } finally {
      await api.close();
      stranger.close();
    }
  });

  it('names clocks that are apart, and only mentions those that differ by less', async () => {
    const apart = await doctor(machine('Date.now = ((now) => () => now() + 7000)(Date.now)'));
    for (const check of ['postgres clock', 'queue redis clock', 'cache redis clock'])
      expect(apart.output).toMatch(
        new RegExp(`FAULT +${check} +\\d{4} ms behind this machine\\n +→ let both machines`),
      );
    expect(apart.output).toContain('3 faults');
    expect(apart.code).toBe(1);
    const near = await doctor(machine('Date.now = ((now) => () => now() - 1800)(Date.now)'));
    expect(near.output).toMatch(/warning +postgres clock +\d{3,4} ms ahead of this machine/);
    expect(near.code).toBe(0);
  });

  it('names a disk that is nearly full', async () => {
    const full = `import fs from 'node:fs/promises'; import { syncBuiltinESMExports } from 'node:module';
      fs.statfs = async () => ({ bavail: 100, bsize: 4096, blocks: 1e9 }); syncBuiltinESMExports()`;
    const { code, output } = await doctor(machine(full));
    expect(output).toMatch(/FAULT +disk +0\.0 GiB of \d+\.\d GiB free under/);
    expect(output).toContain('→ make room there, or put the data elsewhere (NOF0_DATA_DIR)');
    expect(code).toBe(1);
  });

  it('names what is wrong with the configuration', async () => {
    const { code, output } = await doctor({ NOF0_HTTP_PROT: '1' });
    expect(output).toMatch(/FAULT +configuration +environment: NOF0_HTTP_PROT/);
    expect(output).toContain('did you mean NOF0_HTTP_PORT?');
    expect(code).toBe(1);
  });

  it('says that nobody has brought up a run, which is no fault', async () => {
    const { code, output } = await runNof0(['doctor', '--run', 'nothing'], { NOF0_DATA_DIR: dir, NOF0_HTTP_PORT: '0' });
    expect(output).toMatch(/skipped +servers +nobody has brought up run "nothing"/);
    expect(code).toBe(0);
  });
});

describe('another clock', () => {
  it.each([
    [1000, 1000, 1400, 0],
    [1399, 1000, 1400, 0],
    [3400, 1000, 1400, 2000],
    [400, 1000, 1400, -600],
  ])('that says %d between %d and %d is surely ahead by %d', (theirs, asked, answered, ahead) => {
    expect(surelyAheadMs(theirs, asked, answered)).toBe(ahead);
  });
});

describe('this machine', () => {
  it.each([
    ['v20.18.9', 'fault'],
    ['v20.19.0', 'ok'],
    ['v21.7.0', 'fault'],
    ['v22.11.0', 'fault'],
    ['v22.12.0', 'ok'],
    ['v23.5.0', 'fault'],
    ['v24.0.0', 'ok'],
    ['v25.1.0', 'ok'],
  ])('Node %s: %s', (version, state) => {
    expect(examineNode(version).state).toBe(state);
  });

  it.each([
    [0.5, 'fault'],
    [3, 'warning'],
    [50, 'ok'],
  ])('a disk with %d GiB left: %s', (free, state) => {
    expect(judgeDisk('/data', free * GIB, 100 * GIB)).toMatchObject({ state });
  });
});
