/** Slots, market days and durations. A slot is a multiple of its interval on the UTC clock. */

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS };

/** Milliseconds of `250ms`, `15s`, `3m`, `1h`, `30d`; null when the text is no such duration. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const unit = UNIT_MS[match?.[2] ?? ''];
  return match && unit !== undefined ? Math.round(Number(match[1]) * unit) : null;
}

/** The newest slot at or before `tsMs`. */
export function slotAt(tsMs: number, everyMs: number): number {
  return Math.floor(tsMs / everyMs) * everyMs;
}

/** Start of the UTC day, as `YYYY-MM-DD`: budgets and daily limits count by it. */
export function marketDay(tsMs: number): string {
  return new Date(tsMs).toISOString().slice(0, 10);
}

/** The first moment of the next UTC day. */
export function nextMarketDayMs(tsMs: number): number {
  return slotAt(tsMs, DAY_MS) + DAY_MS;
}

/** When a decision of this slot comes too late to enter the market: slot + min(interval, 60 s) of market time. */
export function lateAfterMs(slotMs: number, everyMs: number): number {
  return slotMs + Math.min(everyMs, 60_000);
}

/**
 * By how much another clock is surely ahead of ours (below zero: behind), when it said `theirsMs` at some moment between our two: an answer
 * that took long says little, and is no fault of the clock.
 */
export function surelyAheadMs(theirsMs: number, askedMs: number, answeredMs: number): number {
  if (theirsMs > answeredMs) return Math.round(theirsMs - answeredMs);
  return theirsMs < askedMs ? Math.round(theirsMs - askedMs) : 0;
}
