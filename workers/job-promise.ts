/** What the outbox was promised by a job. */

import type { Job } from 'bullmq';

/** The outbox rows that a run answers for: those of its target up to an id. */
export type JobPromise = { readonly target: string; upto: number };

/** The identity under which the outbox promised the job, whatever its payload looks like. */
export function identityOf(job: Job): string {
  return job.opts.deduplication?.id ?? job.id ?? '';
}
