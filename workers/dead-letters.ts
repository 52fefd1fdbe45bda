/** The end of jobs that failed for good. */

import type { Job } from 'bullmq';
import { CodedError, messageOf } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { contractOf, parsePayload } from '../src/jobs/registry.ts';
import type { Resources } from '../src/resources.ts';
import { buryJob } from '../src/store/dead-letters.ts';
import type { Covered } from '../src/store/effects.ts';
import { identityOf } from './job-promise.ts';

/**
 * Keeps the job and its error in Postgres and acknowledges its effects. Without Postgres nothing is written, the effects stay, and the
 * relay brings the job back when there is a database again.
 */
export async function buryFailed(
  resources: Resources,
  contract: JobContract,
  job: Job,
  end: { promise: Covered; payload: { v: number } | null; error: CodedError; attempts: number },
): Promise<void> {
  const { promise, payload, error, attempts } = end;
  const letter = {
    job: contract.name,
    identity: promise.target,
    jobId: job.id ?? '',
    modelId: payload === null ? null : contract.modelOf(payload),
    payload: payload ?? job.data,
    errorCode: error.code,
    errorMessage: error.message,
    attempts,
    stalls: job.stalledCounter,
  };
  await buryJob(resources.db, letter, promise.ids).catch((cause: unknown) => {
    resources.metrics.swallowed.inc({ reason: 'bury_failed_job' });
    resources.logger.warn(
      { job: contract.name, jobId: job.id, error: messageOf(cause) },
      'a failed job could not be kept yet',
    );
  });
}

/** A job that BullMQ gave up: its processes died more often than anybody else's fault could explain. */
export async function buryPoison(resources: Resources, job: Job): Promise<void> {
  const contract = contractOf(job.queueName);
  const error = new CodedError('NOF0_JOB_POISON', `the process of this job died ${job.stalledCounter} times`);
  await buryFailed(resources, contract, job, {
    promise: { target: identityOf(job), ids: null },
    payload: parsePayload(contract, job.data),
    error,
    attempts: job.attemptsMade,
  });
  resources.logger.error(
    { job: contract.name, jobId: job.id, stalls: job.stalledCounter },
    'a job killed its process too often',
  );
}
