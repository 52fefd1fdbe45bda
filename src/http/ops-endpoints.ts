/** What operators may ask for: one line of this table each. Routes, the published description and the table of the docs are made of it. */

import type { z } from 'zod';
import type { Resources } from '../resources.ts';
import { recentAudit } from '../store/audit.ts';
import { listDeadLetters } from '../store/dead-letters.ts';
import { listRuns } from '../store/run-history.ts';
import { auditQuery, lettersQuery, runsQuery } from './ops-queries.ts';
import * as answers from './ops-schemas.ts';
import { noQuery } from './query.ts';
import { readOverview } from './read-ops.ts';

export type OpsEndpoint = {
  /** Under `/api/ops`. */
  readonly path: string;
  readonly about: string;
  readonly query: z.ZodObject;
  /** Of the answer as it is sent; beside it stands the caller. */
  readonly answer: z.ZodObject;
  read(resources: Resources, query: unknown): Promise<object>;
};

type Spec<Q extends z.ZodObject> = Omit<OpsEndpoint, 'query' | 'read'> & {
  readonly query: Q;
  read(resources: Resources, query: z.output<Q>): Promise<object>;
};

function endpoint<Q extends z.ZodObject>(spec: Spec<Q>): OpsEndpoint {
  return { ...spec, read: (resources, query) => spec.read(resources, query as z.output<Q>) };
}

export const OPS_ENDPOINTS: readonly OpsEndpoint[] = [
  endpoint({
    path: '/overview',
    about: 'servers, slots, queues, effects, failed jobs, alerts, processes, traders',
    query: noQuery,
    answer: answers.overview,
    read: (resources) => readOverview(resources),
  }),
  endpoint({
    path: '/failed',
    about: 'jobs that failed for good and that nobody has redriven, newest first',
    query: lettersQuery,
    answer: answers.failed,
    read: async ({ db }, { model, ...filter }) => ({
      failed: await listDeadLetters(db, { ...filter, modelId: model }),
    }),
  }),
  endpoint({
    path: '/runs',
    about: 'runs of jobs that have ended, newest first',
    query: runsQuery,
    answer: answers.runs,
    read: async ({ db }, { model, ...filter }) => ({ runs: await listRuns(db, { ...filter, modelId: model }) }),
  }),
  endpoint({
    path: '/audit',
    about: 'what people did, newest first',
    query: auditQuery,
    answer: answers.audit,
    read: async ({ db }, { limit }) => ({ audit: await recentAudit(db, limit) }),
  }),
];
