/** Opens the market that a run trades on. */

import type { HyperliquidClient } from '../hyperliquid/client.ts';
import { AlpacaMarket, type AlpacaOptions } from './alpaca/alpaca-market.ts';
import type { AlpacaClient } from './alpaca/client.ts';
import { onlySymbols, syntheticEquities } from './equities/equity-market.ts';
import { openRecording } from './equities/recording.ts';
import type { HyperliquidMarketOptions } from './hyperliquid/hyperliquid-market.ts';
import type { MarketData } from './market-data.ts';
import { openReplay } from './replay.ts';
import { type SyntheticOptions, syntheticMarket } from './synthetic.ts';

export type MarketConfig =
  | ({ readonly kind: 'synthetic' } & SyntheticOptions)
  | { readonly kind: 'replay'; readonly dir: string }
  | EquitiesConfig
  | ({ readonly kind: 'alpaca'; readonly client: AlpacaClient } & AlpacaOptions)
  | ({ readonly kind: 'hyperliquid'; readonly client: HyperliquidClient } & HyperliquidMarketOptions);

export type EquitiesConfig = {
  readonly kind: 'equities';
  readonly universe: readonly string[];
} & (
  | { readonly feed: 'synthetic'; readonly seed: string; readonly day: string }
  | { readonly feed: 'csv'; readonly dir: string }
);

/** The market of the configuration. Throws NOF0_MARKET_DATA when a replay folder cannot be used, with all its faults. */
export async function openMarket(config: MarketConfig): Promise<MarketData> {
  if (config.kind === 'hyperliquid') {
    const { HyperliquidMarket } = await import('./hyperliquid/hyperliquid-market.ts');
    return new HyperliquidMarket(config.client, config);
  }
  if (config.kind === 'alpaca') return new AlpacaMarket(config.client, config);
  if (config.kind === 'equities') {
    const whole = config.feed === 'csv' ? await openRecording(config.dir) : syntheticEquities(config.seed, config.day);
    return onlySymbols(whole, config.universe);
  }
  return config.kind === 'synthetic' ? syntheticMarket(config) : openReplay(config.dir);
}
