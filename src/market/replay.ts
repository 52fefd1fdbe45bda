/**
 * A market that has been: a folder of recorded candles `<source>_<SYMBOL>_1m_*.csv` (`t,o,h,l,c,v`, t = open in ms) and
 * funding prints `<source>_<SYMBOL>_funding_1h_*.csv` (`t,fundingRate`). Files of one symbol are merged; they may overlap,
 * have gaps and end at different times. Everything is read and checked at once, then answered from memory.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Asset, AssetContext, Candle, Funding, MarketBatch, Tick } from '../domain/market.ts';
import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS, candlePath } from '../domain/market.ts';
import { CodedError, type Fault, messageOf } from '../errors.ts';
import type { MarketData } from './market-data.ts';
import { SYNTHETIC_ASSETS } from './synthetic.ts';

/** One file that was read. `rows` counts its data rows, those that another file repeats included. */
export type ReplayFile = {
  readonly name: string;
  readonly kind: 'candles' | 'funding';
  readonly source: string;
  readonly symbol: string;
  readonly interval: string;
  readonly rows: number;
};

export type Replay = MarketData & { readonly files: readonly ReplayFile[] };

type FileName = Omit<ReplayFile, 'rows'>;
/** A data row: its numbers in the header's order (time first) and where it stands. */
type Row = { readonly values: readonly number[]; readonly file: FileName; readonly line: number };
type Series = {
  readonly symbol: string;
  readonly candles: readonly Candle[];
  /** When each candle is known: its close. */
  readonly closesMs: Float64Array;
  /** Feed of each candle. */
  readonly sources: readonly string[];
  /** Notional USD of all candles before index i; a window's volume is the difference of two. */
  readonly notionalBefore: Float64Array;
  readonly fundings: readonly Funding[];
  readonly printsMs: Float64Array;
};

const DAY_MS = 86_400_000;
const MAX_LISTED_FAULTS = 50;
const NAMING = '<source>_<SYMBOL>_1m_<anything>.csv or <source>_<SYMBOL>_funding_1h_<anything>.csv';
const FILE_NAME = /^([^_]+)_([A-Za-z0-9.-]+)_(funding_)?([^_]+)_.*\.csv$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** What a file of each kind looks like. Two rows in the same `slotMs` say the same thing, so they must agree. */
const KINDS = {
  candles: { interval: CANDLE_INTERVAL, header: 't,o,h,l,c,v', slotMs: CANDLE_INTERVAL_MS, fault: candleFault },
  // Feeds stamp one print milliseconds apart; counted twice it would be paid twice.
  funding: { interval: '1h', header: 't,fundingRate', slotMs: 3_600_000, fault: timeFault },
} as const;

function timeFault([t = 0]: readonly number[]): string | null {
  return Number.isSafeInteger(t) && t >= 0 ? null : 't in whole Unix milliseconds';
}

function candleFault([t = 0, open = 0, high = 0, low = 0, close = 0, volume = 0]: readonly number[]): string | null {
  if (timeFault([t]) !== null || t % CANDLE_INTERVAL_MS !== 0) return 't in Unix milliseconds on a whole minute';
  if (Math.min(open, high, low, close) <= 0) return 'prices above 0';
  if (volume < 0) return 'v of at least 0';
  if (high < low) return 'h not below l';
  if (open < low || open > high) return 'o between l and h';
  return close < low || close > high ? 'c between l and h' : null;
}

/** Refuses a folder or a file that cannot be read. */
const unreadable = (path: string) => (cause: unknown) => {
  const message = `${path} cannot be read (${messageOf(cause)}). Expected a folder with readable files ${NAMING}.`;
  throw new CodedError('NOF0_MARKET_DATA', message, { cause });
};

function parseName(name: string, faults: Fault[]): FileName | null {
  const [, source = '', symbol = '', funding, interval] = FILE_NAME.exec(name) ?? [];
  const kind = funding === undefined ? 'candles' : 'funding';
  const known = KINDS[kind].interval;
  if (interval === known) return { name, kind, source, symbol, interval };
  const other = `the interval ${known}, the only one supported for ${kind}, not ${interval}`;
  faults.push({ path: name, expected: interval === undefined ? `a file name ${NAMING}` : other });
  return null;
}

