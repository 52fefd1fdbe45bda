/** A process says that it lives, so that it can be missed; and it sees to it that somebody looks for what is wrong. */

import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { slotLags } from '../src/engine/slots.ts';
import { messageOf } from '../src/errors.ts';
import { enqueueEffect } from '../src/jobs/registry.ts';
import type { Resources } from '../src/resources.ts';
import { addEffects } from '../src/store/effects.ts';
import { forgetProcess, notePresence } from '../src/store/processes.ts';
import { isReplay } from '../src/store/runs.ts';

const BEAT_MS = 15_000;
const FIRST_BEAT_MS = 1000;
const CHECK = 'maintenance:check-alerts';
/** Then no scheduler is there to ask for the check, and that is one of the things to be told. */
const CHECK_OVERDUE_MS = 150_000;

/** Starts saying it. `stop` says good-bye. A replay is watched by whoever started it. */
export function startPresence(resources: Resources): { stop(): Promise<void> } {
  const { db, worker, logger, metrics, run } = resources;
  if (isReplay(run)) return { stop: () => Promise.resolve() };
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> = Promise.resolve();
  let stopped = false;
  const next = (ms: number) => {
    timer = setTimeout(() => {
      beating = beat(resources)
        .catch((error: unknown) => {
          metrics.swallowed.inc({ reason: 'presence' });
          logger.debug({ error: messageOf(error) }, 'presence could not be noted');
        })
        .then(() => {
          if (!stopped) next(BEAT_MS);
        });
    }, ms);
  };
  next(FIRST_BEAT_MS);
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await beating;
      await forgetProcess(db, worker).catch(() => metrics.swallowed.inc({ reason: 'presence' }));
    },
  };
}

async function beat(resources: Resources): Promise<void> {
  const { db, config, worker, outbox } = resources;
  const presence = {
    name: worker,
    role: worker.split('@')[0] ?? '',
    host: hostname(),
    diskFree: await diskFree(config.dataDir),
  };
  const check = await notePresence(db, presence, CHECK);
  const [lag] = check === null ? [] : slotLags([check.schedule], check.nowMs);
  if (check === null || lag === undefined || lag.lagMs < CHECK_OVERDUE_MS) return;
  const effect = enqueueEffect('maintenance', { task: 'check-alerts', asOfMs: check.nowMs });
  await outbox.drain(await db.transaction((tx) => addEffects(tx, [effect])));
}

/** Free share of the disk of a folder; null where it cannot be told. */
async function diskFree(folder: string): Promise<number | null> {
  try {
    const { bavail, blocks } = await statfs(folder);
    return blocks > 0 ? bavail / blocks : null;
  } catch {
    // With servers elsewhere there may be no such folder here.
    return null;
  }
}
