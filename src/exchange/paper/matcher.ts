/**
 * Works through ticks and funding prints in the order they were ingested. The cursor and the fills it causes are one commit, so a
 * tick acts once, whatever crashes.
 */

import type { Database, Queryable } from '../../store/database.ts';
import * as store from '../../store/paper-books.ts';
import { boardFrom, booksFrom, changeOf } from './books.ts';
import { applyEvent } from './matching.ts';
import type { PaperRules } from './paper-rules.ts';

/** Events of one commit: an outage's backlog is worked through in pieces that hold their locks for a moment only. */
export const BATCH = 5000;

/**
 * One step of the matcher. Events that concern no account cost one statement. Returns how many events it worked through; fewer than
 * `most` when none is left.
 */
export async function matchEvents(db: Database, provider: string, rules: PaperRules, most = BATCH): Promise<number> {
  const { worked, quiet } = await store.skipQuiet(db, provider, most);
  if (quiet) return worked;
  return db.transaction((tx, last) => matchBatch(tx, last, provider, rules, most), { relaxed: true });
}

async function matchBatch(
  tx: Queryable,
  last: Queryable,
  provider: string,
  rules: PaperRules,
  most: number,
): Promise<number> {
  const batch = await store.claimBatch(tx, provider, most);
  // Another matcher was faster; what it left is seen by the next step.
  if (batch === null) return 0;
  const books = booksFrom(batch, rules, batch.past);
  const board = boardFrom(batch.marks);
  for (const event of batch.events) applyEvent(event, board, books);
  const change = changeOf(books);
  if (change !== null) await store.writeBooks(tx, change);
  const marks = [...board].map(([symbol, mark]) => ({ symbol, ...mark }));
  await store.moveCursor(last, provider, batch, marks);
  return batch.worked;
}
