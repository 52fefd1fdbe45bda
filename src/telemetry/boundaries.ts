/**
 * The places where a crash would leave something half done: before and after every commit, external call, Redis write and
 * acknowledgement. The code names them as it passes; nobody listens, except a test that kills the process there.
 */

import { currentWork } from './work.ts';

export type Boundary = {
  /** Job whose work passes, or `-` outside of jobs. */
  readonly job: string;
  /** What is about to happen or has happened, for instance `commit decision_cycles`. */
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
export async function crossing<T>(what: string, work: () => Promise<T>): Promise<T> {
  if (observer === null) return work();
  pass(what, 'before');
  const result = await work();
  pass(what, 'after');
  return result;
}

const WRITTEN = /\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)|\badd_effects\b/gi;
const written = new Map<string, string>();

/** `commit <tables>` for a statement that writes; null for one that only reads. */
export function commitName(sql: string): string | null {
  let name = written.get(sql);
  if (name === undefined) {
    const tables = [...sql.matchAll(WRITTEN)]
      .map((match) => match[1] ?? 'effects')
      .filter((table) => table.toLowerCase() !== 'set');
    name = tables.length === 0 ? '' : `commit ${[...new Set(tables)].join(' ')}`;
    written.set(sql, name);
  }
  return name === '' ? null : name;
}
