import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CodedError } from '../../src/errors.ts';
import { openMarket } from '../../src/market/index.ts';
import { openReplay } from '../../src/market/replay.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2025, 6, 22);
const HEADER = 't,o,h,l,c,v';
const RECORDED = fileURLToPath(new URL('../../../shared/candles', import.meta.url));

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'replay-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const put = (name: string, ...lines: string[]): Promise<void> => writeFile(join(dir, name), lines.join('\n'));
/** A candle row `minute` minutes after T0 that opens at `open` and closes one higher. */
const row = (minute: number, open = 100): string =>
  `${T0 + minute * MINUTE},${open},${open + 2},${open - 1},${open + 1},10`;

async function refusal(): Promise<CodedError> {
  const error: unknown = await openReplay(dir).catch((caught: unknown) => caught);
  if (error instanceof CodedError) return error;
  throw new Error('the folder was accepted');
}

describe('replay: what becomes known when', () => {
  it('gives a candle and its path once it has closed, never before', async () => {
    await put('rec_BTC_1m_a.csv', HEADER, row(0), row(1, 101));
    const replay = await openReplay(dir);
    expect(replay.extent).toEqual({ startMs: T0, endMs: T0 + 2 * MINUTE });
    expect(await replay.fetch(null, T0 + MINUTE - 1)).toEqual({
      ...{ ticks: [], candles: [], contexts: [], fundings: [] },
      watermarkMs: T0 + MINUTE - 1,
    });
    const { ticks, candles, contexts } = await replay.fetch(T0 + MINUTE - 1, T0 + MINUTE);
    expect(candles).toEqual([{ symbol: 'BTC', openTsMs: T0, open: 100, high: 102, low: 99, close: 101, volume: 10 }]);
    expect(ticks.map((tick) => tick.price)).toEqual([100, 99, 102, 101]);
    expect(ticks.map((tick) => tick.source)).toEqual(['rec', 'rec', 'rec', 'rec']);
    expect(contexts).toEqual([
      {
        ...{ symbol: 'BTC', tsMs: T0 + MINUTE - 1, markPrice: 101, midPrice: null, oraclePrice: 101 },
        ...{ fundingRate: null, openInterest: null, volume24h: 1010 },
      },
    ]);
  });

  it('pays prints from its start on, yet knows the rate before them', async () => {
    await put('rec_BTC_1m_a.csv', HEADER, ...Array.from({ length: 62 }, (_, i) => row(i)));
    const prints = [`${T0 - 2 * HOUR + 5},0.1e-4`, `${T0 - HOUR + 5},2e-5`, `${T0 + HOUR + 5},-0.00003`];
    await put('rec_BTC_funding_1h_a.csv', 't,fundingRate', ...prints);
    const replay = await openReplay(dir);
    const first = await replay.fetch(null, T0 + MINUTE);
    expect([first.fundings, first.contexts[0]?.fundingRate]).toEqual([[], 0.00002]);
    const before = await replay.fetch(T0 + MINUTE, T0 + HOUR + 4);
    expect([before.fundings, before.contexts[0]?.fundingRate]).toEqual([[], 0.00002]);
    const after = await replay.fetch(T0 + HOUR + 4, T0 + HOUR + MINUTE);
    expect(after.fundings).toEqual([{ symbol: 'BTC', tsMs: T0 + HOUR + 5, rate: -0.00003 }]);
    expect(after.contexts[0]?.fundingRate).toBe(-0.00003);
  });

  it('sums the volume of the last 24 hours only', async () => {
    const flat = (minute: number): string => `${T0 + minute * MINUTE},5,5,5,5,${minute + 1}`;
    await put('rec_BTC_1m_a.csv', HEADER, flat(0), flat(1), flat(1440), flat(1441));
    const replay = await openReplay(dir);
    const volumeAt = async (minute: number) =>
      (await replay.fetch(T0 + minute * MINUTE, T0 + (minute + 1) * MINUTE)).contexts[0]?.volume24h;
    expect([await volumeAt(0), await volumeAt(1440), await volumeAt(1441)]).toEqual([5, 5 * 1443, 5 * 2883]);
  });
});

