/** What the stories of the desk begin with: that there is one, and that its market is open. */

import { openSession, type Session } from '../../domain/desk/calendar.ts';
import { CodedError } from '../../errors.ts';
import type { Queryable } from '../../store/database.ts';
import { addEffects, type NewEffect } from '../../store/effects.ts';
import { committed, type Desk, type Outcome, type Stories, skipped } from '../context.ts';

/** The desk of the run. Throws NOF0_INPUT_INVALID in a run that has none. */
export function deskOf({ desk }: Stories): Desk {
  if (desk === null) throw new CodedError('NOF0_INPUT_INVALID', 'this run has no equities desk');
  return desk;
}

/** Does the work of a slot while a session runs; there is none outside. */
export async function inSession(slotMs: number, work: (session: Session) => Promise<Outcome>): Promise<Outcome> {
  const session = openSession(slotMs);
  return session === null ? skipped('no session runs') : work(session);
}

/** One commit with the effects that its change asks for, which are drained after it. */
export async function commitWithEffects(
  stories: Stories,
  story: string,
  change: (tx: Queryable) => Promise<readonly NewEffect[]>,
): Promise<void> {
  const effects = await committed(stories, story, () =>
    stories.db.transaction(async (tx) => addEffects(tx, await change(tx))),
  );
  await stories.drain(effects);
}
