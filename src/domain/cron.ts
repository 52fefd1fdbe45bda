/** Cron expressions, read by a library. All of them are in UTC. */

import { Cron } from 'croner';

/** Whether the text is a cron expression. */
export function isCron(text: string): boolean {
  try {
    new Cron(text, { timezone: 'UTC', paused: true });
    return true;
  } catch {
    // The library says no by throwing; the caller says what was expected.
    return false;
  }
}

/** First occurrence after a moment, ms; infinity when there is none. */
export function nextOccurrence(expression: string, afterMs: number): number {
  return new Cron(expression, { timezone: 'UTC' }).nextRun(new Date(afterMs))?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** Last occurrence at or before a moment, ms; null when there is none. The library counts in whole seconds and leaves its own out. */
export function lastOccurrence(expression: string, atMs: number): number | null {
  return (
    new Cron(expression, { timezone: 'UTC' })
      .previousRuns(1, new Date(Math.floor(atMs / 1000) * 1000 + 1000))[0]
      ?.getTime() ?? null
  );
}
