/** What people do to a run while it is running: its queues and its failed jobs. Each action leaves a row in the audit log. */

import { closest } from '../domain/closest.ts';
import { CodedError } from '../errors.ts';
import type { JobDesk } from '../jobs/desk.ts';
import { audit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { type DeadLetterFilter, listDeadLetters, redrivenAmong, redriveWithin } from '../store/dead-letters.ts';
import type { EffectRow } from '../store/effects.ts';
import { modelIds } from '../store/models.ts';

/** What a control action works with, and who it is. */
export type Control = {
  readonly db: Database;
  /** Applies effects of a commit that this process made. Never throws. */
  readonly drain: (effects: readonly EffectRow[]) => Promise<void>;
  readonly desk: JobDesk;
  /** Goes into the audit log, such as `carol@arena-1`. */
  readonly who: string;
};

/** What pausing and resuming work on: one of the two is empty. */
export type Targets = { readonly queues: readonly string[]; readonly models: readonly string[] };

/** Words that mean more than one. `queue:NAME` and `model:ID` say which of two that share a name is meant. */
const ALL_QUEUES = 'queues';
const ALL_MODELS = 'all';

/** The models that a word means: one, or all of them. Throws NOF0_MODEL_UNKNOWN. */
export async function findModels({ db }: Pick<Control, 'db'>, word: string): Promise<string[]> {
  const models = await modelIds(db);
  if (word === ALL_MODELS) return models;
  const found = models.filter((id) => word === id || word === `model:${id}`);
  if (found.length > 0) return found;
  const guess = closest(word, [ALL_MODELS, ...models]);
  throw new CodedError(
    'NOF0_MODEL_UNKNOWN',
    `there is no model "${word}"; expected ${models.join(', ') || 'none yet'} or "${ALL_MODELS}"${guess ? `; did you mean ${guess}?` : ''}`,
  );
}

/** The queues or models that a word means. Throws NOF0_INPUT_INVALID for a word that means nothing, or two things. */
export async function findTargets({ db, desk }: Pick<Control, 'db' | 'desk'>, word: string): Promise<Targets> {
  const models = await modelIds(db);
  const queues = desk.queueNames;
  if (word === ALL_QUEUES) return { queues, models: [] };
  if (word === ALL_MODELS) return { queues: [], models };
  const asQueue = queues.filter((name) => word === name || word === `queue:${name}`);
  const asModel = models.filter((id) => word === id || word === `model:${id}`);
  if (asQueue.length > 0 && asModel.length > 0)
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `"${word}" is a queue and a model: say queue:${asQueue[0]} or model:${asModel[0]}`,
    );
  if (asQueue.length + asModel.length > 0) return { queues: asQueue, models: asModel };
  const guess = closest(word, [ALL_QUEUES, ALL_MODELS, ...queues, ...models]);
  throw new CodedError(
    'NOF0_INPUT_INVALID',
    `there is no "${word}" to pause or resume; expected a model (${models.join(', ') || 'none yet'}), "${ALL_MODELS}" (every model), a queue (${queues.join(', ')}) or "${ALL_QUEUES}" (every queue)${guess ? `; did you mean ${guess}?` : ''}`,
  );
}

/** One thing that was paused or resumed, or that was left as it was. */
export type Switched = { readonly target: string; readonly changed: boolean; readonly state: string };

/** Workers take no more jobs of these queues, wherever they run and whenever they start. Running jobs finish. */
export const pauseQueues = (control: Control, names: readonly string[]) => switchQueues(control, names, true);
export const resumeQueues = (control: Control, names: readonly string[]) => switchQueues(control, names, false);

async function switchQueues(control: Control, names: readonly string[], paused: boolean): Promise<Switched[]> {
  const switched: Switched[] = [];
  for (const name of names) {
    const before = await control.desk.setPaused(name, paused);
    const target = `queue:${name}`;
    await audit(control.db, {
      who: control.who,
      what: paused ? 'pause' : 'resume',
      target,
      before: { paused: before },
      after: { paused },
    });
    switched.push({ target, changed: before !== paused, state: paused ? 'paused' : 'running' });
  }
  return switched;
}

/** Letters beyond it wait for the next call. */
const REDRIVE_LIMIT = 10_000;
/** Letters that are promised again in one transaction: few enough to be in the queue before the relay looks at them. */
const REDRIVE_BATCH = 500;

export type Redriven = {
  readonly ids: readonly number[];
  /** Ids that were asked for and are not redriven by this call. */
  readonly unknown: readonly number[];
  readonly already: readonly number[];
};

/** Runs failed jobs again. A letter is redriven once, however many do so at the same time. */
export async function redriveLetters(control: Control, filter: Omit<DeadLetterFilter, 'limit'>): Promise<Redriven> {
  const { db, desk, who } = control;
  const letters = await listDeadLetters(db, { ...filter, limit: REDRIVE_LIMIT });
  const ids: number[] = [];
  for (let from = 0; from < letters.length; from += REDRIVE_BATCH) {
    const batch = letters.slice(from, from + REDRIVE_BATCH);
    // A job that was cancelled a moment ago may still be marked.
    await desk.allow(batch.map((letter) => letter.jobId));
    const redriven = await db.transaction(async (tx) => {
      const { letters: mine, effects } = await redriveWithin(tx, batch);
      const done = mine.map((letter) => letter.id);
      if (done.length > 0) await audit(tx, { who, what: 'redrive', target: 'dead letters', after: { ids: done } });
      return { done, effects };
    });
    await control.drain(redriven.effects);
    ids.push(...redriven.done);
  }
  const missing = (filter.ids ?? []).filter((id) => !ids.includes(id));
  const already = await redrivenAmong(db, missing);
  return { ids: ids.sort((a, b) => a - b), already, unknown: missing.filter((id) => !already.includes(id)) };
}
