/** The import against the original's own files: what follows from the trades is what the original says. */

import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { DirectoryImport, type DirectoryResult } from '../../src/import/import-directory.ts';
import { createRun, SHARED, type TestRun } from '../harness.ts';
import { tempDir } from '../temp-dir.ts';

const RECORDED = path.join(SHARED, 'arena-data');
const present = existsSync(path.join(RECORDED, 'trades.json'));
const payload = z.looseObject({ model_id: z.string(), last_trade_doc_id: z.string() });
type Payload = z.infer<typeof payload>;

const TRADE_TABLES = [
  'fee_pnl_moves_breakdown_table',
  'winners_losers_breakdown_table',
  'longs_shorts_breakdown_table',
  'overall_trades_overview_table',
];
/** Faulty in the original; asked for in conversations, which no trade tells. */
const NOT_FROM_TRADES = ['std_taker_fee', 'avg_convo_leverage', 'median_convo_leverage'];

const numbers = (table: unknown) => z.record(z.string(), z.number()).parse(table);
const recorded = (file: string): unknown => JSON.parse(readFileSync(path.join(RECORDED, file), 'utf8'));

function expectNear(ours: unknown, theirs: unknown, skip: readonly string[]): number {
  const [found, wanted] = [numbers(ours), numbers(theirs)];
  const fields = Object.keys(wanted).filter((field) => !skip.includes(field));
  for (const field of fields) {
    const off =
      Math.abs((found[field] ?? Number.NaN) - (wanted[field] ?? 0)) / Math.max(1, Math.abs(wanted[field] ?? 0));
    expect(off, field).toBeLessThanOrEqual(1e-9);
  }
  return fields.length;
}

describe.skipIf(!present)('files of the original arena', () => {
  let run: TestRun;
  const originals = present
    ? z.object({ analytics: z.array(payload) }).parse(recorded('analytics.json')).analytics
    : [];
  const get = async (address: string): Promise<Record<string, unknown>> => {
    const answer = await createApi(run.resources).request(address);
    expect(answer.status).toBe(200);
    return (await answer.json()) as Record<string, unknown>;
  };
  const importAll = async (dir: string): Promise<DirectoryResult> =>
    new DirectoryImport((await run.stories()).stories, dir).run({ nowMs: Date.now() });

  beforeAll(async () => {
    run = await createRun();
  });
  afterAll(() => run?.close());

  it('gives the figures of every model from trades.json alone', async () => {
    const dir = await tempDir('nof0-import-');
    copyFileSync(path.join(RECORDED, 'trades.json'), path.join(dir, 'trades.json'));
    const { files, unreadable } = await importAll(dir);
    expect({ unreadable, bad: files.flatMap((file) => file.faults) }).toEqual({ unreadable: [], bad: [] });
    for (const original of originals) {
      const { analytics } = await get(`/api/analytics/${original.model_id}`);
      const ours = analytics as Payload;
      const compared = TRADE_TABLES.map((table) => expectNear(ours[table], original[table], NOT_FROM_TRADES));
      expect(compared.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(49);
      expect(ours.last_trade_doc_id).toBe(original.last_trade_doc_id);
      expect(ours).not.toHaveProperty('imported');
    }
  });

  it('defines the ranking by all trades', async () => {
    const { trades } = z
      .object({ trades: z.array(z.object({ model_id: z.string(), realized_net_pnl: z.number() })) })
      .parse(recorded('trades.json'));
    const { leaderboard } = await get('/api/leaderboard');
    for (const row of leaderboard as Record<string, unknown>[]) {
      const net = trades.filter((trade) => trade.model_id === row.id).map((trade) => trade.realized_net_pnl);
      const won = net.filter((pnl) => pnl > 0);
      expect(row).toMatchObject({ num_trades: net.length, num_wins: won.length, num_losses: net.length - won.length });
      expect(row.win_dollars).toBeCloseTo(
        won.reduce((sum, pnl) => sum + pnl, 0),
        9,
      );
      expect(row.lose_dollars).toBeCloseTo(
        net.filter((pnl) => pnl <= 0).reduce((sum, pnl) => sum + pnl, 0),
        9,
      );
    }
  });

  it('takes the rest from the files beside it and says that it is imported', async () => {
    const { unreadable, files } = await importAll(RECORDED);
    expect({ unreadable, bad: files.flatMap((file) => file.faults) }).toEqual({ unreadable: [], bad: [] });
    for (const original of originals) {
      const { analytics } = await get(`/api/analytics/${original.model_id}`);
      const ours = analytics as Payload;
      expectNear(ours.signals_breakdown_table, original.signals_breakdown_table, []);
      expectNear(ours.invocation_breakdown_table, original.invocation_breakdown_table, []);
      expect(ours.imported).toEqual(['signals_breakdown_table', 'invocation_breakdown_table']);
    }
  });

  it("takes equity and return from the leaderboard, at the files' time", async () => {
    const rows = z
      .object({ leaderboard: z.array(z.object({ id: z.string(), equity: z.number(), return_pct: z.number() })) })
      .parse(recorded('leaderboard.json')).leaderboard;
    const { leaderboard } = await get('/api/leaderboard');
    for (const { id, equity, return_pct } of rows)
      expect((leaderboard as { id: string }[]).find((row) => row.id === id)).toMatchObject({ equity, return_pct });
    const { serverTime } = z.object({ serverTime: z.number() }).parse(recorded('trades.json'));
    const at = await run.resources.db.query<{ at: number }>(
      'SELECT DISTINCT ts_ms AS at FROM account_equity_snapshots',
    );
    expect(at).toEqual([{ at: serverTime }]);
  });

  it('shows every trade field by field as it was', async () => {
    const theirs = z
      .object({ trades: z.array(z.looseObject({ id: z.string() })) })
      .parse(recorded('trades.json')).trades;
    const { trades } = await get('/api/trades?limit=1000');
    const ours = new Map((trades as { id: string }[]).map((trade) => [trade.id, trade]));
    for (const original of theirs) expect(ours.get(original.id)).toEqual(original);
  });

  it('changes nothing when it is imported again', async () => {
    const before = await run.resources.db.query('SELECT model_id, version FROM accounts ORDER BY model_id');
    const { files } = await importAll(RECORDED);
    expect(files.map(({ file, added, changed }) => ({ file, added, changed }))).toEqual(
      files.map(({ file }) => ({ file, added: 0, changed: 0 })),
    );
    expect(await run.resources.db.query('SELECT model_id, version FROM accounts ORDER BY model_id')).toEqual(before);
  });
});