describe('replay: files as they come', () => {
  it('merges files of a symbol, drops repeated rows and bears gaps, ragged ends, CRLF, blanks and exponents', async () => {
    await put('a_BTC_1m_1.csv', `\uFEFF${HEADER}\r`, `${row(5)}\r`, '\r', `${row(0)}\r`, '');
    await put('b_BTC_1m_2.csv', HEADER, row(5), row(6));
    await put('a_kPEPE_1m_1.csv', HEADER, `${T0 + MINUTE},1e-2,.02,1e-2,0.0125,1e9`);
    await put('a_X-1.b_1m_1.csv', HEADER, row(9));
    await writeFile(join(dir, 'README.md'), 'not data');
    const replay = await openReplay(dir);
    const { candles, ticks, contexts } = await replay.fetch(null, T0 + HOUR);
    const seen = candles.map((candle) => [candle.symbol, (candle.openTsMs - T0) / MINUTE]);
    expect(seen).toEqual([...[['BTC', 0]], ...[['kPEPE', 1]], ...[['BTC', 5]], ...[['BTC', 6]], ...[['X-1.b', 9]]]);
    expect(ticks.filter((tick) => tick.tsMs >= T0 + 6 * MINUTE && tick.symbol === 'BTC')[0]?.source).toBe('b');
    expect(contexts.map((context) => context.symbol)).toEqual(['kPEPE', 'BTC', 'X-1.b']);
    expect(replay.files.map((file) => [file.name, file.source, file.symbol, file.rows])).toEqual([
      ['a_BTC_1m_1.csv', 'a', 'BTC', 2],
      ['a_X-1.b_1m_1.csv', 'a', 'X-1.b', 1],
      ['a_kPEPE_1m_1.csv', 'a', 'kPEPE', 1],
      ['b_BTC_1m_2.csv', 'b', 'BTC', 2],
    ]);
    expect(replay.extent).toEqual({ startMs: T0, endMs: T0 + 10 * MINUTE });
  });

  it('takes terms from the table for known coins and from the first price for others', async () => {
    await put('a_XRP_1m_1.csv', HEADER, row(0));
    await put('a_kPEPE_1m_1.csv', HEADER, `${T0},0.01,0.02,0.01,0.0125,1`);
    await put('a_MKR_1m_1.csv', HEADER, row(0, 1500));
    const terms = (await openReplay(dir).then((replay) => replay.assets())).map((asset) => [
      ...[asset.symbol, asset.precision, asset.sizeDecimals, asset.maxLeverage],
    ]);
    expect(terms).toEqual([...[['MKR', 0, 4, 10]], ...[['XRP', 0, 0, 20]], ...[['kPEPE', 4, 0, 10]]]);
  });
});

