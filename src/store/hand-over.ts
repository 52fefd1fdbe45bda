/**
 * Where a moment of a replay hands over to the next one: what the scheduler of this process wants fired goes into the statement that
 * settles the last promised job, so that nobody has to be told and to ask again in between.
 */

import type { Database } from './database.ts';
import { type Covered, type EffectRow, settleEffects } from './effects.ts';
import { type NextMoment, settleAndFire } from './schedules.ts';

type Wanted = {
  readonly next: NextMoment | null;
  readonly answer: (fired: EffectRow[] | null) => void;
  /** A statement with it is under way: it answers, whatever happens meanwhile. */
  asked: boolean;
};

export class HandOver {
  readonly #db: Database;
  #wanted: Wanted | null = null;
  #working = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Resolves when this process has settled the last of the promised jobs, with what was fired by that: the caller drains it. Nothing is
   * fired where the cursors are others by then. Null when it was withdrawn or nobody knows: another process may settle the last job and
   * a statement may fail, so ask the database too, now and then.
   */
  want(next: NextMoment | null): Promise<EffectRow[] | null> {
    this.withdraw();
    return new Promise((answer) => {
      this.#wanted = { next, answer, asked: false };
    });
  }

  /** From now on nothing is fired, unless it is happening already. */
  withdraw(): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted?.asked === false) wanted.answer(null);
  }

  /** Runs a promised job: whatever ends meanwhile is not the last, and need not ask whether it is. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#working += 1;
    try {
      return await work();
    } finally {
      this.#working -= 1;
    }
  }

  /** Settles what was done, one batch at a time. */
  async settle(covered: readonly Covered[]): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === null || this.#working > 0) return settleEffects(this.#db, covered);
    wanted.asked = true;
    try {
      const { busy, fired } = await settleAndFire(this.#db, covered, wanted.next);
      wanted.asked = false;
      if (busy && this.#wanted === wanted) return;
      this.#answer(wanted, busy ? null : fired);
    } catch (error) {
      this.#answer(wanted, null);
      throw error;
    }
  }

  #answer(wanted: Wanted, fired: EffectRow[] | null): void {
    if (this.#wanted === wanted) this.#wanted = null;
    wanted.answer(fired);
  }
}
