/**
 * Risk and return of a model over whole hours. A return is that of an hour's last equity on the hour's before, without what was paid in
 * or out between; an hour without a snapshot has none, so periods stay equally long.
 */

import { mean, sampleStd, sharpeRatio } from './statistics.ts';

export const HOURS_PER_YEAR = 8760;
/** Ratios look back at most 30 days; drawdown and return at everything since inception. */
export const WINDOW_HOURS = 720;

/** The last snapshot of an hour. */
export type HourClose = {
  readonly hour: number;
  readonly tsMs: number;
  readonly equityUsd: number;
  /** Σ |size · price| of its positions. */
  readonly notionalUsd: number;
};
export type Transfer = { readonly tsMs: number; readonly amountUsd: number };

/** What the next hour is carried on from. */
export type CarriedEquity = {
  /** The first hour that is not in it. */
  readonly hour: number;
  readonly tsMs: number;
  readonly equityUsd: number;
  /** What one dollar has become. */
  readonly growth: number;
  readonly peak: number;
  readonly maxDrawdown: number;
  /** Of the hours of the window, oldest first. */
  readonly returns: readonly number[];
  readonly exposures: readonly number[];
};

export function startEquity(initialEquityUsd: number, inceptionTsMs: number): CarriedEquity {
  const flat = { growth: 1, peak: 1, maxDrawdown: 0, returns: [], exposures: [] };
  return { hour: 0, tsMs: inceptionTsMs, equityUsd: initialEquityUsd, ...flat };
}

/** Adds the hours before `toHour`. Closes and transfers from the carried moment on, oldest first. */
export function carryOn(
  carried: CarriedEquity,
  closes: readonly HourClose[],
  transfers: readonly Transfer[],
  toHour: number,
): CarriedEquity {
  const byHour = new Map(closes.map((close) => [close.hour, close]));
  let { tsMs, equityUsd, growth, peak, maxDrawdown } = carried;
  const returns = [...carried.returns];
  const exposures = [...carried.exposures];
  for (let hour = carried.hour; hour < toHour; hour++) {
    const close = byHour.get(hour);
    const paidIn = transfers.reduce(
      (total, each) => total + (close && each.tsMs > tsMs && each.tsMs <= close.tsMs ? each.amountUsd : 0),
      0,
    );
    const gain = close && equityUsd > 0 ? (close.equityUsd - paidIn) / equityUsd - 1 : 0;
    growth *= 1 + gain;
    peak = Math.max(peak, growth);
    maxDrawdown = Math.max(maxDrawdown, 1 - growth / peak);
    returns.push(gain);
    exposures.push(close ? exposure(close) : (exposures.at(-1) ?? 0));
    if (close) ({ tsMs, equityUsd } = close);
  }
  return {
    ...{ hour: Math.max(carried.hour, toHour), tsMs, equityUsd, growth, peak, maxDrawdown },
    returns: returns.slice(-WINDOW_HOURS),
    exposures: exposures.slice(-WINDOW_HOURS),
  };
}

function exposure({ notionalUsd, equityUsd }: HourClose): number {
  return equityUsd > 0 ? notionalUsd / equityUsd : 0;
}

/** Figures of the whole hours of a model; percentages 0–100. */
export type EquityMetrics = {
  /** Hours in the window. */
  readonly hours: number;
  /** Since inception, compounded, without transfers. */
  readonly return_pct: number;
  /** The same less what asking the model cost, in percent of the initial equity. */
  readonly return_after_model_cost_pct: number;
  readonly model_cost_usd: number;
  readonly sharpe: number;
  readonly sortino: number;
  readonly volatility_pct: number;
  readonly max_drawdown_pct: number;
  readonly exposure_pct: number;
};

export function equityMetrics(carried: CarriedEquity, initialEquityUsd: number, modelCostUsd: number): EquityMetrics {
  const { returns, exposures, growth } = carried;
  const returnPct = (growth - 1) * 100;
  return {
    hours: returns.length,
    return_pct: returnPct,
    return_after_model_cost_pct: returnPct - (100 * modelCostUsd) / initialEquityUsd,
    model_cost_usd: modelCostUsd,
    sharpe: sharpeRatio(returns, HOURS_PER_YEAR),
    sortino: sortinoRatio(returns, HOURS_PER_YEAR),
    volatility_pct: sampleStd(returns) * Math.sqrt(HOURS_PER_YEAR) * 100,
    max_drawdown_pct: carried.maxDrawdown * 100,
    exposure_pct: mean(exposures) * 100,
  };
}

/**
 * Annualised Sortino ratio with a target of zero (Sortino and Price 1994): mean / downside deviation · √periodsPerYear, the deviation
 * over all periods, gains counted as zero. 0 without a loss.
 */
export function sortinoRatio(returns: readonly number[], periodsPerYear: number): number {
  const downside = Math.sqrt(mean(returns.map((value) => Math.min(value, 0) ** 2)));
  return downside === 0 ? 0 : (mean(returns) / downside) * Math.sqrt(periodsPerYear);
}
