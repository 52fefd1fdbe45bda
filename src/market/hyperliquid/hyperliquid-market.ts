/**
 * The real market, polled. Prices are the mid of the book, as the feed's are: a price that somebody would have to pay. What happened
 * while nobody asked is filled in from candles: their bars, and their paths as ticks, so that no trigger is passed over.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Asset, AssetContext, Candle, Funding, MarketBatch, Tick } from '../../domain/market.ts';
import { CANDLE_INTERVAL_MS, candlePath } from '../../domain/market.ts';
import type { OrderBook } from '../../domain/order-book.ts';
import { slotAt } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { PROVIDER } from '../../hyperliquid/provider.ts';
import { faultIn } from '../../hyperliquid/wire.ts';
import type { FeedSink, MarketData, MarketFeed } from '../market-data.ts';
import * as bodies from './bodies.ts';
import { closedCandles } from './candles.ts';
import { type FeedOptions, HyperliquidFeed } from './feed.ts';

export type HyperliquidMarketOptions = {
  readonly symbols: readonly string[];
  /** How far back the first fetch reaches, ms. */
  readonly historyMs: number;
  /** Ms after the end of a bar until its answer says the last of it. */
  readonly settleMs?: number;
  /** Hears of configured names that the provider does not list. They are left out, the others go on. */
  readonly onUnknown?: (symbols: readonly string[]) => void;
  /** What its feed needs; without it there is none. */
  readonly feed?: Pick<FeedOptions, 'accounts' | 'metrics' | 'log' | 'heartbeatMs' | 'reconnectMs' | 'beatMs'>;
};

const HOUR_MS = 3_600_000;
const SETTLE_MS = 1000;
const MAX_SETTLE_MS = 5000;
const CLOCK_EVERY_MS = 300_000;
/** A funding print is stamped some ms after the hour and answered some seconds later. */
const FUNDING_DELAY_MS = 10_000;
/** Unobserved for longer than this, the path between two polls is filled in from candles. */
const GAP_MS = 2 * CANDLE_INTERVAL_MS;

export class HyperliquidMarket implements MarketData {
  readonly provider = PROVIDER;
  readonly extent = null;
  readonly #client: HyperliquidClient;
  readonly #options: HyperliquidMarketOptions;
  #clockMeasuredMs = 0;

