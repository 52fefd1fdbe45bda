/**
 * Jobs that were handed to their queue before their slot has fired. The queue's own way from a promise to a running job is a good part of
 * a moment of a replay; announced, the job waits in its worker when the slot fires. An announcement promises nothing: one that is lost, or
 * whose slot never fires, costs nobody anything, and one that came early does nothing before it is promised.
 */

import type { Queryable } from './database.ts';
import { onePlan } from './one-plan.ts';
import { Questions } from './questions.ts';

/** `promised`: its slot has fired. `passed`: the market has gone on, and nothing is promised any more. `later`: nobody knows yet. */
export type Word = 'promised' | 'passed' | 'later';

/** How long a job waits without a word before the database is asked, and in a worker altogether: others may need its place. */
const LOOK_MS = 50;
const HELD_MS = 500;

/** A job that waits; it hears nothing any more once it has been told to stop. */
type Waiting = { readonly go: () => void; readonly stop: Stoppable };
type Stoppable = { readonly reason: string | null };

type Question = { readonly target: string; readonly slotMs: number };

export class Announced {
  readonly #looks: Questions<Question, Word>;
  readonly #waiting = new Map<string, Waiting>();
  /** Of the newest moment: a worker may take a job only after its slot has fired. */
  #fired: ReadonlySet<string> = new Set();

  constructor(db: Queryable) {
    this.#looks = new Questions((questions) => look(db, questions));
  }

  /** Says that these are promised now. Returns those that nobody waits for here: they have to reach their queue. */
  release<T extends { readonly target: string }>(fired: readonly T[]): T[] {
    this.#fired = new Set(fired.map(({ target }) => target));
    return fired.filter(({ target }) => {
      const waiting = this.#waiting.get(target);
      waiting?.go();
      return waiting === undefined || waiting.stop.reason !== null;
    });
  }

  /** What has become of the slot (market ms) of an announced job. */
  async wait(target: string, slotMs: number, stop: Stoppable): Promise<Word> {
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      if (await this.#hears(target, stop)) return 'promised';
      if (stop.reason !== null) return 'later';
      const word = await this.#looks.ask({ target, slotMs });
      if (word !== 'later' || waitedMs >= HELD_MS) return word;
    }
  }

  /** Whether it is said within a while that the job is promised. */
  #hears(target: string, stop: Stoppable): Promise<boolean> {
    if (this.#fired.has(target)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (heard: boolean) => {
        clearTimeout(timer);
        if (this.#waiting.get(target) === waiting) this.#waiting.delete(target);
        resolve(heard);
      };
      const waiting = { go: () => end(true), stop };
      const timer = setTimeout(() => end(false), LOOK_MS);
      this.#waiting.set(target, waiting);
    });
  }
}

/** The clock of a replay moves in the statement that promises the slots of a moment. */
async function look(db: Queryable, questions: readonly Question[]): Promise<Word[]> {
  const rows = await db.query<{ promised: string[]; nowMs: number | null; ended: boolean }>(
    `SELECT market_now_ms AS "nowMs", state = 'finished' AS ended, ARRAY(
       SELECT target FROM effects WHERE kind = 'enqueue' AND target = ANY(${onePlan('$1::text[]')})) AS promised FROM runs`,
    [questions.map(({ target }) => target)],
  );
  const { promised = [], nowMs = null, ended = false } = rows[0] ?? {};
  return questions.map(({ target, slotMs }) => {
    if (promised.includes(target)) return 'promised';
    return ended || (nowMs ?? 0) > slotMs ? 'passed' : 'later';
  });
}
