/** The days that the tests of the archive play on, and how long rows stay. */

export const DAY_MS = 86_400_000;
export const DAY = Date.UTC(2025, 5, 1);
/** Everything of DAY and the day after it is old, nothing of the third day is. */
export const NOW = DAY + 92 * DAY_MS;
const YEAR_MS = 365 * DAY_MS;

export const retentionOf = (days: number) => {
  const span = days * DAY_MS;
  return { ticks: span, contexts: span, frames: span, decisions: span, desk: span, candles: YEAR_MS };
};
