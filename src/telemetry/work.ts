/**
 * The piece of work that the running code belongs to, however deep. The word to stop reaches the database layer by itself, so that work
 * that was aborted writes nothing more even where a story forgets to ask.
 */

import { AsyncLocalStorage } from 'node:async_hooks';

export type Work = {
  readonly job: string;
  /** Why the work must stop; null while it may go on. */
  readonly stop: { readonly reason: string | null };
};

const storage = new AsyncLocalStorage<Work | null>();

/** Runs `run` as this piece of work. */
export function withinWork<T>(work: Work, run: () => Promise<T>): Promise<T> {
  return storage.run(work, run);
}

/** Runs `run` as nobody's work: for what must still be done after an abort, such as giving a lease back. */
export function outsideWork<T>(run: () => Promise<T>): Promise<T> {
  return storage.run(null, run);
}

/** Throws the reason when the current work has been told to stop. */
export function assertNotAborted(): void {
  const reason = storage.getStore()?.stop.reason ?? null;
  if (reason !== null) throw reason;
}

/** Name of the job that the running code belongs to. */
export function currentWork(): string | undefined {
  return storage.getStore()?.job;
}

const NEVER = { reason: null };

/** Runs `run` as the same job, but to its end: what follows from a commit that was made is no longer the job's to abort. */
export function beyondAbort<T>(run: () => Promise<T>): Promise<T> {
  const job = currentWork();
  return job === undefined ? run() : storage.run({ job, stop: NEVER }, run);
}
