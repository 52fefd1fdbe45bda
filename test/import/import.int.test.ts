import { appendFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyRows } from '../../src/engine/verify.ts';
import { createApi } from '../../src/http/api.ts';
import { DirectoryImport, type DirectoryResult } from '../../src/import/import-directory.ts';
import { watchDirectory } from '../../src/import/watch.ts';
import { checkKeys } from '../../src/projections/check.ts';
import { registerModels } from '../../src/store/models.ts';
import { until } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { directoryOf, put, SERVER_TIME, trade } from './files.ts';

let run: TestRun;
beforeEach(async () => {
  run = await createRun();
});
afterEach(() => run.close());

const importDir = async (dir: string): Promise<DirectoryResult> =>
  new DirectoryImport((await run.stories()).stories, dir).run({ nowMs: SERVER_TIME });
const importFiles = async (files: Record<string, unknown>) => importDir(await directoryOf(files));
const rows = <T extends object>(text: string, values: unknown[] = []) => run.resources.db.query<T>(text, values);
const get = async (address: string) =>
  (await (await createApi(run.resources).request(address)).json()) as Record<string, unknown>;
const count = async (table: string) => (await rows<{ n: number }>(`SELECT count(*) AS n FROM ${table}`))[0]?.n;
const trades = (...list: unknown[]) => ({ trades: list, serverTime: SERVER_TIME });

describe('rows of a file', () => {
  it('come in when they are good; bad ones are listed with index, path and reason', async () => {
    const { files } = await importFiles({
      'trades.json': trades(
        trade({ id: 'good', something_new: { deep: [1] } }),
        trade({ id: 'no-price', entry_price: null }),
        trade({ id: 'text', realized_net_pnl: '17.5', quantity: 'two' }),
        trade({ id: 'short', side: 'short' }),
        trade({ id: 'backwards', exit_time: 1 }),
        trade({ id: 'in-ms', entry_time: 1_761_249_208_445 }),
        trade({ id: 'taken', model_id: 'all' }),
        trade({ id: 'plan', exit_plan: { stop_loss: 'far' } }),
        'not a trade',
        trade({ id: 'sparse', leverage: undefined, confidence: undefined, entry_tid: null, exit_plan: null }),
      ),
    });
    expect(files[0]).toMatchObject({ file: 'trades.json', rows: 10, added: 2, badRows: 8 });
    const faults = files[0]?.faults.map(({ place, path: at }) => `${place} ${at}`);
    expect(faults).toEqual([
      '1 entry_price',
      '2 quantity',
      '2 realized_net_pnl',
      '3 quantity',
      '4 exit_time',
      '5 entry_time',
      '6 model_id',
      '7 exit_plan.stop_loss',
      '8 (whole row)',
    ]);
    expect(files[0]?.faults.find(({ place }) => place === '1')?.reason).toContain('expected number, received null');
    expect(await rows('SELECT id FROM trades ORDER BY id')).toEqual([{ id: 'good' }, { id: 'sparse' }]);
  });

  it('are one when they are repeated, and a fault when they contradict each other', async () => {
    const { files } = await importFiles({
      'trades.json': trades(trade({ id: 'a' }), trade({ id: 'a' }), trade({ id: 'a', exit_price: 111 })),
    });
    expect(files[0]).toMatchObject({ rows: 3, added: 1, badRows: 1 });
    expect(files[0]?.faults).toMatchObject([{ place: '2', reason: expect.stringContaining('another row') }]);
  });

  it('change a trade into a revision, in the keys and in the analytics too', async () => {
    const dir = await directoryOf({ 'trades.json': trades(trade({ id: 'a' }), trade({ id: 'b' })) });
    await importDir(dir);
    await put(dir, 'trades.json', trades(trade({ id: 'a', realized_net_pnl: 18 }), trade({ id: 'b' })));
    const { files } = await importDir(dir);
    expect(files[0]).toMatchObject({ added: 0, changed: 1 });
    expect(await rows('SELECT id, revision FROM trades ORDER BY id')).toEqual([
      { id: 'a', revision: 1 },
      { id: 'b', revision: 0 },
    ]);
    expect(await get('/api/analytics/m1')).toMatchObject({
      analytics: { fee_pnl_moves_breakdown_table: { overall_pnl_with_fees: 35.5 } },
    });
    expect(await get('/api/leaderboard')).toMatchObject({
      leaderboard: [{ id: 'm1', num_trades: 2, win_dollars: 35.5 }],
    });
  });

  it('may stand in a bare list; a file of something else is refused', async () => {
    const { files, unreadable } = await importFiles({
      'trades.json': [trade()],
      'leaderboard.json': { scores: [1, 2] },
      'positions.json': { accountTotals: [] },
    });
    expect(files.map(({ file, added }) => [file, added])).toEqual([
      ['trades.json', 1],
      ['positions.json', 0],
    ]);
    expect(unreadable).toEqual([{ file: 'leaderboard.json', reason: 'expected rows under "leaderboard", found none' }]);
  });

  it('of a file that is cut off do not come in at all', async () => {
    const whole = JSON.stringify(trades(...Array.from({ length: 5000 }, (_, i) => trade({ id: `t${i}` }))));
    for (const text of [whole.slice(0, -30), whole.slice(0, whole.length / 2), '', `${whole.slice(0, -1)},}`]) {
      const { files, unreadable } = await importFiles({ 'trades.json': text });
      expect({ files, unreadable: unreadable.map(({ file }) => file) }).toEqual({
        files: [],
        unreadable: ['trades.json'],
      });
    }
    expect(await count('trades')).toBe(0);
    expect(await count('models')).toBe(0);
  });
});

