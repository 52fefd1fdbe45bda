/**
 * Breakers: losses at which a trader is stopped whatever its model answers. They look at profit and loss, not at the balance, so
 * deposits and withdrawals move nothing. Pure; a snapshot costs the same at any age of the account.
 */

import { marketDay } from './time.ts';

/** Fractions of the equity; null: never. */
export type BreakerLimits = { readonly dailyLoss: number | null; readonly drawdown: number | null };

/** What is remembered of an account between two snapshots. Profit and loss in USD since inception, marked to market. */
export type EquityWatch = {
  readonly asOfMs: number;
  readonly pnlUsd: number;
  /** At the end of the market day before; null until there is something to compare with. */
  readonly dayPnlUsd: number | null;
  /** The highest of all moments before this one. */
  readonly peakPnlUsd: number | null;
};

/**
 * The watch after a snapshot. Several snapshots of one moment replace each other, so only a moment that is over becomes a peak or the
 * end of a day: the outcome does not depend on how many there were. A snapshot of an earlier moment changes nothing.
 */
export function observe(watch: EquityWatch | null, tsMs: number, pnlUsd: number): EquityWatch {
  if (watch === null) return { asOfMs: tsMs, pnlUsd, dayPnlUsd: null, peakPnlUsd: null };
  if (tsMs < watch.asOfMs) return watch;
  if (tsMs === watch.asOfMs) return { ...watch, pnlUsd };
  const newDay = marketDay(tsMs) !== marketDay(watch.asOfMs);
  return {
    asOfMs: tsMs,
    pnlUsd,
    dayPnlUsd: newDay ? watch.pnlUsd : (watch.dayPnlUsd ?? watch.pnlUsd),
    peakPnlUsd: Math.max(watch.peakPnlUsd ?? watch.pnlUsd, watch.pnlUsd),
  };
}

export type Breach = {
  readonly breaker: 'daily-loss' | 'drawdown';
  readonly lostUsd: number;
  /** Of the equity there would be without the loss. */
  readonly lostFraction: number;
  readonly limit: number;
};

/** The breaker that the loss has reached, the graver one first; null when none. */
export function breachOf(watch: EquityWatch, equityUsd: number, limits: BreakerLimits): Breach | null {
  const judge = (breaker: Breach['breaker'], fromPnlUsd: number | null, limit: number | null): Breach | null => {
    if (fromPnlUsd === null || limit === null) return null;
    const lostUsd = fromPnlUsd - watch.pnlUsd;
    if (lostUsd <= 0) return null;
    const base = equityUsd + lostUsd;
    const lostFraction = base > 0 ? lostUsd / base : 1;
    return lostFraction >= limit ? { breaker, lostUsd, lostFraction, limit } : null;
  };
  return judge('drawdown', watch.peakPnlUsd, limits.drawdown) ?? judge('daily-loss', watch.dayPnlUsd, limits.dailyLoss);
}

/** What stands in the trader's state, in records and logs. */
export function describeBreach({ breaker, lostUsd, lostFraction, limit }: Breach): string {
  const percent = (fraction: number) => `${(fraction * 100).toFixed(2)} %`;
  return `${breaker} breaker: lost ${lostUsd.toFixed(2)} USD, ${percent(lostFraction)} (limit ${percent(limit)})`;
}
