/** How commands name a stored decision cycle. */

import type { JournalRecord } from '../domain/journal.ts';
import { CodedError } from '../errors.ts';
import type { Queryable } from '../store/database.ts';
import { cycleIdOf } from '../store/decision-reads.ts';
import { journalOfCycle } from '../store/journal.ts';

export const CYCLE_ARGUMENT = 'a cycle: its id, MODEL/NUMBER such as carry/12, or MODEL for its newest one';

/** The finished cycle that the text names. Throws NOF0_CYCLE_UNKNOWN. */
export async function findCycle(db: Queryable, text: string): Promise<JournalRecord> {
  const id = /^\d+$/.test(text) ? Number(text) : await idOf(db, text);
  const cycle = id === null || !Number.isSafeInteger(id) ? null : await journalOfCycle(db, id);
  if (cycle !== null) return cycle;
  throw new CodedError('NOF0_CYCLE_UNKNOWN', `there is no finished cycle "${text}"; expected ${CYCLE_ARGUMENT}`);
}

/** An id may hold a slash itself, so the whole text is tried as one first. */
async function idOf(db: Queryable, text: string): Promise<number | null> {
  const newest = await cycleIdOf(db, text, null);
  const [, modelId, number] = /^(.+)\/(\d{1,9})$/s.exec(text) ?? [];
  return newest ?? (modelId === undefined ? null : cycleIdOf(db, modelId, Number(number)));
}
