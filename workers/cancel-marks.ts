/** Whether somebody cancelled a job before it came to a worker: one question to Redis for all jobs that begin at the same time. */

import type { Resources } from '../src/resources.ts';
import { Batcher } from '../src/store/batcher.ts';

type Question = { readonly key: string; marked: boolean };

export class CancelMarks {
  readonly #resources: Pick<Resources, 'queueRedis' | 'keys'>;
  readonly #questions: Batcher<Question>;

  constructor(resources: Pick<Resources, 'queueRedis' | 'keys'>) {
    this.#resources = resources;
    this.#questions = new Batcher(async (questions) => {
      const marks = await resources.queueRedis.mget(questions.map(({ key }) => key));
      for (const [index, question] of questions.entries()) question.marked = typeof marks[index] === 'string';
    });
  }

  /** Asks Redis itself, every time: a word on a channel may be lost, a mark is not. */
  async has(jobId: string): Promise<boolean> {
    const question = { key: this.#resources.keys.cancelMark(jobId), marked: false };
    await this.#questions.add([question]);
    return question.marked;
  }
}
