import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Target } from '../../src/domain/published-keys.ts';
import { identifyProcess } from '../../src/embedded/processes.ts';
import { startChild } from '../faults/children/open.ts';
import { createRun, type TestRun } from '../harness.ts';
import { eventually } from './support.ts';

const MODEL = 'holder';
const POSITIONS: Target = { family: 'positions', ids: [MODEL] };

let run: TestRun;

beforeAll(async () => {
  run = await createRun();
  const { db } = run.resources;
  await db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ($1, 'Holder', 'paper', 'synthetic')`,
    [MODEL],
  );
});

beforeEach(() => run.resources.db.query('TRUNCATE positions'));

afterAll(() => run.close());

/** Makes the model hold this much. */
async function hold(quantity: number): Promise<void> {
  await run.resources.db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, entry_ts_ms, status)
     VALUES ('p', $1, 'BTC', 'long', 100, $2, $3, 'open') ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity`,
    [MODEL, quantity, Date.UTC(2026, 0, 1)],
  );
}

async function published(): Promise<number | undefined> {
  const { cacheRedis, keys } = run.resources;
  const json = await cacheRedis.hget(keys.key('positions', [MODEL]), 'BTC');
  return json === null ? undefined : (JSON.parse(json) as { quantity: number }).quantity;
}

/**
 * Another process refreshes the positions while the model holds 1, and stands still between its load and its write until the model has
 * come to hold 2 and that is published. Returns what the refresh says of itself.
 */
async function staleRefresh(fence: 'on' | 'off'): Promise<{ written: number; refused: number }> {
  const { servers, prefix } = run;
  await hold(1);
  const child = startChild('refresh', { servers, prefix, options: { model: MODEL, fence } });
  try {
    await child.printed(/^holds$/m);
    await eventually(async () => expect(await stateOf(child.pid)).toBe('T'));
    await hold(2);
    expect(await run.resources.publisher.refresh([POSITIONS])).toEqual({ written: 1, refused: 0 });
    expect(await published()).toBe(2);
    child.process.kill('SIGCONT');
    const [answer] = await child.printed(/^\{.*\}$/m);
    expect(await child.ended).toBe(0);
    return JSON.parse(answer) as { written: number; refused: number };
  } finally {
    if (identifyProcess(child.pid) !== null) child.process.kill('SIGKILL');
  }
}

/** `T` is a process that was stopped. */
async function stateOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}

describe.skipIf(process.platform !== 'linux')('a refresh that stood still between its load and its write', () => {
  it('is refused when somebody has published something newer meanwhile', async () => {
    expect(await staleRefresh('on')).toEqual({ written: 0, refused: 1 });
    expect(await published()).toBe(2);
  });

  it('would overwrite it without the fence', async () => {
    expect(await staleRefresh('off')).toEqual({ written: 1, refused: 0 });
    expect(await published()).toBe(1);
  });
});
