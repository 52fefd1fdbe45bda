/** A session of the equities desk from the command line: started, played, looked at, checked, ended. */

import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeskView, deskViewSchema } from '../../src/domain/desk/published.ts';
import { eventually } from '../eventually.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import { writeSession } from '../session-files.ts';
import { tempDir } from '../temp-dir.ts';

const MINUTE_MS = 60_000;
const DAY = '2025-07-03';
const SYMBOLS = ['AAPL', 'NVDA', 'PFE', 'BAC', 'NKE', 'XOM'];
/** Entries soon, so that little of the session need be played. */
const ARENA = `seed: desk
models: [{ id: carry, strategy: carry }]
equities: { day: '${DAY}', barInterval: 1m, minScore: 0.2, cooldown: 2m, trailing: 0.004 }
`;

let dir = '';
let env: Record<string, string> = {};
let session: { data: string; closeMs: number };
let up: Nof0 | null = null;
let url = '';

beforeAll(async () => {
  dir = await tempDir('nof0-desk-');
  session = await writeSession(path.join(dir, 'session'), { seed: 'j', day: DAY, symbols: SYMBOLS });
  const file = path.join(dir, 'arena.yaml');
  await writeFile(file, ARENA);
  env = { NOF0_DATA_DIR: path.join(dir, 'data'), NOF0_ARENA: file };
});

afterAll(async () => {
  if (up?.process.exitCode === null) up.process.kill('SIGINT');
  await up?.ended;
  await rm(dir, { recursive: true, force: true });
});

const inRun = (...args: string[]) => runNof0([...args, '--run', 'day'], env);

async function desk(): Promise<DeskView> {
  const { code, output } = await inRun('desk', '--json');
  expect(code, output).toBe(0);
  return deskViewSchema.parse(JSON.parse(output));
}

describe('nof0 up --desk equities', { timeout: 120_000 }, () => {
  it('plays a recorded session to its end', async () => {
    const from = String(session.closeMs - 40 * MINUTE_MS);
    const market = ['--market', 'csv', '--data', session.data, '--from', from, '--speed', 'max'];
    up = nof0(['up', '--desk', 'equities', '--run', 'day', ...market, '--port', '0'], env);
    const [, address] = await up.printed(/arena\s+(http:\/\/[^/\s]+)/);
    url = address ?? '';
    await eventually(
      'the end of the session',
      async () => {
        const { run } = (await (await fetch(`${url}/api/run`)).json()) as { run: { kind: string; state: string } };
        expect(run.kind).toBe('equities');
        return run.state === 'finished';
      },
      90_000,
    );
  });

  it('has bought, sold and closed everything before the close, and written the day down', async () => {
    const { trades } = (await (await fetch(`${url}/api/trades?limit=200`)).json()) as {
      trades: { exit_time: number }[];
    };
    expect(trades.length).toBeGreaterThan(0);
    for (const trade of trades) expect(trade.exit_time * 1000).toBeLessThan(session.closeMs);
    const seen = await desk();
    expect(seen.positions).toEqual([]);
    expect(seen.system).toMatchObject({ market_status: 'after_hours', active_positions_count: 0 });
    expect(seen.watchlist.length).toBeGreaterThan(0);
    expect(seen.market).not.toBeNull();
    const kinds = new Set(seen.signals.map(({ type }) => type));
    expect([...kinds].sort()).toEqual(['entry', 'exit']);
    const counted = (seen.performance?.win_count ?? 0) + (seen.performance?.loss_count ?? 0);
    expect(counted).toBe(trades.length);
    expect(seen.performance?.timestamp.slice(0, 10)).toBe(DAY);
    const { desk: served } = (await (await fetch(`${url}/api/desk`)).json()) as { desk: DeskView };
    expect({ ...seen, run: undefined }).toEqual({ ...served, run: undefined });
  });

  it('tells a person the same, line by line', async () => {
    const { code, output } = await inRun('desk');
    expect(code).toBe(0);
    for (const line of [
      /market after_hours$/m,
      /^market {5}\w+, VIX [\d.]+$/m,
      /^watchlist {2}[A-Z, ]+$/m,
      /^session .* USD/m,
    ])
      expect(output).toMatch(line);
  });

  it('agrees with itself: rows, keys and ledger', async () => {
    const { code, output } = await inRun('verify');
    expect(code, output).toBe(0);
    expect(output).toMatch(/^keys\s+stockSignal\s+[1-9]\d*\s+0$/m);
    expect(output).toContain('run day: everything agrees');
  });

  it('ends when it is told to, and a start of the finished session ends by itself', async () => {
    up?.process.kill('SIGINT');
    expect(await up?.ended).toBe(0);
    const again = await inRun('up', '--exit-at-end', '--port', '0');
    expect(again.output).toContain('the replay has reached its end');
    expect(again.code).toBe(0);
  });

  it('refuses what it cannot play, and says what it needs', async () => {
    const [casino, noData, noSession] = await Promise.all([
      runNof0(['up', '--desk', 'casino'], env),
      runNof0(['up', '--desk', 'equities', '--market', 'csv'], env),
      runNof0(['up', '--desk', 'equities', '--market', 'csv', '--data', path.join(dir, 'nowhere')], env),
    ]);
    expect(casino).toMatchObject({ code: 1, output: expect.stringMatching(/--desk expects one of arena, equities/) });
    expect(noData).toMatchObject({ code: 1, output: expect.stringContaining('--data') });
    expect(noSession).toMatchObject({ code: 1, output: expect.stringContaining('nowhere') });
  });
});
