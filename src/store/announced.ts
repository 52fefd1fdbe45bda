/**
 * Jobs that were handed to their queue before their slot has fired. The queue's own way from a promise to a running job is a good part of
 * a moment of a replay; announced, the job waits in its worker when the slot fires. An announcement promises nothing: one that is lost, or
 * whose slot never fires, costs nobody more than a few seconds, and one that came early does nothing before it is promised.
 */

import type { Queryable } from './database.ts';
import { onePlan } from './one-plan.ts';
import { Questions } from './questions.ts';

/**
 * What has become of the slot of an announced job. `promised`: it has fired, and these are its promises. `passed`: the market has gone on, and
 * nothing is promised any more. `later`: nobody knows yet.
 */
export type Word =
  | { readonly kind: 'promised'; readonly ids: readonly number[] }
  | { readonly kind: 'passed' | 'later' };

/** How long a job waits without a word before the database is asked, and in a worker altogether: others may need its place. */
const LOOK_MS = 50;
const HELD_MS = 500;
/** How long a word is good for a job that comes after it: a crash of the database may have taken it back since. */
const WORD_MS = 200;

/** A job that waits; it hears nothing any more once it has been told to stop. */
type Waiting = { readonly go: (id: number) => void; readonly stop: Stoppable };
type Stoppable = { readonly reason: string | null };

type Question = { readonly target: string; readonly slotMs: number };

export class Announced {
  readonly #looks: Questions<Question, Word>;
  readonly #waiting = new Map<string, Waiting>();
  /** The promises of the newest moment whose jobs have not heard of it: a worker may take a job only after its slot has fired. */
  readonly #fired = new Map<string, number>();
  #firedAt = 0;
  /** Targets of the newest announcement, until their slot fires. */
  #queued: ReadonlySet<string> = new Set();

  constructor(db: Queryable) {
    this.#looks = new Questions((questions) => look(db, questions));
  }

  /** Says that these are in their queues: their workers need not have taken them when their slot fires. */
  queued(targets: readonly string[]): void {
    this.#queued = new Set(targets);
  }

  /** Says that these are promised now. Returns those that were not announced and that nobody waits for here: they have to reach their queue. */
  release<T extends { readonly id: number; readonly target: string }>(fired: readonly T[]): T[] {
    this.#fired.clear();
    this.#firedAt = Date.now();
    const missing = fired.filter(({ id, target }) => {
      const waiting = this.#waiting.get(target);
      if (waiting === undefined) this.#fired.set(target, id);
      else waiting.go(id);
      return !this.#queued.has(target) && (waiting === undefined || waiting.stop.reason !== null);
    });
    this.#queued = new Set();
    return missing;
  }

  /** What has become of the slot (market ms) of an announced job. */
  async wait(target: string, slotMs: number, stop: Stoppable): Promise<Word> {
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const id = await this.#hears(target, stop);
      if (id !== null) return { kind: 'promised', ids: [id] };
      if (stop.reason !== null) return { kind: 'later' };
      const word = await this.#looks.ask({ target, slotMs });
      if (word.kind !== 'later' || waitedMs >= HELD_MS) return word;
    }
  }

  /** The job's promise, if it is said within a while that there is one. */
  #hears(target: string, stop: Stoppable): Promise<number | null> {
    const known = this.#fired.get(target);
    // Once: a job that comes back may have seen the database crash.
    this.#fired.delete(target);
    if (known !== undefined && Date.now() - this.#firedAt <= WORD_MS) return Promise.resolve(known);
    return new Promise((resolve) => {
      const end = (id: number | null) => {
        clearTimeout(timer);
        if (this.#waiting.get(target) === waiting) this.#waiting.delete(target);
        resolve(id);
      };
      const waiting = { go: end, stop };
      const timer = setTimeout(() => end(null), LOOK_MS);
      this.#waiting.set(target, waiting);
    });
  }
}

/** The clock of a replay moves in the statement that promises the slots of a moment. */
async function look(db: Queryable, questions: readonly Question[]): Promise<Word[]> {
  const rows = await db.query<{ nowMs: number | null; ended: boolean; id: number | null; target: string | null }>(
    `SELECT r.market_now_ms AS "nowMs", r.state = 'finished' AS ended, e.id, e.target
     FROM runs r LEFT JOIN effects e ON e.kind = 'enqueue' AND e.target = ANY(${onePlan('$1::text[]')})`,
    [questions.map(({ target }) => target)],
  );
  const { nowMs = null, ended = false } = rows[0] ?? {};
  return questions.map(({ target, slotMs }) => {
    const ids = rows.flatMap((row) => (row.target === target ? (row.id ?? []) : []));
    if (ids.length > 0) return { kind: 'promised', ids };
    return { kind: ended || (nowMs ?? 0) > slotMs ? 'passed' : 'later' };
  });
}
