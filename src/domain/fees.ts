/** What trading costs, by what was traded before. */

/** Rates from a volume on, basis points of the notional. Tiers ascend; the first begins at 0. */
export type FeeTier = { readonly fromVolumeUsd: number; readonly takerFeeBps: number; readonly makerFeeBps: number };

/** USD traded a UTC day, by day number. */
export type DailyVolumes = Readonly<Record<number, number>>;

const DAY_MS = 86_400_000;
/** The tier of a day depends on the whole days before it. */
const VOLUME_DAYS = 14;
/** A fee is cut off after a millionth of a dollar, not rounded. */
const FEE_STEPS = 1_000_000;

export function feeTierAt(tiers: readonly FeeTier[], volumeUsd: number): FeeTier {
  let found = tiers[0] ?? { fromVolumeUsd: 0, takerFeeBps: 0, makerFeeBps: 0 };
  for (const tier of tiers) if (volumeUsd >= tier.fromVolumeUsd) found = tier;
  return found;
}

/** What the 14 days before the day of `tsMs` add up to; the day itself does not count yet. */
export function volumeBefore(volumes: DailyVolumes, tsMs: number): number {
  const today = Math.floor(tsMs / DAY_MS);
  let sum = 0;
  for (let day = today - VOLUME_DAYS; day < today; day += 1) sum += volumes[day] ?? 0;
  return sum;
}

/** The volumes with one more execution; days that no tier depends on any more are forgotten. */
export function addVolume(volumes: DailyVolumes, tsMs: number, usd: number): DailyVolumes {
  const today = Math.floor(tsMs / DAY_MS);
  const kept: Record<number, number> = {};
  for (const [day, sum] of Object.entries(volumes)) if (Number(day) >= today - VOLUME_DAYS) kept[Number(day)] = sum;
  kept[today] = (kept[today] ?? 0) + usd;
  return kept;
}

/** Fee of an execution, USD. */
export function feeUsd(notionalUsd: number, bps: number): number {
  const steps = ((notionalUsd * bps) / 10_000) * FEE_STEPS;
  // A fee that is exact already must not lose a step to the last bit of its binary form.
  const nearest = Math.round(steps);
  return (Math.abs(steps - nearest) < 1e-6 ? nearest : Math.floor(steps)) / FEE_STEPS;
}
