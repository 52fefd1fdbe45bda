import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobsOf } from '../../src/jobs/registry.ts';
import { eventually } from '../eventually.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

let dir = '';
let env: Record<string, string> = {};
let up: Nof0;
let url = '';

async function get<T>(route: string): Promise<T> {
  const response = await fetch(`${url}${route}`);
  if (!response.ok) throw new Error(`${route} answered ${response.status}`);
  return (await response.json()) as T;
}

async function start(): Promise<void> {
  up = nof0(['up', '--port', '0'], env);
  const match = await up.printed(/arena\s+(http:\/\/[^/\s]+)/);
  url = match[1] ?? '';
}

beforeAll(async () => {
  dir = await tempDir('nof0-up-');
  env = { NOF0_DATA_DIR: dir };
});

afterAll(async () => {
  if (up.process.exitCode === null) up.process.kill('SIGINT');
  await up.ended;
  await rm(dir, { recursive: true, force: true });
});

type Leaderboard = { leaderboard: { id: string; equity: number }[] };
type Decisions = { decisions: { model_id: string; timestamp: number; success: boolean }[] };

describe('nof0 up, as a process of its own', () => {
  let firstSlots: number[] = [];

  it('decides within ten seconds of its start and serves what it did', async () => {
    const startedAt = Date.now();
    await start();
    const { decisions } = await eventually('six decisions', async () => {
      const answer = await get<Decisions>('/api/decisions');
      return new Set(answer.decisions.map((decision) => decision.model_id)).size === 6 && answer;
    });
    expect(Date.now() - startedAt).toBeLessThan(10_000);
    expect(decisions.every((decision) => decision.success)).toBe(true);
    firstSlots = decisions.map((decision) => decision.timestamp);

    const { leaderboard } = await get<Leaderboard>('/api/leaderboard');
    expect(leaderboard).toHaveLength(6);
    const { prices } = await get<{ prices: Record<string, { price: number }> }>('/api/crypto-prices');
    expect(Object.keys(prices).sort()).toEqual(['BNB', 'BTC', 'DOGE', 'ETH', 'SOL', 'XRP']);
    expect(await get('/readyz')).toMatchObject({ status: 'ready' });
    expect((await fetch(`${url}/queues`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(
      /nof0_job_duration_seconds_count\{job="decision-cycle",outcome="done"\} [1-9]/,
    );
  });

  it('lets commands beside it find its servers, and refuses a second start of the same run', async () => {
    const queues = await runNof0(['queues', '--json'], env);
    expect(queues.code).toBe(0);
    expect(JSON.parse(queues.output)).toMatchObject({
      run: 'demo',
      queues: jobsOf('synthetic').map((queue) => ({ queue })),
    });
    const second = await runNof0(['up'], env);
    expect(second).toMatchObject({ code: 1 });
    expect(second.output).toContain('NOF0_RUN_BUSY');
  });

  it('runs a job that is enqueued beside it, once', async () => {
    const slotMs = Math.min(...firstSlots) - 15_000;
    const enqueued = await runNof0(
      ['enqueue', 'decision-cycle', '--model', 'carry', '--data', JSON.stringify({ slotMs })],
      env,
    );
    expect(enqueued).toMatchObject({ code: 0 });
    await eventually('the late slot is decided', async () => {
      const { decisions } = await get<Decisions>('/api/decisions?model_id=carry');
      return decisions.some((decision) => decision.timestamp === slotMs);
    });
  });

  it('refuses a bad payload with every fault and enqueues nothing', async () => {
    const refused = await runNof0(
      ['enqueue', 'snapshot', '--model', 'carry', '--data', '{"asOfMs":"soon","extra":1}'],
      env,
    );
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('NOF0_PAYLOAD_INVALID');
    expect(refused.output).toContain('asOfMs');
    expect(refused.output).toContain('extra');
    const unknown = await runNof0(['enqueue', 'snapshot', '--model', 'cary'], env);
    expect(unknown.code).toBe(1);
    expect(unknown.output).toContain('did you mean carry?');
  });

  it('agrees with itself while it runs', async () => {
    const verify = await runNof0(['verify'], env);
    expect(verify.output).toContain('everything agrees');
    expect(verify.code).toBe(0);
  });

  it('shows the market beside it, all of it or one symbol with its indicators', async () => {
    const { code, output } = await runNof0(['market', '--json'], env);
    expect(code).toBe(0);
    const { market } = JSON.parse(output) as { market: { symbol: string; price: number; timestamp: number }[] };
    expect(market).toHaveLength(6);
    for (const { price, timestamp } of market) {
      expect(price).toBeGreaterThan(0);
      expect(Date.now() - timestamp).toBeLessThan(60_000);
    }
    expect(await runNof0(['market', 'BTC'], env)).toMatchObject({ code: 0, output: expect.stringContaining('rsi14') });
    const unknown = await runNof0(['market', 'NONE'], env);
    expect(unknown).toMatchObject({ code: 1, output: expect.stringContaining('NOF0_SYMBOL_UNKNOWN') });
  });

  it('gets its cache written anew, warmed and repaired beside it', async () => {
    type Families = { families: { family: string; keys: number; written: number }[] };
    const rebuilt = JSON.parse((await runNof0(['rebuild-cache', '--json'], env)).output) as Families;
    expect(rebuilt.families.every(({ keys, written }) => keys === written)).toBe(true);
    expect(rebuilt.families.find(({ family }) => family === 'marketCtx')).toMatchObject({ written: 6 });
    const warmed = JSON.parse((await runNof0(['warm', '--json'], env)).output) as Families;
    expect(warmed.families.find(({ family }) => family === 'analytics')).toMatchObject({ written: 0 });
    const repaired = await runNof0(['verify', '--repair', '--json'], env);
    expect(JSON.parse(repaired.output)).toMatchObject({ clean: true });
    expect(repaired.code).toBe(0);
  });

  it('ends cleanly within seconds of Ctrl-C, with no process left', async () => {
    const servers = JSON.parse(await readFile(path.join(dir, 'demo', 'servers.json'), 'utf8')) as {
      pids: Record<string, number>;
    };
    const pids = Object.values(servers.pids);
    expect(pids).toHaveLength(3);
    const stoppedAt = Date.now();
    up.process.kill('SIGINT');
    expect(await up.ended).toBe(0);
    expect(Date.now() - stoppedAt).toBeLessThan(8000);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  });

  it('goes on where it stopped at the next start', async () => {
    await start();
    const before = Math.max(...firstSlots);
    const { decisions } = await eventually('a later decision', async () => {
      const answer = await get<Decisions>('/api/decisions');
      return Math.max(...answer.decisions.map((decision) => decision.timestamp)) > before && answer;
    });
    for (const slot of new Set(firstSlots))
      expect(decisions.some((decision) => decision.timestamp === slot)).toBe(true);
    up.process.kill('SIGTERM');
    expect(await up.ended).toBe(0);
  });
});