describe('replay: folders that cannot be used', () => {
  it.each([
    ['prices that are words', `${T0},a,2,1,1,1`, '6 numbers'],
    ['a missing column', `${T0},1,2,1,1`, '6 numbers'],
    ['an empty field', `${T0},1,2,1,1,`, '6 numbers'],
    ['a hexadecimal number', `${T0},0x1,2,1,1,1`, '6 numbers'],
    ['an infinite number', `${T0},1,1e999,1,1,1`, '6 numbers'],
    ['a high below the low', `${T0},2,1,2,2,1`, 'h not below l'],
    ['an open outside', `${T0},3,2,1,1,1`, 'o between'],
    ['a close outside', `${T0},1,2,1,0.5,1`, 'c between'],
    ['a negative price', `${T0},1,2,-1,1,1`, 'above 0'],
    ['a negative volume', `${T0},1,2,1,1,-1`, 'v of at least 0'],
    ['a time within a minute', `${T0 + 1},1,2,1,1,1`, 'whole minute'],
    ['a time in seconds', `${T0 / 1000},1,2,1,1,1`, 'whole minute'],
    ['a candle that contradicts another', row(0, 50), 'rec_BTC_1m_a.csv:2'],
  ])('names file and line of %s', async (_name, bad, expected) => {
    await put('rec_BTC_1m_a.csv', HEADER, row(0), '', bad);
    const { code, faults, message } = await refusal();
    expect(code).toBe('NOF0_MARKET_DATA');
    expect(faults).toEqual([{ path: 'rec_BTC_1m_a.csv:4', expected: expect.stringContaining(expected) }]);
    expect(message).toContain(`rec_BTC_1m_a.csv:4: expected ${faults[0]?.expected}`);
  });

  it('lists the faults of all files, at most 50 of them', async () => {
    await put('rec_BTC_5m_a.csv', HEADER, row(0));
    await put('rec_BTC_funding_8h_a.csv', 't,fundingRate', `${T0},0.1`);
    await put('rec_ETH_1m_a.csv', 'time,open', row(0));
    await put('rec_SOL_1m_a.csv', HEADER);
    await put('rec_XRP_funding_1h_a.csv', 't,fundingRate', `${T0},0.1`);
    await put('notes.csv', 'x');
    const { faults } = await refusal();
    expect(faults.map(({ path, expected }) => `${path} ${expected.slice(0, 17)}`).sort()).toEqual([
      'notes.csv a file name <sour',
      'rec_BTC_5m_a.csv the interval 1m, ',
      'rec_BTC_funding_8h_a.csv the interval 1h, ',
      'rec_ETH_1m_a.csv:1 the header t,o,h,',
      'rec_SOL_1m_a.csv:2 at least one row',
      'rec_XRP_funding_1h_a.csv a candle file of ',
    ]);
    await put('rec_ADA_1m_a.csv', HEADER, ...Array.from({ length: 80 }, () => 'x'));
    const many = await refusal();
    expect([many.faults.length, many.details.faultCount]).toEqual([50, 86]);
  });

  it('refuses two prints of one hour, whatever their milliseconds', async () => {
    await put('a_BTC_1m_1.csv', HEADER, row(0));
    await put('a_BTC_funding_1h_1.csv', 't,fundingRate', `${T0 + 3},1e-5`, `${T0 + 3},1e-5`);
    await expect(openReplay(dir)).resolves.toBeDefined();
    await put('b_BTC_funding_1h_1.csv', 't,fundingRate', `${T0 + 40},1e-5`);
    expect((await refusal()).faults.map((fault) => fault.path)).toEqual(['b_BTC_funding_1h_1.csv:2']);
  });

  it('refuses an empty folder and a missing one', async () => {
    expect((await refusal()).message).toContain('<source>_<SYMBOL>_1m_');
    const missing = openMarket({ kind: 'replay', dir: join(dir, 'nowhere') });
    await expect(missing).rejects.toMatchObject({
      code: 'NOF0_MARKET_DATA',
      message: expect.stringContaining('ENOENT'),
    });
  });
});

describe.skipIf(!existsSync(RECORDED))('replay: the recorded days', () => {
  it('brings out every row exactly once over a walk by minutes', async () => {
    const replay = await openReplay(RECORDED);
    const { startMs, endMs } = replay.extent ?? { startMs: 0, endMs: 0 };
    const out: string[] = [];
    const prints: string[] = [];
    for (let from: number | null = null, to = startMs; to <= endMs + 2 * HOUR; from = to, to += MINUTE) {
      const { ticks, candles, fundings } = await replay.fetch(from, to);
      expect(ticks.length).toBe(4 * candles.length);
      expect(candles.every((candle) => candle.openTsMs + MINUTE === to)).toBe(true);
      for (const { symbol, openTsMs: t, open, high, low, close, volume } of candles) {
        out.push([symbol, t, open, high, low, close, volume].join(','));
      }
      for (const { symbol, tsMs, rate } of fundings) prints.push([symbol, tsMs, rate].join(','));
    }
    const rowsOf = async (kind: string) => {
      const files = replay.files.filter((file) => file.kind === kind);
      const texts = await Promise.all(files.map(({ name }) => readFile(join(RECORDED, name), 'utf8')));
      return texts.flatMap((text, i) => {
        const lines = text.trim().split('\n').slice(1);
        return lines.map((line) => [files[i]?.symbol, ...line.split(',').map(Number)]);
      });
    };
    expect(out.sort()).toEqual((await rowsOf('candles')).map((fields) => fields.join(',')).sort());
    const paid = (await rowsOf('funding')).filter((fields) => Number(fields[1]) >= startMs);
    expect(prints.sort()).toEqual(paid.map((fields) => fields.join(',')).sort());
  });
});
