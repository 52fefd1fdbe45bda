/** Opens the market that a run trades on. */

import type { MarketData } from './market-data.ts';
import { openReplay } from './replay.ts';
import { type SyntheticOptions, syntheticMarket } from './synthetic.ts';

export type MarketConfig =
  | ({ readonly kind: 'synthetic' } & SyntheticOptions)
  | { readonly kind: 'replay'; readonly dir: string };

/** The market of the configuration. Throws NOF0_MARKET_DATA when a replay folder cannot be used, with all its faults. */
export async function openMarket(config: MarketConfig): Promise<MarketData> {
  return config.kind === 'synthetic' ? syntheticMarket(config) : openReplay(config.dir);
}
