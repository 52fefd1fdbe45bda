/** Questions that come in the same round of I/O are asked together: under load many small ones become few large ones. */

import { assertNotAborted, outsideWork } from '../telemetry/work.ts';

type Open<Q, A> = { readonly question: Q; answer(answer: A): void; fail(error: unknown): void };

export class Questions<Q, A> {
  readonly #ask: (questions: readonly Q[]) => Promise<readonly A[]>;
  #open: Open<Q, A>[] = [];

  /** `ask`: answers in the order of the questions. */
  constructor(ask: (questions: readonly Q[]) => Promise<readonly A[]>) {
    this.#ask = ask;
  }

  /** Rejects with the reason where the work that asks has been told to stop: a question may also be a write. */
  ask(question: Q): Promise<A> {
    return new Promise((answer, fail) => {
      assertNotAborted();
      // What one read of the socket brought is all here when the round of I/O is over.
      if (this.#open.length === 0) setImmediate(() => void this.#askAll());
      this.#open.push({ question, answer, fail });
    });
  }

  async #askAll(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    try {
      // Nobody's work alone: an abort of the one who asked first must not fail the others.
      const answers = await outsideWork(() => this.#ask(open.map(({ question }) => question)));
      for (const [index, { answer }] of open.entries()) answer(answers[index] as A);
    } catch (error) {
      for (const { fail } of open) fail(error);
    }
  }
}
