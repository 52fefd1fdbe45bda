/** What the paper exchange charges and demands, decided once from the configuration. */

import type { FeeTier } from '../../domain/fees.ts';
import { highestMaintenanceRate, type MarginTier } from '../../domain/margin.ts';

/** The `paper` part of the arena file. */
export type PaperSettings = {
  readonly takerFeeBps: number;
  readonly makerFeeBps: number;
  readonly feeTiers: readonly FeeTier[];
  readonly slippageBps: number;
  readonly liquidationFeeBps: number;
  readonly marginTiers: readonly (MarginTier & { readonly symbol: string })[];
};

/** What the market says about an instrument. */
export type AssetTerms = {
  readonly sizeDecimals: number;
  /** Null: quoted by significant figures, as perpetuals are. */
  readonly tickSize?: number | null;
  readonly maxLeverage: number;
  readonly onlyIsolated: boolean;
};

/** An instrument as the paper exchange trades it. */
export type Terms = AssetTerms & { readonly tiers: readonly MarginTier[]; readonly highestRate: number };

export type PaperRules = {
  readonly feeTiers: readonly FeeTier[];
  readonly slippageBps: number;
  readonly liquidationFeeBps: number;
  /** Undefined for an instrument that nobody trades. */
  readonly termsOf: (symbol: string) => Terms | undefined;
};

export function paperRules(settings: PaperSettings, assets: ReadonlyMap<string, AssetTerms>): PaperRules {
  const { takerFeeBps, makerFeeBps, slippageBps, liquidationFeeBps, marginTiers } = settings;
  const base = { fromVolumeUsd: 0, takerFeeBps, makerFeeBps };
  const terms = new Map(
    [...assets].map(([symbol, asset]) => [
      symbol,
      termsOf(
        asset,
        marginTiers.filter((tier) => tier.symbol === symbol),
      ),
    ]),
  );
  return {
    feeTiers: [base, ...settings.feeTiers.toSorted((a, b) => a.fromVolumeUsd - b.fromVolumeUsd)],
    slippageBps,
    liquidationFeeBps,
    termsOf: (symbol) => terms.get(symbol),
  };
}

/** The market's own maximum is the first tier; a tier that allows more says nothing. */
function termsOf(asset: AssetTerms, table: readonly MarginTier[]): Terms {
  const upper = table
    .filter((tier) => tier.maxLeverage < asset.maxLeverage)
    .map(({ fromUsd, maxLeverage }) => ({ fromUsd, maxLeverage }))
    .toSorted((a, b) => a.fromUsd - b.fromUsd);
  const tiers = [{ fromUsd: 0, maxLeverage: asset.maxLeverage }, ...upper];
  return { ...asset, tiers, highestRate: highestMaintenanceRate(tiers) };
}
