/** Whether somebody cancelled a job before it came to a worker: one question to Redis for all jobs that arrive together. */

import type { Resources } from '../src/resources.ts';

type Question = { readonly key: string; answer(marked: boolean): void; fail(error: unknown): void };

export class CancelMarks {
  readonly #resources: Pick<Resources, 'queueRedis' | 'keys'>;
  #waiting: Question[] = [];

  constructor(resources: Pick<Resources, 'queueRedis' | 'keys'>) {
    this.#resources = resources;
  }

  /** Asks Redis itself, every time: a word on a channel may be lost, a mark is not. */
  has(jobId: string): Promise<boolean> {
    return new Promise((answer, fail) => {
      // Jobs that one read of the socket brought are all here when the round of I/O is over.
      if (this.#waiting.length === 0) setImmediate(() => this.#ask());
      this.#waiting.push({ key: this.#resources.keys.cancelMark(jobId), answer, fail });
    });
  }

  #ask(): void {
    const questions = this.#waiting;
    this.#waiting = [];
    this.#resources.queueRedis.mget(questions.map(({ key }) => key)).then(
      (marks) => {
        for (const [index, question] of questions.entries()) question.answer(typeof marks[index] === 'string');
      },
      (error: unknown) => {
        for (const question of questions) question.fail(error);
      },
    );
  }
}
