/** What the platform does for itself. Every task may run at any time, in any process, and twice. */

import { raiseAlert } from '../engine/alerts.ts';
import { done, type Outcome, type Stories } from '../engine/context.ts';
import { guardPositions } from '../engine/guard-positions.ts';
import type { MaintenanceTask } from '../jobs/maintenance.ts';
import { repairKeys } from '../projections/check.ts';
import type { Resources } from '../resources.ts';
import { refreshViews } from '../store/analytics.ts';
import { pruneRuns } from '../store/job-runs.ts';
import { checkAlerts } from './check-alerts.ts';

/** Keys refreshed at a time when all of them are. */
const WARM_CHUNK = 200;

type Task = (resources: Resources, signal: AbortSignal, stories: Stories, asOfMs: number) => Promise<Outcome>;

export const TASKS: Readonly<Record<MaintenanceTask, Task>> = {
  /** Drains what nobody holds, until nothing is left. The relays of the processes do the same, a round a second. */
  async 'relay-effects'({ outbox }, signal) {
    let taken = 0;
    for (let found = await outbox.relay(); found > 0; found = await outbox.relay()) {
      taken += found;
      signal.throwIfAborted();
    }
    return done({ taken });
  },

  async 'prune-runs'({ db, config }, signal) {
    let pruned = 0;
    for (
      let gone = await pruneRuns(db, config.arena.retention.jobRuns);
      gone > 0;
      gone = await pruneRuns(db, config.arena.retention.jobRuns)
    ) {
      pruned += gone;
      signal.throwIfAborted();
    }
    return done({ pruned });
  },

  async 'check-consistency'({ publisher, metrics, logger }, _signal, stories) {
    const { compared, differences } = await repairKeys(publisher);
    for (const { family, text } of differences) {
      metrics.inconsistencies.inc({ family });
      logger.warn({ family, difference: text }, 'a key did not say what Postgres says; it was refreshed');
    }
    const findings = [...new Set(differences.map(({ family }) => family))].map((family) => {
      const [first, ...more] = differences.filter((one) => one.family === family);
      const others = more.length > 0 ? `, and ${more.length} more` : '';
      return { subject: family, summary: `${first?.text}${others}; refreshed` };
    });
    await raiseAlert(stories, 'inconsistency', findings);
    return done({ compared, repaired: differences.length });
  },

  async 'warm-cache'({ publisher, prices }, signal) {
    const targets = await publisher.allTargets();
    for (let first = 0; first < targets.length; first += WARM_CHUNK) {
      signal.throwIfAborted();
      await publisher.refresh(targets.slice(first, first + WARM_CHUNK));
    }
    return done({ keys: targets.length + (await prices.refresh()) });
  },

  'guard-positions': (_, signal, stories, asOfMs) => guardPositions(stories, asOfMs, signal),
  /** The views are for people and their tools; nothing of ours reads them, so no trade waits for a refresh. */
  async 'refresh-views'({ db, metrics }) {
    const end = metrics.viewRefresh.startTimer();
    await refreshViews(db);
    end();
    return done();
  },

  'check-alerts': async (resources, _signal, stories) => done(await checkAlerts(resources, stories)),
};
