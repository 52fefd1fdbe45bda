import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BacktestReport } from '../../src/engine/backtest-report.ts';
import { writeCandles } from '../candle-files.ts';
import { REPO } from '../paths.ts';
import { tempDir } from '../temp-dir.ts';

const run = promisify(execFile);

let dir = '';
let data = '';

beforeAll(async () => {
  dir = await tempDir('nof0-backtest-');
  ({ data } = await writeCandles(path.join(dir, 'candles'), 5));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Standard output alone: that is what another program reads. */
async function backtest(folder: string, ...flags: string[]): Promise<string> {
  const args = [path.join(REPO, 'bin/nof0.mjs'), 'backtest', '--data', data, ...flags];
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NOF0_DATA_DIR: path.join(dir, folder) };
  return (await run(process.execPath, args, { cwd: REPO, env, maxBuffer: 1 << 28 })).stdout;
}

describe('nof0 backtest', () => {
  it('says the same twice, byte by byte, and enough to add the ledger up again', async () => {
    const until = ['--to', '2025-07-22T03:00:00Z', '--json'];
    const first = await backtest('first', ...until);
    expect(await backtest('second', ...until)).toBe(first);
    const report = JSON.parse(first) as BacktestReport;
    expect(report.models).toHaveLength(6);
    expect(report.counts.cycles).toBe(report.counts.slots * 6);
    expect(report.counts.fills).toBeGreaterThan(0);
    for (const model of report.models) {
      const cash = model.fills.reduce((sum, fill) => sum + fill.closed_pnl - fill.fee, model.initial);
      const unrealized = model.open.reduce((sum, p) => sum + p.quantity * (p.mark_price - p.entry_price), 0);
      expect(cash + unrealized).toBeCloseTo(model.equity, 6);
    }
  }, 120_000);

  it('runs the models that were asked for, and prints a table', async () => {
    const text = await backtest('some', '--models', 'coin-flip,carry', '--to', '2025-07-22T02:00:00Z');
    expect(text).toMatch(/80 cycles/);
    expect(text).toMatch(/^coin-flip .* %/m);
    expect(text).not.toMatch(/breakout/);
  });

  it('names what it does not know before anything starts', async () => {
    await expect(backtest('none', '--models', 'coin-flop')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/NOF0_CONFIG_INVALID.*coin-flop[\s\S]*expected one of .*coin-flip/),
    });
    await expect(backtest('none', '--from', '2031-01-01T00:00:00Z')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error NOF0_INPUT_INVALID --from expects a stretch of the data, which goes from/),
    });
    await expect(
      run(process.execPath, [path.join(REPO, 'bin/nof0.mjs'), 'backtest'], { cwd: REPO }),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/--data DIR/),
    });
  });
});