const position = (fields: object = {}) => ({
  symbol: 'BTC',
  quantity: 0.5,
  entry_price: 100_000,
  entry_time: 1_761_000_000.5,
  entry_oid: 7,
  tp_oid: -1,
  sl_oid: 9,
  leverage: 10,
  confidence: 0.7,
  risk_usd: 100,
  index_col: null,
  exit_plan: { profit_target: 120_000, stop_loss: 90_000, invalidation_condition: 'a close below' },
  wait_for_fill: false,
  slippage: 0,
  commission: 4.5,
  closed_pnl: -4.5,
  current_price: 110_000,
  ...fields,
});

describe('what else there is', () => {
  it('positions: a newer file opens, changes and closes; an older one changes nothing', async () => {
    const file = (positions: object, serverTime: number) => ({
      'positions.json': { accountTotals: [{ model_id: 'm1', positions }], serverTime },
    });
    await importFiles(file({ BTC: position(), ETH: position({ symbol: 'ETH', quantity: -1 }) }, SERVER_TIME));
    expect(await get('/api/positions')).toMatchObject({
      accountTotals: [
        { model_id: 'm1', positions: { BTC: { quantity: 0.5, sl_oid: 9, tp_oid: -1 }, ETH: { quantity: -1 } } },
      ],
    });
    await importFiles(file({ BTC: position({ quantity: 0.7 }) }, SERVER_TIME + 1000));
    const older = await importFiles(file({}, SERVER_TIME - 1000));
    expect(older.files[0]?.kept).toEqual({ 'older than what is here': 1 });
    const { accountTotals } = await get('/api/positions');
    expect(accountTotals).toMatchObject([{ positions: { BTC: { quantity: 0.7 } } }]);
    expect(await rows(`SELECT symbol, exit_ts_ms FROM positions WHERE status = 'closed'`)).toEqual([
      { symbol: 'ETH', exit_ts_ms: SERVER_TIME + 1000 },
    ]);
  });

  it('account totals with the markers of the file; inceptions correct where a model began', async () => {
    const total = { model_id: 'm1', timestamp: 1_761_003_600, dollar_equity: 5500, cum_pnl_pct: 10 };
    await importFiles({
      'account-totals.json': {
        accountTotals: [{ ...total, since_inception_hourly_marker: 3, since_inception_minute_marker: 181 }, total],
      },
      'since-inception-values.json': {
        sinceInceptionValues: [
          {
            id: 'uuid',
            model_id: 'm1',
            nav_since_inception: 5000,
            inception_date: 1_761_000_000.25,
            num_invocations: 9,
          },
          { id: 'base', model_id: 'buynhold_btc', nav_since_inception: 10_000, inception_date: 1_761_000_000 },
        ],
      },
    });
    expect(await get('/api/account-totals')).toMatchObject({
      accountTotals: [{ model_id: 'm1', dollar_equity: 5500, since_inception_hourly_marker: 3 }],
    });
    expect(await get('/api/since-inception-values')).toMatchObject({
      sinceInceptionValues: [{ id: 'uuid', model_id: 'm1', nav_since_inception: 5000, num_invocations: 9 }],
    });
    expect(await get('/api/leaderboard')).toMatchObject({ leaderboard: [{ id: 'm1', return_pct: 10, equity: 5500 }] });
  });

  it('a corrected beginning alone is a change, in the keys and the ranking too', async () => {
    const began = (nav: number) => ({
      'since-inception-values.json': {
        sinceInceptionValues: [
          { id: 'uuid', model_id: 'm1', nav_since_inception: nav, inception_date: 1_761_000_000, num_invocations: 9 },
        ],
      },
      'account-totals.json': {
        accountTotals: [
          {
            model_id: 'm1',
            timestamp: 1_761_003_600,
            dollar_equity: 5500,
            cum_pnl_pct: 10,
            since_inception_hourly_marker: 1,
            since_inception_minute_marker: 60,
          },
        ],
      },
    });
    const shown = async () => [
      ((await get('/api/since-inception-values')).sinceInceptionValues as { nav_since_inception: number }[])[0]
        ?.nav_since_inception,
      ((await get('/api/leaderboard')).leaderboard as { return_pct: number }[])[0]?.return_pct,
    ];
    await importFiles(began(5000));
    expect(await shown()).toEqual([5000, 10]);
    const { files } = await importFiles(began(4000));
    expect(files[0]).toMatchObject({ file: 'since-inception-values.json', added: 0, changed: 1 });
    expect(await shown()).toEqual([4000, 37.5]);
    expect((await importFiles(began(4000))).files[0]).toMatchObject({ added: 0, changed: 0 });
  });

  it('prices, only where no market of the run provides them', async () => {
    const prices = { prices: { BTC: { symbol: 'BTC', price: 111_317.5, timestamp: SERVER_TIME } } };
    await importFiles({ 'crypto-prices.json': prices });
    expect(await get('/api/crypto-prices')).toMatchObject({ prices: { BTC: { price: 111_317.5 } } });
    await rows(`INSERT INTO ingest_cursors (provider, watermark_ms) VALUES ('synthetic', 1)`);
    prices.prices.BTC = { symbol: 'BTC', price: 1, timestamp: SERVER_TIME + 1 };
    const { files } = await importFiles({ 'crypto-prices.json': prices });
    expect(files[0]).toMatchObject({ added: 0, changed: 0, kept: { 'because this run has a market of its own': 1 } });
  });

  it('conversations: messages once each, also those that say the same', async () => {
    const said = (n: number) => ({ role: 'user', content: `message ${n}\u0000`, timestamp: 1_761_000_000 + n });
    const talk = (...messages: object[]) => ({
      'conversations.json': { conversations: [{ model_id: 'm1', messages }], serverTime: SERVER_TIME },
    });
    await importFiles(talk(said(1), said(2), said(2)));
    const { files } = await importFiles(talk(said(2), said(2), said(3)));
    expect(files[0]).toMatchObject({ added: 1 });
    const { conversations } = await get('/api/conversations');
    const [own] = conversations as { messages: { timestamp: number }[] }[];
    expect(own?.messages.map((message) => message.timestamp - 1_761_000_000)).toEqual([1, 2, 2, 3]);
  });
});

