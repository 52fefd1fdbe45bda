/**
 * The real stock market, as far as a data API tells it: minute bars, the middle of the newest quotes, headlines. It is asked only while
 * the exchange trades. What happened while nobody asked is filled in from bars: their prices as ticks, so that no stop is passed over.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  exchangeDay,
  marketStatus,
  openSession,
  type Session,
  sessionBefore,
  sessionsBetween,
} from '../../domain/desk/calendar.ts';
import type { NewsItem } from '../../domain/desk/news.ts';
import { NEWS_SPAN_MS } from '../../domain/desk/sentiment.ts';
import {
  type Asset,
  CANDLE_INTERVAL_MS,
  type Candle,
  candlePath,
  type MarketBatch,
  type Tick,
} from '../../domain/market.ts';
import { slotAt } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import { EQUITIES } from '../equities/equity-market.ts';
import { assetOf } from '../equities/synthetic.ts';
import type { MarketData, NewsFeed } from '../market-data.ts';
import { askByPages, askInHalves, readEach } from './asking.ts';
import * as bodies from './bodies.ts';
import { type AlpacaClient, unexpected } from './client.ts';

export type AlpacaOptions = {
  /** What is traded, with its sector. */
  readonly stocks: readonly { readonly symbol: string; readonly sector: string }[];
  /** Whose trades and quotes: `iex` is one exchange, `sip` all of them. */
  readonly feed: string;
  /** Sessions before the first look whose bars are asked for. */
  readonly sessionsBefore: number;
  /** Ms after the end of a bar until its answer says the last of it. */
  readonly settleMs?: number;
  /** Hears of symbols that the API does not know. They are left out, the others go on. */
  readonly onUnknown?: (symbols: readonly string[]) => void;
};

const SETTLE_MS = 2000;
const MAX_SETTLE_MS = 5000;
/** Bars that come later than this are not waited for. What is there already is left alone when it comes again. */
const LATE_MS = 5 * CANDLE_INTERVAL_MS;
const LISTED_MS = 3_600_000;
/** A headline may be told some minutes after the time that it bears. */
const LATE_NEWS_MS = 10 * 60_000;

export class AlpacaMarket implements MarketData {
  readonly provider = EQUITIES;
  readonly extent = null;
  readonly news: NewsFeed;
  readonly #client: AlpacaClient;
  readonly #options: AlpacaOptions;
  readonly #unknown = new Set<string>();
  /** Time of the newest quote of each symbol, and the end of the stretch that it was told with. */
  readonly #quoted = new Map<string, { readonly tsMs: number; readonly untilMs: number }>();
  #listed: { readonly assets: Asset[]; readonly untilMs: number } | null = null;

