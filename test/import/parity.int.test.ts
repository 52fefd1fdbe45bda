import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareAll } from '../../src/cli/parity.ts';
import type { Config } from '../../src/config.ts';
import { createApi } from '../../src/http/api.ts';
import { DirectoryImport } from '../../src/import/import-directory.ts';
import { createRun, SHARED, type TestRun } from '../harness.ts';
import { directoryOf, put, SERVER_TIME, trade } from './files.ts';

const RECORDED = path.join(SHARED, 'arena-data');

let run: TestRun;
let dir = '';
beforeAll(async () => {
  run = await createRun();
  const many = Array.from({ length: 1200 }, (_, i) =>
    trade({ id: `t${i}`, model_id: `m${i % 2}`, exit_time: 1_761_318_035 + Math.floor(i / 3) }),
  );
  dir = await directoryOf({
    'trades.json': { trades: many, serverTime: SERVER_TIME },
    'leaderboard.json': { leaderboard: [{ id: 'm1', equity: 9000, return_pct: -10, num_trades: 1, sharpe: 0 }] },
    'account-totals.json': {
      accountTotals: [1, 2, 3].map((hour) => ({
        id: `x${hour}`,
        model_id: 'm1',
        timestamp: 1_761_318_035 + hour * 3600,
        dollar_equity: 10_000 + hour,
        realized_pnl: 1,
        total_unrealized_pnl: 2,
        cum_pnl_pct: 0.5,
        sharpe_ratio: 0.1,
        since_inception_hourly_marker: 2100 * hour,
        since_inception_minute_marker: 60 * hour,
        positions: { BTC: { quantity: 1 } },
      })),
    },
  });
  await new DirectoryImport((await run.stories()).stories, dir).run({ nowMs: SERVER_TIME });
});
afterAll(async () => {
  await run.close();
  await rm(dir, { recursive: true });
});

const unmeant = (checked: Awaited<ReturnType<typeof compareAll>>) =>
  checked.flatMap(({ differences }) => differences).filter(({ byDefinition }) => byDefinition === null);

describe('parity with the files', () => {
  it('holds for what was imported, however many pages it takes', async () => {
    const checked = await compareAll(run.resources, dir);
    expect(unmeant(checked)).toEqual([]);
    expect(checked.map(({ endpoint }) => endpoint)).toEqual(['account-totals', 'trades', 'leaderboard']);
    expect(checked.find(({ endpoint }) => endpoint === 'trades')?.compared, 'all but the empty exit plan').toBe(
      1200 * 32,
    );
  });

  it('ends where something changed', async () => {
    await run.resources.db.query(`UPDATE trades SET exit_price = 5 WHERE id = 't3'`);
    const found = unmeant(await compareAll(run.resources, dir));
    expect(found).toMatchObject([{ row: 't3', field: 'exit_price', inFiles: 110, here: 5 }]);
    await run.resources.db.query(`UPDATE trades SET exit_price = 110 WHERE id = 't3'`);
  });

  it.skipIf(!existsSync(RECORDED))('holds for the original arena, but for what is defined otherwise', async () => {
    const own = await createRun();
    try {
      await new DirectoryImport((await own.stories()).stories, RECORDED).run({ nowMs: SERVER_TIME });
      const checked = await compareAll(own.resources, RECORDED);
      expect(unmeant(checked)).toEqual([]);
      expect(checked).toHaveLength(5);
      expect(checked.every(({ compared }) => compared > 5)).toBe(true);
    } finally {
      await own.close();
    }
  });
});

describe('where an address is answered from', () => {
  const api = (sources: Config['readSource']['sources'], from = dir) =>
    createApi({ ...run.resources, config: { ...run.config, readSource: { dir: from, sources } } });
  const leaderboard = async (app: ReturnType<typeof createApi>) =>
    ((await (await app.request('/api/leaderboard')).json()) as { leaderboard: { id: string; equity: number }[] })
      .leaderboard;
  const counted = async (metric: 'readComparisons' | 'readDifferences') =>
    (await run.resources.metrics[metric].get()).values.map(({ labels, value }) => [...Object.values(labels), value]);

  it('the files answer as they are, with the filters of the address', async () => {
    const app = api({ trades: 'files', leaderboard: 'files' });
    expect(await leaderboard(app)).toHaveLength(1);
    const trades = async (query: string) =>
      ((await (await app.request(`/api/trades${query}`)).json()) as { trades: { id: string }[] }).trades;
    expect(await trades('')).toHaveLength(1200);
    expect(await trades('?model_id=m1&limit=5')).toHaveLength(5);
    expect((await app.request('/api/trades?limit=many')).status).toBe(400);
    expect((await app.request('/api/models')).status).toBe(200);
  });

  it('compare answers from the files and counts what the store says differently', async () => {
    const files = await directoryOf({
      'leaderboard.json': { leaderboard: [{ id: 'm1', equity: 1, return_pct: -10 }] },
    });
    const app = api({ leaderboard: 'compare' }, files);
    expect(await leaderboard(app)).toMatchObject([{ id: 'm1', equity: 1 }]);
    expect(await counted('readDifferences')).toEqual([['leaderboard', 1]]);
    expect(await counted('readComparisons')).toEqual([['leaderboard', 'different', 1]]);
    await put(files, 'leaderboard.json', '{"leaderboard": [{"id"');
    expect(await leaderboard(app), 'the last whole file stands').toMatchObject([{ equity: 1 }]);
  });

  it('finds no difference where there is none, page by page', async () => {
    const app = api({ trades: 'compare', 'account-totals': 'compare' });
    for (const address of ['/api/trades', '/api/account-totals']) expect((await app.request(address)).status).toBe(200);
    expect(await counted('readComparisons')).toEqual(
      expect.arrayContaining([
        ['trades', 'equal', 1],
        ['account-totals', 'equal', 1],
      ]),
    );
  });

  it('without a file the store answers', async () => {
    const empty = await directoryOf({});
    expect(await leaderboard(api({ leaderboard: 'files' }, empty))).toHaveLength(2);
  });
});
