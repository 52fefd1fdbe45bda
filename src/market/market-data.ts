/** The door to a market. Implementations: synthetic, replay. */

import type { NewsItem } from '../domain/desk/news.ts';
import type { Asset, Candle, MarketBatch } from '../domain/market.ts';
import type { OrderBook } from '../domain/order-book.ts';

/** Hears of a market as it happens. */
export interface FeedSink {
  /** Rows in any order, late and repeated ones too; what is known already changes nothing. */
  rows(rows: Partial<Pick<MarketBatch, 'ticks' | 'candles' | 'contexts' | 'fundings'>>): void;
  /** Everything up to this moment has been told. */
  covered(untilMs: number): void;
  /** Something was executed for an account, or may have been. */
  account(account: string): void;
}

export interface MarketFeed {
  close(): Promise<void>;
}

export interface NewsFeed {
  /**
   * Headlines of (fromMs, toMs], oldest first, and some of before that were told late. `fromMs` null: all that may still matter.
   */
  fetch(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<NewsItem[]>;
}

export interface MarketData {
  /** Name under which its prices are stored, for instance `synthetic`. */
  readonly provider: string;
  /** The instruments it knows. */
  assets(signal?: AbortSignal): Promise<Asset[]>;
  /**
   * Everything that became known in (fromMs, toMs], in time order. A candle becomes known at open + interval.
   * Asked twice for the same stretch it answers the same. `fromMs` null: history too, as far as the provider keeps it.
   */
  fetch(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<MarketBatch>;
  /** Closed candles of a symbol that became known in (fromMs, toMs], page by page, for a market that can be asked for its past. */
  history?(
    symbol: string,
    range: { readonly fromMs: number; readonly toMs: number },
    signal: AbortSignal | undefined,
    onPage: (candles: readonly Candle[]) => Promise<void>,
  ): Promise<readonly Candle[]>;
  /** The book as it is now, for a market that has one: what a paper order then takes instead of a flat slippage. Null when it is not known. */
  book?(symbol: string, signal: AbortSignal): Promise<OrderBook | null>;
  /**
   * Opens a stream of what happens, which begins with everything behind `fromMs` (null: with the history). It opens itself again for
   * ever. For a market that has one; such a market is polled only while nobody holds its feed.
   */
  openFeed?(sink: FeedSink, fromMs: number | null): Promise<MarketFeed>;
  /** Headlines, for a market that has some. */
  readonly news?: NewsFeed;
  /** First and last market time with data, for a market that ends; null for one that goes on. */
  readonly extent: { readonly startMs: number; readonly endMs: number } | null;
}
