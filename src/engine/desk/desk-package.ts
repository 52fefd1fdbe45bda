/** What the desk's model is told beside prices and its account: all of it was known before the slot, but for the looks of the slot. */

import { latestSession, sessionAt } from '../../domain/desk/calendar.ts';
import type { DeskPackage } from '../../domain/desk/package.ts';
import { latestContext } from '../../store/desk/days.ts';
import { latestLooks } from '../../store/desk/looks.ts';
import { latestSentiment } from '../../store/desk/news.ts';
import { candidatesOf, latestScan, signalsOf } from '../../store/desk/signals.ts';
import type { Desk, Stories } from '../context.ts';

/** Null in the arena. */
export async function deskPackage({ db, desk }: Stories, slotMs: number): Promise<DeskPackage | null> {
  if (desk === null) return null;
  const [signals, scan, sentiment, looks, context] = await Promise.all([
    signalsOf(db, slotMs),
    latestScan(db, slotMs),
    latestSentiment(db, slotMs),
    latestLooks(db, desk.modelId),
    latestContext(db, slotMs),
  ]);
  const ranked = scan === null ? [] : await candidatesOf(db, scan.tsMs);
  const named = new Set([...signals, ...looks].map(({ symbol }) => symbol));
  const { day, openMs, closeMs } = sessionAt(slotMs) ?? latestSession(slotMs);
  return {
    session: { day, openMs, closeMs, mayEnter: mayEnter(desk, slotMs) },
    signals: signals.map(({ type, symbol, reason, price, confidence }) => ({
      type,
      symbol,
      reason,
      price,
      confidence,
    })),
    candidates: ranked.map(({ symbol, score, signals: seen }) => ({ symbol, score, signals: seen })),
    sentiment: Object.fromEntries(
      sentiment
        .filter(({ symbol }) => named.has(symbol))
        .map(({ symbol, score, newsCount }) => [symbol, { score, newsCount }]),
    ),
    monitoring: Object.fromEntries(looks.map(({ symbol, monitoring }) => [symbol, monitoring])),
    context,
  };
}

/** Whether a session runs, and its end is not too near. */
export function mayEnter({ settings }: Desk, nowMs: number): boolean {
  const session = sessionAt(nowMs);
  return session !== null && nowMs >= session.openMs && nowMs < session.closeMs - settings.lastEntry;
}
