/** What the outbox was promised by a job. */

import type { Job } from 'bullmq';

/** The identity under which the outbox promised the job, whatever its payload looks like. */
export function identityOf(job: Job): string {
  return job.opts.deduplication?.id ?? job.id ?? '';
}