  constructor(client: AlpacaClient, options: AlpacaOptions) {
    this.#client = client;
    this.#options = options;
    this.news = { fetch: (fromMs, toMs, signal) => this.#news(fromMs, toMs, signal) };
  }

  /** The configured stocks that have ever been quoted. Throws NOF0_SYMBOL_UNKNOWN when the API knows none of them. */
  async assets(signal?: AbortSignal): Promise<Asset[]> {
    if (this.#listed !== null && this.#client.now() < this.#listed.untilMs) return this.#listed.assets;
    const quotes = await this.#quotes(
      this.#options.stocks.map(({ symbol }) => symbol),
      signal,
    );
    const known = this.#options.stocks.filter(({ symbol }) => quotes.has(symbol));
    const unknown = this.#options.stocks.filter(({ symbol }) => !quotes.has(symbol)).map(({ symbol }) => symbol);
    if (known.length === 0)
      throw new CodedError('NOF0_SYMBOL_UNKNOWN', `the stock data API knows none of ${unknown.join(', ')}`);
    if (unknown.length > 0) this.#options.onUnknown?.(unknown);
    const assets = known.map(assetOf);
    this.#listed = { assets, untilMs: this.#client.now() + LISTED_MS };
    return assets;
  }

  async fetch(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<MarketBatch> {
    const batch = { ticks: [], candles: [], contexts: [], fundings: [], watermarkMs: toMs };
    // Never deeper than the history that a new run gets: a run that slept for a month begins anew.
    const sinceMs = Math.max(fromMs ?? 0, historyStart(toMs, this.#options.sessionsBefore));
    const isNewMinute = fromMs === null || slotAt(fromMs, CANDLE_INTERVAL_MS) !== slotAt(toMs, CANDLE_INTERVAL_MS);
    const sessions = isNewMinute ? sessionsBetween(fromMs === null ? sinceMs : sinceMs - LATE_MS, toMs) : [];
    const isOpen = openSession(toMs) !== null;
    if (sessions.length === 0 && !isOpen) return batch;
    const symbols = (await this.assets(signal)).map(({ symbol }) => symbol);
    const candles = sessions.length === 0 ? [] : await this.#bars(symbols, sessions, sinceMs - LATE_MS, toMs, signal);
    const quotes = isOpen ? await this.#ticks(symbols, fromMs ?? toMs - 1, toMs, signal) : [];
    const ticks = [...(fromMs === null ? lastPrices(candles) : pathsOf(candles, sinceMs, toMs)), ...quotes];
    return { ...batch, candles, ticks: ticks.sort((a, b) => a.tsMs - b.tsMs) };
  }

  /** Closed bars of the sessions that were known in (sinceMs, toMs], oldest first, each once. */
  async #bars(
    symbols: readonly string[],
    sessions: readonly Session[],
    sinceMs: number,
    toMs: number,
    signal?: AbortSignal,
  ): Promise<Candle[]> {
    const settledMs = slotAt(toMs, CANDLE_INTERVAL_MS) + (this.#options.settleMs ?? SETTLE_MS);
    const waitMs = Math.min(settledMs - this.#client.now(), MAX_SETTLE_MS);
    // What is stored once is never written again: a bar that has just ended is asked for when it is whole.
    if (waitMs > 0) await sleep(waitMs, undefined, signal ? { signal } : {});
    const found = new Map<string, Candle>();
    for (const { openMs, closeMs } of sessions) {
      const start = Math.max(openMs, slotAt(sinceMs, CANDLE_INTERVAL_MS));
      const end = Math.min(closeMs, toMs) - CANDLE_INTERVAL_MS;
      if (end < start) continue;
      for (const candle of await this.#barsOf(symbols, start, end, signal)) {
        const isWhole = candle.openTsMs % CANDLE_INTERVAL_MS === 0;
        if (!isWhole || candle.openTsMs < start || candle.openTsMs > end) continue;
        const name = `${candle.symbol} ${candle.openTsMs}`;
        if (!found.has(name)) found.set(name, candle);
      }
    }
    return [...found.values()].sort((a, b) => a.openTsMs - b.openTsMs);
  }

  async #barsOf(symbols: readonly string[], start: number, end: number, signal?: AbortSignal): Promise<Candle[]> {
    const path = '/v2/stocks/bars';
    const query = {
      ...{ timeframe: '1Min', limit: '10000', adjustment: 'raw', sort: 'asc', feed: this.#options.feed },
      ...{ start: new Date(start).toISOString(), end: new Date(end).toISOString() },
    };
    return this.#each(symbols, async (own) => {
      const candles: Candle[] = [];
      await askByPages(
        this.#client,
        path,
        { ...query, symbols: own.join(',') },
        bodies.barsBody,
        signal,
        ({ bars }) => {
          for (const [symbol, rows] of this.#read(path, 'bars', bars ?? {}, bodies.barsOfSymbol, own))
            candles.push(...rows.map((row) => bodies.toCandle(symbol, row)));
        },
      );
      return candles;
    });
  }

  /** The newest quotes that are newer than those told before, as prices of (fromMs, toMs]. */
  async #ticks(symbols: readonly string[], fromMs: number, toMs: number, signal?: AbortSignal): Promise<Tick[]> {
    const openMs = openSession(toMs)?.openMs ?? toMs;
    const ticks: Tick[] = [];
    for (const [symbol, quote] of await this.#quotes(symbols, signal)) {
      const price = bodies.midOf(quote);
      const told = this.#quoted.get(symbol);
      // Whoever asks for the stretch again could not store it.
      const isTold = told !== undefined && quote.t <= told.tsMs && told.untilMs <= fromMs;
      if (price === null || isTold || quote.t < openMs) continue;
      this.#quoted.set(symbol, { tsMs: quote.t, untilMs: toMs });
      // Told late it is news of this stretch all the same; the API's clock may be ahead of ours.
      ticks.push({ symbol, tsMs: Math.min(Math.max(quote.t, fromMs + 1), toMs), price, source: 'quote' });
    }
    return ticks;
  }

  async #quotes(symbols: readonly string[], signal?: AbortSignal) {
    const path = '/v2/stocks/quotes/latest';
    const rows = await this.#each(symbols, async (own) => {
      const query = { symbols: own.join(','), feed: this.#options.feed };
      const { quotes } = await this.#client.get(path, query, bodies.quotesBody, signal);
      return [...this.#read(path, 'quotes', quotes, bodies.quoteOfSymbol, own)];
    });
    return new Map(rows);
  }

  /** Headlines of (fromMs, toMs], and those that were told late. Nobody asks while the exchange sleeps: they are read in the morning. */
  async #news(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<NewsItem[]> {
    if (marketStatus(toMs) === 'closed') return [];
    const path = '/v1beta1/news';
    const sinceMs = Math.max((fromMs ?? 0) - LATE_NEWS_MS, toMs - NEWS_SPAN_MS);
    const symbols = (await this.assets(signal)).map(({ symbol }) => symbol);
    const listed = new Set(symbols);
    const range = { start: new Date(sinceMs).toISOString(), end: new Date(toMs).toISOString() };
    const items = await this.#each(symbols, async (own) => {
      const found: NewsItem[] = [];
      const query = { ...range, symbols: own.join(','), limit: '50', sort: 'asc' };
      await askByPages(this.#client, path, query, bodies.newsBody, signal, ({ news }) => {
        for (const row of news ?? []) {
          const read = bodies.readHeadline(row, listed);
          if (read === null) this.#client.refused('news');
          found.push(...(read ?? []).filter(({ tsMs }) => tsMs > sinceMs && tsMs <= toMs));
        }
      });
      return found;
    });
    const unique = new Map(items.map((item) => [`${item.symbol} ${item.id}`, item]));
    return [...unique.values()].sort((a, b) => a.tsMs - b.tsMs || (a.id < b.id ? -1 : 1));
  }

  /** What the symbols of an answer have; those at fault are counted and left out. Throws NOF0_MARKET_DATA when all of them are. */
  #read<T>(
    path: string,
    field: string,
    rows: Readonly<Record<string, unknown>>,
    schema: Parameters<typeof readEach<T>>[1],
    asked: readonly string[],
  ): Map<string, T> {
    const { read, faults } = readEach(rows, schema, asked);
    for (const _ of faults) this.#client.refused(field);
    if (read.size === 0 && faults.length > 0)
      throw unexpected(
        path,
        faults.map(({ at, expected }) => ({ at: [field, ...at], expected })),
      );
    return read;
  }

  /** Asks for symbols in lists, without those that were refused once. */
  #each<T>(symbols: readonly string[], ask: (own: readonly string[]) => Promise<readonly T[]>): Promise<T[]> {
    const known = symbols.filter((symbol) => !this.#unknown.has(symbol));
    return askInHalves(known, ask, (symbol) => this.#unknown.add(symbol));
  }
}

/** The open of the oldest session whose bars a new run gets. */
function historyStart(toMs: number, sessions: number): number {
  let session = sessionBefore(exchangeDay(toMs));
  for (let more = 1; more < sessions; more++) session = sessionBefore(session.day);
  return session.openMs;
}

/** Of the history only the last price of each symbol: nobody could have traded on the others. */
function lastPrices(candles: readonly Candle[]): Tick[] {
  return [...new Map(candles.map((candle) => [candle.symbol, candle])).values()].flatMap((candle) =>
    pathOf(candle).slice(-1),
  );
}

const pathOf = (candle: Candle): Tick[] => candlePath(candle, CANDLE_INTERVAL_MS, 'bar');

/** What bars say about the stretch between two looks. */
function pathsOf(candles: readonly Candle[], fromMs: number, toMs: number): Tick[] {
  return candles.flatMap(pathOf).filter(({ tsMs }) => tsMs > fromMs && tsMs <= toMs);
}