describe('a run that trades itself', () => {
  it('keeps its own positions and equity, and is still held to its fills', async () => {
    const common = { exchangeProvider: 'paper', marketProvider: 'synthetic', config: {}, configDigest: 'd' };
    await registerModels(
      run.resources.db,
      [{ ...common, id: 'm1', displayName: 'M1', initialEquityUsd: 10_000 }],
      SERVER_TIME - 1000,
      'test',
    );
    await rows(
      `INSERT INTO fills (id, model_id, provider, symbol, side, price, size, kind, ts_ms) VALUES ('f', 'm1', 'paper', 'BTC', 'buy', 1, 0, 'transfer', $1)`,
      [SERVER_TIME - 500],
    );
    const { files } = await importFiles({
      'trades.json': trades(trade()),
      'leaderboard.json': { leaderboard: [{ id: 'm1', equity: 1 }], serverTime: SERVER_TIME },
      'positions.json': {
        accountTotals: [{ model_id: 'm1', positions: { BTC: position() } }],
        serverTime: SERVER_TIME,
      },
    });
    expect(Object.fromEntries(files.map(({ file, added, kept }) => [file, { added, kept }]))).toEqual({
      'trades.json': { added: 1, kept: {} },
      'leaderboard.json': { added: 0, kept: { 'from after the model began to trade here': 1 } },
      'positions.json': { added: 0, kept: { 'of models that trade here': 1 } },
    });
    const checks = await verifyRows(run.resources.db, 'synthetic', null);
    expect(checks.flatMap((check) => check.differences)).toEqual([]);
    expect(checks.find(({ family }) => family === 'ledger: equity')?.compared).toBe(1);
  });

  it('verifies: imported models are named and exempt, keys agree', async () => {
    await importFiles({ 'trades.json': trades(trade(), trade({ id: 'b', model_id: 'm2' })) });
    const checks = await verifyRows(run.resources.db, 'synthetic', null);
    expect(checks.flatMap((check) => check.differences)).toEqual([]);
    expect(checks).toContainEqual({ family: 'imported: models without fills, exempt', compared: 2, differences: [] });
    const keys = await checkKeys(run.resources.publisher);
    expect(keys.flatMap((check) => check.differences)).toEqual([]);
    expect(await count('effects')).toBe(0);
  });
});

