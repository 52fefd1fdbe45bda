/** Cancelling a job, wherever it is. */

import { CodedError, messageOf } from '../errors.ts';
import type { QueuedJob, Stopped } from '../jobs/desk.ts';
import { contractOf, parsePayload } from '../jobs/registry.ts';
import { audit } from '../store/audit.ts';
import { buryJob } from '../store/dead-letters.ts';
import { promisesOf } from '../store/effects.ts';
import type { Control } from './control.ts';

/** How long a worker may take to let go of a running job. */
const STOP_WAIT_MS = 10_000;
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed']);

export type Cancelled = { readonly job: QueuedJob; readonly end: Stopped };

/**
 * Cancels the job with this id or identity. One that has not begun leaves its queue and is kept as a dead letter; one that runs is
 * aborted by its worker, which keeps the letter itself. Throws NOF0_JOB_UNKNOWN when no such job waits or runs.
 */
export async function cancelJob(control: Control, id: string, waitMs = STOP_WAIT_MS): Promise<Cancelled> {
  const { db, desk, who } = control;
  const job = await liveJob(control, id);
  const end = await stop(control, job, waitMs);
  // Of a job that nobody lets go of the mark stays: whoever takes it over ends it.
  if (end !== 'running') await desk.allow([job.id]);
  const before = { queue: job.queue, jobId: job.id, state: job.state };
  await audit(db, { who, what: 'cancel', target: job.identity, before, after: { end } });
  return { job, end };
}

async function liveJob({ db, desk }: Control, id: string): Promise<QueuedJob> {
  const found = await desk.find(id);
  const live = found.filter((job) => !ENDED.has(job.state));
  const [job, ...others] = live;
  if (job !== undefined && others.length === 0) {
    if (job.announced && (await promisesOf(db, job.identity)).length === 0)
      throw new CodedError(
        'NOF0_JOB_UNKNOWN',
        `"${id}" waits for its slot to fire; before that there is nothing to cancel`,
      );
    return job;
  }
  if (job !== undefined)
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `"${id}" is a job of several queues; say the identity of the one that is meant: ${live.map((each) => `${each.identity} (${each.queue})`).join(', ')}`,
    );
  const ended = found.map((each) => `the one in ${each.queue} has ${each.state}`).join(', ');
  const promised = (await promisesOf(db, id)).length > 0;
  throw new CodedError(
    'NOF0_JOB_UNKNOWN',
    `no job "${id}" waits or runs (searched ${desk.queueNames.join(', ')} by job id and by identity)${ended ? `; ${ended}` : ''}${promised ? '; it is promised and comes to its queue within seconds: try again' : ''}`,
  );
}

async function stop(control: Control, first: QueuedJob, waitMs: number): Promise<Stopped> {
  const { db, desk } = control;
  for (let job = first; ; ) {
    // What is asked for from now on is a wish of its own and is not cancelled with the job.
    const covered = contractOf(job.queue).runs === 'latest' ? await promisesOf(db, job.identity) : null;
    const end = await desk.stop(job, waitMs);
    if (end !== 'withdrawn') return end;
    await buryCancelled(control, job, covered);
    // The relay may have offered it to the queue once more before the promise was taken back.
    const again = (await desk.find(job.identity)).find(({ state }) => !ENDED.has(state));
    if (again === undefined || (await promisesOf(db, job.identity)).length > 0) return end;
    job = again;
  }
}

async function buryCancelled({ db, who }: Control, job: QueuedJob, covered: readonly number[] | null): Promise<void> {
  const letter = {
    job: job.queue,
    identity: job.identity,
    jobId: job.id,
    modelId: modelOf(job),
    payload: job.data,
    errorCode: 'NOF0_JOB_CANCELLED' as const,
    errorMessage: `${who} cancelled the job before it began`,
    attempts: job.attempts,
    stalls: job.stalls,
  };
  // Two people may cancel the same job: the second one looks for a letter when the first one has written it.
  const bury = db.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`cancel ${job.id}`]);
    await buryJob(tx, letter, covered);
  });
  await bury.catch((error: unknown) => {
    throw new CodedError(
      'NOF0_DATABASE_UNAVAILABLE',
      `the job is out of its queue but still promised, so it will come back; cancel it again: ${messageOf(error)}`,
      { cause: error },
    );
  });
}

/** Also a payload that no worker would take may be cancelled; it belongs to nobody then. */
function modelOf(job: QueuedJob): string | null {
  try {
    const contract = contractOf(job.queue);
    return contract.modelOf(parsePayload(contract, job.data));
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}
