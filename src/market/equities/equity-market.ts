/** The market of the equities desk: stocks with their headlines. */

import type { Tick } from '../../domain/market.ts';
import type { MarketData, NewsFeed } from '../market-data.ts';
import { candleMarket } from '../replay.ts';
import { inventNews } from './news.ts';
import { inventStocks } from './synthetic.ts';

export type EquityMarket = MarketData & { readonly news: NewsFeed };

export const EQUITIES = 'equities';

/** The invented session of a day. */
export function syntheticEquities(seed: string, day: string): EquityMarket {
  const { assets, candles } = inventStocks(seed, day);
  const traded = assets.filter(({ isActive }) => isActive).map(({ symbol }) => symbol);
  return quietHistory({ ...candleMarket(EQUITIES, candles, assets), news: inventNews(seed, day, traded) });
}

/** Of the sessions before the first look only the bars are told, and the last price: nobody could have traded on the others. */
export function quietHistory(market: EquityMarket): EquityMarket {
  return {
    ...market,
    async fetch(fromMs, toMs, signal) {
      const batch = await market.fetch(fromMs, toMs, signal);
      if (fromMs !== null) return batch;
      const last = new Map<string, Tick>(batch.ticks.map((tick) => [tick.symbol, tick]));
      return { ...batch, ticks: [...last.values()].toSorted((a, b) => a.tsMs - b.tsMs) };
    },
  };
}

/** The same market with some of its stocks. Indices stay: they are watched, not traded. */
export function onlySymbols(market: EquityMarket, universe: readonly string[]): EquityMarket {
  if (universe.length === 0) return market;
  return {
    ...market,
    assets: async (signal) =>
      (await market.assets(signal)).filter(({ symbol, isActive }) => !isActive || universe.includes(symbol)),
  };
}
