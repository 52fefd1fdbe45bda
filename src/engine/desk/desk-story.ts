/** What the stories of the desk begin with: that there is one, and that its market is open. */

import { openSession, type Session } from '../../domain/desk/calendar.ts';
import { CodedError } from '../../errors.ts';
import type { Queryable } from '../../store/database.ts';
import { addEffects, type NewEffect } from '../../store/effects.ts';
import { ingestCursor } from '../../store/market.ts';
import { committed, type Desk, type Outcome, type Stories, skipped, snoozed } from '../context.ts';

/** The desk of the run. Throws NOF0_INPUT_INVALID in a run that has none. */
export function deskOf({ desk }: Stories): Desk {
  if (desk === null) throw new CodedError('NOF0_INPUT_INVALID', 'this run has no equities desk');
  return desk;
}

/** A bar is told some seconds after it has ended; a slot that has waited this long is left to the next one. */
const WAIT_MS = 60_000;
const WAIT_AGAIN_MS = 500;

/**
 * Does the work of a slot while a session runs; there is none outside. It waits until the market has told everything up to the slot: a
 * bar of which a minute is missing would be taken for a whole one.
 */
export async function inSession(
  stories: Stories,
  slotMs: number,
  work: (session: Session) => Promise<Outcome>,
): Promise<Outcome> {
  const session = openSession(slotMs);
  if (session === null) return skipped('no session runs');
  const { clock } = stories;
  if (await isTold(stories, slotMs)) return work(session);
  return clock.now(slotMs) - slotMs < WAIT_MS ? untold() : skipped('the market told too late; the next slot does it');
}

/** Whether the market has told everything up to the slot. In a replay it has, unless a crash of the database took that back. */
export async function isTold({ db, market }: Stories, slotMs: number): Promise<boolean> {
  return ((await ingestCursor(db, market.provider))?.watermarkMs ?? 0) >= slotMs;
}

/** The outcome of a slot that waits for its market. */
export function untold(): Outcome {
  return snoozed(WAIT_AGAIN_MS, 'the market has not told everything up to this slot');
}

/** One commit with the effects that its change asks for, which are drained after it. */
export async function commitWithEffects(
  stories: Stories,
  story: string,
  change: (tx: Queryable) => Promise<readonly NewEffect[]>,
): Promise<void> {
  const effects = await committed(stories, story, () =>
    stories.db.transaction(async (tx, last) => addEffects(last, await change(tx))),
  );
  await stories.drain(effects);
}
