/**
 * The places where a crash would leave something half done: before and after every commit, external call, Redis write and
 * acknowledgement. The code names them as it passes; nobody listens, except a test that kills the process there.
 */

import { currentWork } from './work.ts';

export type Boundary = {
  /** Job whose work passes, or `-` outside of jobs. */
  readonly job: string;
  /** What is about to happen or has happened, for instance `commit +decision_cycles`. */
  readonly what: string;
  readonly side: 'before' | 'after';
};

let observer: ((boundary: Boundary) => void) | null = null;

/** Lets a test see every boundary as it is passed. Returns how to stop. */
export function observeBoundaries(see: (boundary: Boundary) => void): () => void {
  observer = see;
  return () => {
    observer = null;
  };
}

/** Passes a boundary. Costs a comparison when nobody listens. */
export function pass(what: string, side: Boundary['side']): void {
  observer?.({ job: currentWork() ?? '-', what, side });
}

/** Does something whose beginning and end are boundaries. */
export function crossing<T>(what: string, work: () => Promise<T>): Promise<T> {
  return observer === null ? work() : observed(what, work);
}

async function observed<T>(what: string, work: () => Promise<T>): Promise<T> {
  pass(what, 'before');
  const result = await work();
  pass(what, 'after');
  return result;
}

/** Statements that write; `FOR UPDATE` and `DO UPDATE SET` only look like it. Functions of the schema that write are named themselves. */
const WRITES =
  /\b(INSERT INTO|DELETE FROM|(?<!FOR |KEY |DO )UPDATE)\s+([a-z_]+)|\b(refresh_views_nof0|ensure_tick_partitions|paper_match)\b/gi;
const SIGNS: Readonly<Record<string, string>> = { 'INSERT INTO': '+', 'DELETE FROM': '-', UPDATE: '~' };
const written = new Map<string, readonly string[]>();

/** What a statement writes: `+table` inserts, `~table` updates, `-table` deletes. Empty for one that only reads. */
export function writesOf(sql: string): readonly string[] {
  let writes = written.get(sql);
  if (writes === undefined) {
    const found = [...sql.matchAll(WRITES)].map(([, verb, table, called]) =>
      called === undefined ? `${SIGNS[verb?.toUpperCase() ?? '']}${table}` : called.toLowerCase(),
    );
    writes = [...new Set(found)];
    written.set(sql, writes);
  }
  return writes;
}

/** Name of a commit by what it writes. */
export function commitName(writes: Iterable<string>): string {
  return `commit ${[...writes].join(' ')}`;
}