describe('following a directory', () => {
  it('imports what changes, waits for what is half written, and never imports half', async () => {
    const dir = await directoryOf({ 'trades.json': trades(trade({ id: 'a' })) });
    const stop = new AbortController();
    const rounds: DirectoryResult[] = [];
    const watching = watchDirectory(new DirectoryImport((await run.stories()).stories, dir), {
      dir,
      pollMs: 20,
      signal: stop.signal,
      nowMs: () => SERVER_TIME,
      onRound: (result) => rounds.push(result),
    });
    const file = path.join(dir, 'trades.json');
    await until('the first file', async () => (await count('trades')) === 1);
    const text = JSON.stringify(trades(trade({ id: 'a' }), trade({ id: 'b' }), trade({ id: 'c' })));
    await writeFile(file, text.slice(0, text.indexOf('"c"')));
    await until('the refusal of half a file', async () => rounds.some(({ unreadable }) => unreadable.length > 0));
    expect(await count('trades')).toBe(1);
    await appendFile(file, text.slice(text.indexOf('"c"')));
    await until('the whole file', async () => (await count('trades')) === 3);
    await put(dir, 'next.json', trades(trade({ id: 'd' })));
    await rename(path.join(dir, 'next.json'), file);
    await until('the replaced file', async () => (await count('trades')) === 4);
    await put(dir, 'leaderboard.json', { leaderboard: [{ id: 'm1', equity: 9000 }] });
    await until('a file that is new', async () => (await count('account_equity_snapshots')) === 1);
    stop.abort();
    await watching;
    // Each file once a change, the half one among them.
    expect(rounds.flatMap(({ files }) => files.map(({ file: name }) => name))).toEqual([
      'trades.json',
      'trades.json',
      'trades.json',
      'leaderboard.json',
    ]);
  });
});
