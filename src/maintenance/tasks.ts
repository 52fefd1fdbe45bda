/** What the platform does for itself. Every task may run at any time, in any process, and twice. */

import { archiveDue } from '../archive/archive.ts';
import { done, type Outcome, type Stories, skipped } from '../engine/context.ts';
import { fillGaps } from '../engine/fill-gaps.ts';
import { guardPositions } from '../engine/guard-positions.ts';
import type { MaintenanceTask } from '../jobs/maintenance.ts';
import { rebuildKeys } from '../projections/rebuild.ts';
import type { Resources } from '../resources.ts';
import { refreshViews } from '../store/analytics.ts';
import { pruneRuns } from '../store/job-runs.ts';
import { makePartitions } from '../store/tick-partitions.ts';
import { checkAlerts } from './check-alerts.ts';
import { checkConsistency } from './check-consistency.ts';

/** The archive task begins no other day after it; the next run goes on. */
const ARCHIVE_MS = 120_000;

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

  'check-consistency': checkConsistency,

  async 'warm-cache'({ publisher, prices }, signal) {
    const rebuilt = await rebuildKeys(publisher, prices, { signal });
    return done({ keys: rebuilt.reduce((sum, { written }) => sum + written, 0) });
  },

  'guard-positions': (_, signal, stories, asOfMs) => guardPositions(stories, asOfMs, signal),
  async 'make-partitions'({ db, config }, _signal, stories, asOfMs) {
    const nowMs = stories.clock.now(asOfMs);
    return done({ made: await makePartitions(db, nowMs, nowMs + config.arena.retention.partitionsAhead) });
  },
  async archive({ db, archiveDir, config, logger, metrics }, signal, stories, asOfMs) {
    if (archiveDir === null) return skipped('this process has no folder for archives');
    const needs = { db, dir: archiveDir, retention: config.arena.retention, logger, metrics };
    return done(await archiveDue(needs, stories.clock.now(asOfMs), signal, ARCHIVE_MS));
  },
  'fill-gaps': (_, signal, stories, asOfMs) => fillGaps(stories, asOfMs, signal),
  /** The views are for people and their tools; nothing of ours reads them, so no trade waits for a refresh. */
  async 'refresh-views'({ db, metrics }) {
    const end = metrics.viewRefresh.startTimer();
    await refreshViews(db);
    end();
    return done();
  },

  'check-alerts': async (resources, _signal, stories) => done(await checkAlerts(resources, stories)),
};
