/** The terms of the paper exchange. The defaults are those of Hyperliquid's perpetuals. */

import { z } from 'zod';

const bps = z.number().min(0).max(1000);

const feeTier = z.strictObject({
  /** USD traded in the 14 UTC days before today, from which on the tier holds. */
  fromVolumeUsd: z.number().positive(),
  takerFeeBps: bps,
  makerFeeBps: bps,
});

const marginTier = z.strictObject({
  symbol: z.string().min(1),
  /** Notional of the position, USD, beyond which the tier holds. */
  fromUsd: z.number().positive(),
  maxLeverage: z.number().min(1).max(100),
});

const tier = (fromVolumeUsd: number, takerFeeBps: number, makerFeeBps: number) => ({
  fromVolumeUsd,
  takerFeeBps,
  makerFeeBps,
});

const FEE_TIERS = [
  tier(5_000_000, 4, 1.2),
  tier(25_000_000, 3.5, 0.8),
  tier(100_000_000, 3, 0.4),
  tier(500_000_000, 2.8, 0),
  tier(2_000_000_000, 2.6, 0),
  tier(7_000_000_000, 2.4, 0),
];

const MARGIN_TIERS = [
  { symbol: 'BTC', fromUsd: 150_000_000, maxLeverage: 20 },
  { symbol: 'ETH', fromUsd: 100_000_000, maxLeverage: 15 },
  { symbol: 'SOL', fromUsd: 70_000_000, maxLeverage: 10 },
  { symbol: 'XRP', fromUsd: 40_000_000, maxLeverage: 10 },
  { symbol: 'DOGE', fromUsd: 20_000_000, maxLeverage: 5 },
  { symbol: 'BNB', fromUsd: 3_000_000, maxLeverage: 5 },
];

export const paperSchema = z.strictObject({
  /** What takes liquidity pays, basis points of the notional: the base tier. */
  takerFeeBps: bps.default(4.5),
  /** What gives liquidity pays: the base tier. */
  makerFeeBps: bps.default(1.5),
  /** Rates from a traded volume on. */
  feeTiers: z.array(feeTier).default(FEE_TIERS),
  /** What a market order pays beyond the mark price where no book is known. */
  slippageBps: bps.default(1),
  /** What a liquidation costs beyond the taker's fee. */
  liquidationFeeBps: bps.default(0),
  /** How much less leverage a large position may have than the market's own maximum, which holds below. */
  marginTiers: z.array(marginTier).default(MARGIN_TIERS),
});
