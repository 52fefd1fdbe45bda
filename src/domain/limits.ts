/** The limits of a cycle as its model is told them, and what they come to for one symbol. */

/** Limits that differ between the majors and all other symbols. */
export type ClassLimits = {
  readonly maxLeverage: number;
  /** Band of a position's value, notional USD: multiples of the equity when the context was built. */
  readonly minValueUsd: number;
  readonly maxValueUsd: number;
};

/** What the guardrails hold a decision to. Stored in the context: a recorded decision is judged again by the same figures. */
export type Limits = {
  readonly maxPositions: number;
  readonly maxMarginUsage: number;
  readonly minConfidence: number;
  /** Of any symbol; a single one may have narrower limits, see `symbolLimits`. */
  readonly maxLeverage: number;
  readonly minPositionUsd: number;
  readonly maxPositionUsd: number;
  /** Smallest and largest entry in USD, whatever the equity. */
  readonly size: { readonly minUsd: number; readonly maxUsd: number };
  readonly majors: ClassLimits & { readonly symbols: readonly string[] };
  readonly others: ClassLimits;
  /** Symbols with a leverage cap of their own. */
  readonly leverageOf: Readonly<Record<string, number>>;
  /** Fractions of the price. */
  readonly minStopDistance: number;
  readonly maxStopDistance: number;
  /** Distance of the target over the distance of the stop. */
  readonly minRewardRisk: number;
  /** Share of the equity that is lost when the stop is met at its price. */
  readonly maxRiskPerTrade: number;
  readonly minVolume24hUsd: number;
  readonly minOpenInterestUsd: number;
  readonly maxPriceAgeMs: number;
  readonly maxDailyLoss: number;
  readonly allowAdd: boolean;
  readonly allowHedge: boolean;
};

/** The limits of one symbol. `maxLeverage` is the highest that is granted: the exchange's own maximum, the class's and the symbol's. */
export function symbolLimits(
  limits: Limits,
  asset: { readonly symbol: string; readonly maxLeverage: number },
): { maxLeverage: number; minUsd: number; maxUsd: number } {
  const group = limits.majors.symbols.includes(asset.symbol) ? limits.majors : limits.others;
  return {
    maxLeverage: Math.min(asset.maxLeverage, limits.leverageOf[asset.symbol] ?? group.maxLeverage),
    minUsd: Math.max(limits.size.minUsd, group.minValueUsd),
    maxUsd: Math.min(limits.size.maxUsd, group.maxValueUsd),
  };
}

/** Exchanges know whole leverages only: a requested 2.9 is granted as 2, and binds the margin of 2. */
export function grantedLeverage(requested: number | null | undefined): number {
  return Math.max(1, Math.floor(requested ?? 1));
}
