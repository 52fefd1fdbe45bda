/** What the tests of control actions share: an operator, and worker processes that hear him. */

import type { Control } from '../../src/engine/control.ts';
import type { JobName } from '../../src/jobs/registry.ts';
import { hearControl } from '../../src/redis/control-channel.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { type Handler, startWorker } from '../../workers/define-worker.ts';
import type { TestRun } from '../harness.ts';

export const WHO = 'carol@desk';

export function controlOf({ db, outbox, queues, keys }: Resources): Control {
  return { db, drain: (effects) => outbox.drain(effects), desk: queues.desk(keys), who: WHO };
}

/** Connections of their own, as another process has. */
export function openProcess(run: TestRun, role: string): Promise<Resources> {
  const { config, servers, prefix, resources } = run;
  return openResources({ config, servers, prefix, role, logger: resources.logger });
}

export type Handlers = { readonly [Name in JobName]?: Handler<Name> };
export type WorkerProcess = { readonly resources: Resources; close(): Promise<void> };

/** A process with a worker for each handler. `deaf`: no word of control reaches it. */
export async function startProcess(
  run: TestRun,
  handlers: Handlers,
  options: { deaf?: boolean } = {},
): Promise<WorkerProcess> {
  const resources = await openProcess(run, 'worker');
  const workers = (Object.keys(handlers) as JobName[]).map((name) =>
    startWorker(resources, name, handlers[name] as Handler<typeof name>, 1),
  );
  const ear = await hearControl(
    resources.queueRedisUrl,
    resources.keys,
    ({ cancel }) => {
      if (!options.deaf) for (const worker of workers) worker.cancel(cancel);
    },
    () => {},
  );
  await Promise.all(workers.map((worker) => worker.bull.waitUntilReady()));
  return {
    resources,
    async close() {
      await Promise.all(workers.map((worker) => worker.close(0)));
      ear.close();
      await resources.close();
    },
  };
}

export function queueOf({ queues }: Resources, name: JobName) {
  const queue = queues.all().find((candidate) => candidate.name === name);
  if (queue === undefined) throw new Error(`no queue ${name}`);
  return queue;
}

export type AuditRow = {
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
};

/** What was written down since the last look, oldest first. */
export function auditRows({ db }: Pick<Resources, 'db'>): Promise<AuditRow[]> {
  return db.query<AuditRow>(
    'WITH taken AS (DELETE FROM audit_log RETURNING *) SELECT who, what, target, before, after FROM taken ORDER BY id',
  );
}
