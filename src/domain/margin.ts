/**
 * Margin of perpetual futures by leverage tier. The larger a position, the less leverage it may have; what it must keep at least
 * (maintenance) is half of what its tier asks of a new one.
 */

/** From which notional on a position has which leverage at most. Tiers ascend; the first begins at 0. */
export type MarginTier = { readonly fromUsd: number; readonly maxLeverage: number };

/** The rate and the deduction that make maintenance margin a continuous function of the notional. */
type Maintenance = { readonly rate: number; readonly deductionUsd: number };

/** Leverage a position of this notional may have at most. */
export function maxLeverageAt(tiers: readonly MarginTier[], notionalUsd: number): number {
  return tiers[tierIndex(tiers, notionalUsd)]?.maxLeverage ?? 1;
}

/** Below this the position is liquidated: half the initial margin at the highest leverage of each tier, for its part of the notional. */
export function maintenanceMargin(tiers: readonly MarginTier[], notionalUsd: number): number {
  const { rate, deductionUsd } = maintenanceOf(tiers, tierIndex(tiers, notionalUsd));
  return notionalUsd * rate - deductionUsd;
}

/** The highest maintenance rate of any tier: with it no deduction is needed to be on the safe side. */
export function highestMaintenanceRate(tiers: readonly MarginTier[]): number {
  return Math.max(...tiers.map((tier) => maintenanceRate(tier)));
}

/**
 * The mark price at which a position is liquidated while everything else stays as it is: mark − side · available / size / (1 − l · side)
 * with l the maintenance rate of the tier it is then in. Null when no positive price leads there.
 *
 * @param position.quantity signed base units
 * @param position.marginUsd what answers for the position at the mark: the account's value (cross) or its own (isolated)
 * @param position.othersMaintenanceUsd what the other positions of the same margin need
 */
export function liquidationPrice(position: {
  readonly markPrice: number;
  readonly quantity: number;
  readonly marginUsd: number;
  readonly othersMaintenanceUsd: number;
  readonly tiers: readonly MarginTier[];
}): number | null {
  const { markPrice, quantity, tiers } = position;
  const size = Math.abs(quantity);
  const side = Math.sign(quantity);
  if (size === 0) return null;
  const freeUsd = position.marginUsd - position.othersMaintenanceUsd;
  let index = tierIndex(tiers, size * markPrice);
  // The tier at the liquidation price decides, so it is looked for; tiers are few and the price moves one way.
  for (let attempt = 0; attempt <= tiers.length; attempt += 1) {
    const { rate, deductionUsd } = maintenanceOf(tiers, index);
    const availableUsd = freeUsd - (size * markPrice * rate - deductionUsd);
    const price = markPrice - (side * availableUsd) / size / (1 - rate * side);
    if (!(price > 0) || !Number.isFinite(price)) return null;
    const reached = tierIndex(tiers, size * price);
    if (reached === index || attempt === tiers.length) return price;
    index = reached;
  }
  return null;
}

function tierIndex(tiers: readonly MarginTier[], notionalUsd: number): number {
  let index = 0;
  for (const [at, tier] of tiers.entries()) if (notionalUsd > tier.fromUsd) index = at;
  return index;
}

function maintenanceRate(tier: MarginTier): number {
  return 1 / (2 * tier.maxLeverage);
}

function maintenanceOf(tiers: readonly MarginTier[], index: number): Maintenance {
  let deductionUsd = 0;
  let rate = 0;
  for (const [at, tier] of tiers.slice(0, index + 1).entries()) {
    const next = maintenanceRate(tier);
    if (at > 0) deductionUsd += tier.fromUsd * (next - rate);
    rate = next;
  }
  return { rate, deductionUsd };
}