  constructor(client: HyperliquidClient, options: HyperliquidMarketOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** The configured instruments that the provider lists. Throws NOF0_SYMBOL_UNKNOWN when it lists none of them. */
  async assets(signal?: AbortSignal): Promise<Asset[]> {
    const { universe } = await this.#client.info({ type: 'meta' }, bodies.metaBody, 'market', signal);
    const listed = new Map(universe.flatMap((row, place) => this.#listed(row, place)));
    const unknown = this.#options.symbols.filter((symbol) => !listed.has(symbol));
    if (unknown.length === this.#options.symbols.length) {
      const { network } = this.#client.addresses;
      throw new CodedError('NOF0_SYMBOL_UNKNOWN', `Hyperliquid ${network} does not list ${unknown.join(', ')}`);
    }
    if (unknown.length > 0) this.#options.onUnknown?.(unknown);
    return this.#options.symbols.flatMap((symbol) => listed.get(symbol) ?? []);
  }

  async fetch(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<MarketBatch> {
    await this.#settle(toMs, signal);
    const contexts = await this.#contexts(toMs, signal);
    // Never deeper than the history that a new run gets: a run that slept for a month begins anew.
    const sinceMs = Math.max(fromMs ?? 0, toMs - this.#options.historyMs);
    const candles = await this.#candles(sinceMs, toMs, signal);
    const fundings = fromMs === null ? [] : await this.#fundings(sinceMs, toMs, signal);
    const unseen = fromMs !== null && toMs - fromMs > GAP_MS;
    const ticks = [...(unseen ? pathsOf(candles, fromMs, toMs) : []), ...contexts.flatMap(tickOf)];
    return { ticks: ticks.sort((a, b) => a.tsMs - b.tsMs), candles, contexts, fundings, watermarkMs: toMs };
  }

  /** The order book of a symbol, whole; null for one that nobody lists. Its time also says how the provider's clock stands. */
  async book(symbol: string, signal?: AbortSignal): Promise<OrderBook | null> {
    const askedMs = this.#client.now();
    const request = { type: 'l2Book', coin: symbol };
    const body = await this.#client.info(request, bodies.bookBody.nullable(), 'market', signal);
    if (body?.time !== undefined) this.#client.measureSkew(body.time, askedMs);
    return body === null ? null : bodies.toBook(body, askedMs + this.#client.skewMs);
  }

  /** Listens to the instruments that are listed and active. Throws when nobody says which those are. */
  async openFeed(sink: FeedSink, fromMs: number | null): Promise<MarketFeed> {
    const { feed } = this.#options;
    if (feed === undefined) throw new CodedError('NOF0_INTERNAL', 'this market was opened without a feed');
    const active = (await this.assets()).filter((asset) => asset.isActive);
    const symbols = active.map((asset) => asset.symbol);
    return new HyperliquidFeed(this, this.#client, sink, { ...feed, symbols, fromMs });
  }

  /** Mid prices of everything that has a book, spot pairs too. */
  mids(signal?: AbortSignal): Promise<Record<string, number>> {
    return this.#client.info({ type: 'allMids' }, bodies.midsBody, 'market', signal);
  }

  /** Closed candles of a stretch, oldest first; see `closedCandles`. */
  history(
    symbol: string,
    range: { fromMs: number; toMs: number },
    signal?: AbortSignal,
    onPage?: (candles: readonly Candle[]) => Promise<void>,
  ): Promise<Candle[]> {
    return closedCandles(this.#client, symbol, range, signal, onPage);
  }

  /** Waits until a bar that has just ended is answered whole: what is stored once is never written again. */
  async #settle(toMs: number, signal?: AbortSignal): Promise<void> {
    await this.#measureClock(signal);
    const settledMs = slotAt(toMs, CANDLE_INTERVAL_MS) + (this.#options.settleMs ?? SETTLE_MS);
    const waitMs = Math.min(settledMs - (this.#client.now() + this.#client.skewMs), MAX_SETTLE_MS);
    if (waitMs > 0) await sleep(waitMs, undefined, signal ? { signal } : {});
  }

  async #measureClock(signal?: AbortSignal): Promise<void> {
    const [symbol] = this.#options.symbols;
    if (symbol === undefined || this.#client.now() - this.#clockMeasuredMs < CLOCK_EVERY_MS) return;
    await this.book(symbol, signal);
    this.#clockMeasuredMs = this.#client.now();
  }

  async #contexts(tsMs: number, signal?: AbortSignal): Promise<AssetContext[]> {
    const request = { type: 'metaAndAssetCtxs' };
    const [meta, rows] = await this.#client.info(request, bodies.metaAndContextsBody, 'market', signal);
    const places = new Map(
      meta.universe.flatMap((row, place) => this.#listed(row, place).map(([name]) => [name, place])),
    );
    return this.#options.symbols.flatMap((symbol) => {
      const place = places.get(symbol);
      if (place === undefined) return [];
      const context = bodies.readContext(symbol, tsMs, rows[place]);
      if (context === null) this.#refused('metaAndAssetCtxs', faultIn(bodies.contextRow, rows[place], `[1][${place}]`));
      return context ?? [];
    });
  }

  async #candles(fromMs: number, toMs: number, signal?: AbortSignal): Promise<Candle[]> {
    if (slotAt(fromMs, CANDLE_INTERVAL_MS) === slotAt(toMs, CANDLE_INTERVAL_MS)) return [];
    const candles: Candle[] = [];
    // What is missing of one symbol is a gap, and gaps are asked for again.
    for (const symbol of this.#options.symbols)
      candles.push(...(await orLeftOut(closedCandles(this.#client, symbol, { fromMs, toMs }, signal))));
    return candles.sort((a, b) => a.openTsMs - b.openTsMs);
  }

  /** Prints of a stretch that lies a little back, where every print has been answered; stretches follow each other without a gap. */
  async #fundings(fromMs: number, toMs: number, signal?: AbortSignal): Promise<Funding[]> {
    const [after, until] = [fromMs - FUNDING_DELAY_MS, toMs - FUNDING_DELAY_MS];
    if (slotAt(after, HOUR_MS) === slotAt(until, HOUR_MS) && after % HOUR_MS > FUNDING_DELAY_MS) return [];
    const prints: Funding[] = [];
    for (const coin of this.#options.symbols) {
      const request = { type: 'fundingHistory', coin, startTime: after + 1, endTime: until };
      const rows = await orLeftOut(this.#client.info(request, bodies.fundingBody, 'market', signal));
      prints.push(...rows.map(bodies.toFunding).filter(({ tsMs }) => tsMs > after && tsMs <= until));
    }
    return prints.sort((a, b) => a.tsMs - b.tsMs);
  }

  #refused(what: string, fault: string | null): void {
    this.#client.refused(what, `${what}${fault}`);
  }

  #listed(row: unknown, place: number): [string, Asset][] {
    const parsed = bodies.readUniverseRow(row);
    if (parsed === null) this.#refused('meta.universe', faultIn(bodies.universeRow, row, `[${place}]`));
    return parsed === null ? [] : [[parsed.name, bodies.toAsset(parsed)]];
  }
}

/** An answer about one symbol; nothing when it has another shape, which was counted and told: the others go on. */
async function orLeftOut<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NOF0_MARKET_DATA') return [];
    throw error;
  }
}

/** A symbol without a book has a mark but nobody to trade with: no tick. */
function tickOf({ symbol, tsMs, midPrice }: AssetContext): Tick[] {
  return midPrice === null ? [] : [{ symbol, tsMs, price: midPrice, source: 'mid' }];
}

/** What candles say about the stretch between two polls. */
function pathsOf(candles: readonly Candle[], fromMs: number, toMs: number): Tick[] {
  return candles
    .flatMap((candle) => candlePath(candle, CANDLE_INTERVAL_MS, 'candle'))
    .filter(({ tsMs }) => tsMs > fromMs && tsMs < toMs);
}