/** The rows of a file's text; rows with a fault are left out. Blank lines, CRLF and a byte order mark are fine. */
function parseRows(text: string, file: FileName, faults: Fault[]): Row[] {
  const { header, fault } = KINDS[file.kind];
  const width = header.split(',').length;
  const lines = text.split('\n').map((content, i) => ({ content: content.trim(), line: i + 1 }));
  const [first = { content: '', line: 1 }, ...data] = lines.filter(({ content }) => content !== '');
  const refuse = (line: number, expected: string): Row[] => {
    faults.push({ path: `${file.name}:${line}`, expected });
    return [];
  };
  if (first.content !== header) return refuse(first.line, `the header ${header}`);
  if (data.length === 0) return refuse(first.line + 1, 'at least one row');
  return data.flatMap(({ content, line }) => {
    const fields = content.split(',').map((field) => field.trim());
    const values = fields.map((field) => (NUMBER.test(field) ? Number(field) : Number.NaN));
    const numeric = values.length === width && values.every(Number.isFinite);
    const expected = numeric ? fault(values) : `${width} numbers (${header})`;
    return expected === null ? [{ values, file, line }] : refuse(line, expected);
  });
}

/** Throws everything that is wrong with the folder at once; a broken export would repeat itself, so the list is cut. */
function refuseFaulty(dir: string, faults: readonly Fault[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  const message = `Replay folder ${dir} cannot be used: ${first.path}: expected ${first.expected}${more}.`;
  const listed = { faults: faults.slice(0, MAX_LISTED_FAULTS), details: { faultCount: faults.length } };
  throw new CodedError('NOF0_MARKET_DATA', message, listed);
}

/** Rows of one kind and symbol in time order, each once. Rows that contradict an earlier one are faults. */
function merge(rows: readonly Row[], slotMs: number, faults: Fault[]): Row[] {
  const slotOf = (row: Row): number => Math.round((row.values[0] ?? 0) / slotMs);
  const merged: Row[] = [];
  for (const row of rows.toSorted((a, b) => (a.values[0] ?? 0) - (b.values[0] ?? 0))) {
    const last = merged.at(-1);
    if (last === undefined || slotOf(last) !== slotOf(row)) merged.push(row);
    else if (row.values.some((value, i) => value !== last.values[i])) {
      const expected = `the same values as ${last.file.name}:${last.line} for the same time`;
      faults.push({ path: `${row.file.name}:${row.line}`, expected });
    }
  }
  return merged;
}

function toSeries(symbol: string, candleRows: readonly Row[], fundingRows: readonly Row[]): Series {
  const candles = candleRows.map(({ values: [openTsMs = 0, open = 0, high = 0, low = 0, close = 0, volume = 0] }) => {
    return { symbol, openTsMs, open, high, low, close, volume };
  });
  const fundings = fundingRows.map(({ values: [tsMs = 0, rate = 0] }) => ({ symbol, tsMs, rate }));
  return seriesOf(
    symbol,
    candles,
    candleRows.map(({ file }) => file.source),
    fundings,
  );
}

function seriesOf(
  symbol: string,
  candles: readonly Candle[],
  sources: readonly string[],
  fundings: readonly Funding[],
): Series {
  const notionalBefore = new Float64Array(candles.length + 1);
  for (const [i, { close, volume }] of candles.entries()) {
    notionalBefore[i + 1] = (notionalBefore[i] ?? 0) + close * volume;
  }
  const closesMs = Float64Array.from(candles, ({ openTsMs }) => openTsMs + CANDLE_INTERVAL_MS);
  const printsMs = Float64Array.from(fundings, ({ tsMs }) => tsMs);
  return { symbol, candles, closesMs, sources, notionalBefore, fundings, printsMs };
}

/** How many of the ascending times are at most `tsMs`. */
function countUpTo(times: Float64Array, tsMs: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= tsMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What was known with candle `index`. A funding print before the first candle is known here, though never paid. */
function contextAt(series: Series, index: number): AssetContext[] {
  const [close, closeMs] = [series.candles[index]?.close, series.closesMs[index]];
  if (close === undefined || closeMs === undefined) return [];
  const dayStart = countUpTo(series.closesMs, closeMs - DAY_MS);
  const volume24h = (series.notionalBefore[index + 1] ?? 0) - (series.notionalBefore[dayStart] ?? 0);
  const fundingRate = series.fundings[countUpTo(series.printsMs, closeMs - 1) - 1]?.rate ?? null;
  const prices = { markPrice: close, oraclePrice: close, midPrice: null };
  return [{ symbol: series.symbol, tsMs: closeMs - 1, ...prices, fundingRate, openInterest: null, volume24h }];
}

function fetchFrom(all: readonly Series[], startMs: number, fromMs: number | null, toMs: number): MarketBatch {
  const [ticks, candles, contexts, fundings]: [Tick[], Candle[], AssetContext[], Funding[]] = [[], [], [], []];
  // No position is older than the data: earlier prints are never payments.
  const paidAfterMs = Math.max(fromMs ?? 0, startMs - 1);
  for (const series of all) {
    const first = countUpTo(series.closesMs, fromMs ?? 0);
    const end = countUpTo(series.closesMs, toMs);
    for (const [i, candle] of series.candles.slice(first, end).entries()) {
      candles.push(candle);
      ticks.push(...candlePath(candle, CANDLE_INTERVAL_MS, series.sources[first + i] ?? ''));
    }
    if (end > first) contexts.push(...contextAt(series, end - 1));
    const firstPrint = countUpTo(series.printsMs, paidAfterMs);
    fundings.push(...series.fundings.slice(firstPrint, countUpTo(series.printsMs, toMs)));
  }
  candles.sort((a, b) => a.openTsMs - b.openTsMs);
  for (const list of [ticks, contexts, fundings]) list.sort((a, b) => a.tsMs - b.tsMs);
  return { ticks, candles, contexts, fundings, watermarkMs: toMs };
}

/** Decimals of a number as it is written shortest: 0.27156 → 5, 1e-7 → 7. */
function decimalsOf(value: number): number {
  const [digits = '', exponent = '0'] = String(value).split('e');
  return Math.max(0, (digits.split('.')[1]?.length ?? 0) - Number(exponent));
}

/** The terms of well-known coins; others get terms from their first price, which is known from the start. */
function toAsset({ symbol, candles }: Series): Asset {
  const price = candles[0]?.open ?? 0;
  const sizeDecimals = price >= 1000 ? 4 : price >= 10 ? 2 : price >= 1 ? 1 : 0;
  const precision = candles.reduce((most, { close }) => Math.max(most, decimalsOf(close)), 0);
  const known = SYNTHETIC_ASSETS.find((asset) => asset.symbol === symbol);
  const unknown = { symbol, base: symbol, quote: 'USD', sizeDecimals, maxLeverage: 10, onlyIsolated: false };
  return { ...(known ?? unknown), precision, isActive: true };
}

function assemble(rows: ReadonlyMap<FileName, readonly Row[]>, faults: Fault[]): Series[] {
  const files = [...rows.keys()];
  const traded = new Set(files.filter(({ kind }) => kind === 'candles').map(({ symbol }) => symbol));
  for (const { name, symbol } of files) {
    if (!traded.has(symbol)) faults.push({ path: name, expected: `a candle file of ${symbol} beside its funding` });
  }
  return [...traded].sort().map((symbol) => {
    const of = (kind: ReplayFile['kind']): Row[] => {
      const own = [...rows].flatMap(([file, some]) => (file.symbol === symbol && file.kind === kind ? some : []));
      return merge(own, KINDS[kind].slotMs, faults);
    };
    return toSeries(symbol, of('candles'), of('funding'));
  });
}

/**
 * Reads a folder of recorded candles and funding prints. Throws NOF0_MARKET_DATA when it is missing, holds no candles or
 * has faulty rows; `faults` then lists up to 50 of them as `file:line`.
 */
export async function openReplay(dir: string): Promise<Replay> {
  const faults: Fault[] = [];
  const rows = new Map<FileName, readonly Row[]>();
  const names = (await readdir(dir).catch(unreadable(dir))).filter((name) => name.endsWith('.csv')).sort();
  if (names.length === 0) faults.push({ path: dir, expected: `files ${NAMING}, found none` });
  for (const name of names) {
    const file = parseName(name, faults);
    const path = join(dir, name);
    if (file !== null) rows.set(file, parseRows(await readFile(path, 'utf8').catch(unreadable(path)), file, faults));
  }
  const all = assemble(rows, faults);
  refuseFaulty(dir, faults);
  const market = marketOf('replay', all, all.map(toAsset));
  return { ...market, files: [...rows].map(([file, own]) => ({ ...file, rows: own.length })) };
}

/** A market of candles that are known already, oldest first. */
export function candleMarket(
  provider: string,
  candles: ReadonlyMap<string, readonly Candle[]>,
  assets: readonly Asset[],
): MarketData {
  const all = [...candles].map(([symbol, own]) =>
    seriesOf(
      symbol,
      own,
      own.map(() => provider),
      [],
    ),
  );
  return marketOf(provider, all, assets);
}

function marketOf(provider: string, all: readonly Series[], assets: readonly Asset[]): MarketData {
  const startMs = Math.min(...all.map(({ candles }) => candles[0]?.openTsMs ?? Number.POSITIVE_INFINITY));
  const endMs = Math.max(...all.map(({ closesMs }) => closesMs.at(-1) ?? 0));
  return {
    provider,
    extent: { startMs, endMs },
    assets: async () => [...assets],
    fetch: async (fromMs, toMs, signal) => {
      signal?.throwIfAborted();
      return fetchFrom(all, startMs, fromMs, toMs);
    },
  };
}
