/** What operators look at: slots, queues, effects, traders, failed jobs, history. Each part stands alone: one may be away. */

import { type SlotLag, slotLags } from '../engine/slots.ts';
import { messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { listAlerts } from '../store/alerts.ts';
import { openLetters } from '../store/dead-letters.ts';
import { pendingEffects, stuckEffects } from '../store/effects.ts';
import { modelIds } from '../store/models.ts';
import { listProcesses } from '../store/processes.ts';
import { isReplay } from '../store/runs.ts';
import { listSchedules } from '../store/schedules.ts';
import { traderStates } from '../store/trader-state.ts';
import { checkServers } from './check-servers.ts';
import { inTime } from './in-time.ts';

/** Rows of the outbox that are shown with what went wrong. */
const STUCK_SHOWN = 20;
/** Alerts that have ended are shown so long. */
const RECENT_MS = 3_600_000;

type Part = (resources: Resources) => Promise<unknown>;

const PARTS: Readonly<Record<string, Part>> = {
  servers: checkServers,
  slots: ({ db, run }) => slots(db, run),
  queues: async ({ queues }) => {
    const [depths, waits] = await Promise.all([queues.depths(), queues.longestWaits(Date.now())]);
    const waitOf = new Map(waits.map(({ queue, ms }) => [queue, ms]));
    return depths.map((depth) => ({ ...depth, longestWaitMs: waitOf.get(depth.queue) ?? 0 }));
  },
  effects: async ({ db }) => ({ pending: await pendingEffects(db), stuck: await stuckEffects(db, STUCK_SHOWN) }),
  failed: ({ db }) => openLetters(db),
  alerts: ({ db }) => listAlerts(db, RECENT_MS),
  processes: ({ db }) => listProcesses(db),
  traders: async ({ db }) => {
    const rows = await traderStates(db, await modelIds(db));
    return rows.sort((a, b) => a.traderId.localeCompare(b.traderId));
  },
};

async function slots(db: Resources['db'], run: Resources['run']): Promise<readonly SlotLag[]> {
  const schedules = await listSchedules(db);
  // A replay's clock moves from slot to slot: it is where its furthest cursor is, and behind nothing.
  const nowMs = isReplay(run) ? Math.max(0, ...schedules.map((one) => one.lastSlotMs)) : await db.nowMs();
  return slotLags(schedules, nowMs);
}

/** The state of the run. A part whose source does not answer is null, and `missing` says why. */
export async function readOverview(resources: Resources): Promise<Record<string, unknown>> {
  const missing: Record<string, string> = {};
  const parts = await Promise.all(
    Object.entries(PARTS).map(async ([name, read]) => {
      try {
        return [name, await inTime(read(resources))] as const;
      } catch (error) {
        missing[name] = messageOf(error);
        return [name, null] as const;
      }
    }),
  );
  const { name, kind, settings } = resources.run;
  const mode = { name, kind, trading: settings.trading ?? 'paper', network: settings.network ?? null };
  return { run: mode, ...Object.fromEntries(parts), missing };
}
