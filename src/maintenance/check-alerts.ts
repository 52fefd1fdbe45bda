/** Looks whether anything is wrong that people must know. Each alert is judged by itself: one that cannot be judged stays as it is. */

import { ALERT_NAMES, type AlertName, type Finding } from '../domain/alerts.ts';
import { marketDay } from '../domain/time.ts';
import { isHeld } from '../domain/trader-state.ts';
import { judgeAlerts } from '../engine/alerts.ts';
import type { Stories } from '../engine/context.ts';
import { slotLags } from '../engine/slots.ts';
import { messageOf } from '../errors.ts';
import { JOBS } from '../jobs/registry.ts';
import type { Resources } from '../resources.ts';
import { type CycleEnd, newestEnds } from '../store/alert-reads.ts';
import { forgetAlerts } from '../store/alerts.ts';
import { usageOfDay } from '../store/llm-budget.ts';
import { forgetLost, listProcesses, type ProcessRow } from '../store/processes.ts';
import { listSchedules } from '../store/schedules.ts';
import { type TraderRow, traderStates } from '../store/trader-state.ts';

type Round = {
  readonly resources: Resources;
  readonly stories: Stories;
  readonly nowMs: number;
  readonly traders: () => Promise<readonly TraderRow[]>;
  readonly ends: () => Promise<readonly CycleEnd[]>;
  readonly processes: () => Promise<readonly ProcessRow[]>;
};

/** After it nobody needs to hear of a lost process any more. */
const FORGOTTEN_AFTER_MS = 6 * 3_600_000;
/** Alerts that are over are remembered so long. */
const KEPT_MS = 30 * 24 * 3_600_000;
const PING_MS = 1500;

const JUDGES: Readonly<Record<AlertName, (round: Round) => Promise<Finding[]>>> = {
  async breaker_tripped({ traders }) {
    const stopped = (await traders()).filter(({ state, heldSinceMs }) => isHeld(state) && heldSinceMs !== null);
    return stopped.map(({ traderId, state, reason }) => ({ subject: traderId, summary: `${state}: ${reason}` }));
  },

  /** The sweep raises what it finds; here those that a cycle met. */
  async naked_position({ ends }) {
    return newestOf(await ends())
      .filter(({ errorCode }) => errorCode === 'NOF0_STOP_NOT_PLACED')
      .map(({ modelId, errorMessage }) => ({ subject: modelId, summary: errorMessage ?? 'a stop was not placed' }));
  },

  async budget_spent({ resources: { db }, stories, ends, nowMs }) {
    const today = marketDay(nowMs);
    const refused = newestOf(await ends()).filter(
      ({ errorCode, slotMs }) => errorCode === 'NOF0_LLM_BUDGET' && marketDay(slotMs) === today,
    );
    const used = new Map((await usageOfDay(db, today)).map((row) => [row.modelId, row]));
    return [...stories.traders.values()].flatMap(({ participant: { id, dailyTokens, dailyUsd } }) => {
      const row = used.get(id);
      const spent = `${row?.usedTokens ?? 0} tokens, ${(row?.costUsd ?? 0).toFixed(2)} USD of ${dailyTokens ?? 'any number of'} tokens, ${dailyUsd ?? 'any number of'} USD`;
      const isSpent =
        row !== undefined && (row.usedTokens >= (dailyTokens ?? Infinity) || row.costUsd >= (dailyUsd ?? Infinity));
      return isSpent || refused.some(({ modelId }) => modelId === id)
        ? [{ subject: id, summary: `spent on ${today}: ${spent}` }]
        : [];
    });
  },

  async worker_lost({ resources: { config }, processes }) {
    const { processSilence } = config.arena.alerts;
    const lost = (await processes()).filter(({ silentMs, replaced }) => silentMs > processSilence && !replaced);
    return lost.map(({ name, silentMs }) => ({
      subject: name,
      summary: `not seen for ${Math.round(silentMs / 1000)} s`,
    }));
  },

  /** Raised by the check of the keys; nothing to look for here. */
  inconsistency: () => Promise.resolve([]),

  async slot_lag({ resources: { db, queues, config }, nowMs }) {
    const { slotLag } = config.arena.alerts;
    const lags = slotLags(await listSchedules(db), nowMs).filter(({ lagMs }) => lagMs > slotLag);
    const worst = lags.sort((a, b) => b.lagMs - a.lagMs)[0];
    const schedules = worst
      ? [
          {
            subject: 'schedules',
            summary: `${lags.length} schedules are behind, ${worst.name} by ${seconds(worst.lagMs)}; is a scheduler running?`,
          },
        ]
      : [];
    const paused = new Set((await queues.depths()).filter((depth) => depth.paused).map(({ queue }) => queue));
    const late = (await queues.longestWaits(Date.now())).filter(({ queue, ms }) => ms > slotLag && !paused.has(queue));
    const waits = late.map(({ queue, ms }) => ({
      subject: `queue:${queue}`,
      summary: `its oldest job has been due for ${seconds(ms)}; are there workers enough?`,
    }));
    return [...schedules, ...waits];
  },

  async no_decision({ resources: { config }, stories, traders, processes, nowMs }) {
    // After an outage of everything a model has its slots yet to come.
    const schedulers = (await processes()).filter(
      ({ role, silentMs }) => ['up', 'scheduler'].includes(role) && silentMs <= config.arena.alerts.processSilence,
    );
    if (schedulers.length === 0) return [];
    const upSinceMs = Math.min(...schedulers.map(({ startedMs }) => startedMs));
    return (await traders()).flatMap(({ traderId, state, lastDecisionAtMs }) => {
      const trader = stories.traders.get(traderId);
      if (trader === undefined || isHeld(state)) return [];
      const slots = config.arena.alerts.missedDecisions;
      const patienceMs =
        slots * (trader.participant.decision ?? stories.pace.decision) + JOBS['decision-cycle'].timeoutMs;
      const silentMs = nowMs - Math.max(lastDecisionAtMs ?? 0, upSinceMs);
      return silentMs > patienceMs
        ? [{ subject: traderId, summary: `no cycle has ended for ${seconds(silentMs)}, more than ${slots} slots` }]
        : [];
    });
  },

  async endpoint_down({ resources: { config }, ends }) {
    const { endpointFailures } = config.arena.alerts;
    const all = await ends();
    return newestOf(all).flatMap(({ modelId, errorMessage }) => {
      const newest = all.filter((end) => end.modelId === modelId).slice(0, endpointFailures);
      const failed = newest.filter(({ errorCode }) => errorCode === 'NOF0_LLM_UNAVAILABLE');
      return failed.length === endpointFailures
        ? [{ subject: modelId, summary: `${endpointFailures} cycles in a row: ${errorMessage ?? 'no answer'}` }]
        : [];
    });
  },

  async cache_down({ resources: { cacheRedis } }) {
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`no answer in ${PING_MS} ms`)), PING_MS).unref();
    });
    late.catch(() => undefined);
    try {
      await Promise.race([cacheRedis.ping(), late]);
      return [];
    } catch (error) {
      return [{ subject: 'cache', summary: `the cache Redis does not answer: ${messageOf(error)}` }];
    }
  },

  async disk_nearly_full({ resources: { config }, processes }) {
    const { minDiskFree, processSilence } = config.arena.alerts;
    const full = (await processes()).filter(
      ({ diskFree, silentMs }) => diskFree !== null && diskFree < minDiskFree && silentMs <= processSilence,
    );
    return full.map(({ host, diskFree }) => ({
      subject: host,
      summary: `${((diskFree ?? 0) * 100).toFixed(1)} % of the data folder's disk are free`,
    }));
  },
};

/** One look at everything. Returns what fires and what could not be judged. */
export async function checkAlerts(
  resources: Resources,
  stories: Stories,
): Promise<{ found: number; unjudged: AlertName[] }> {
  const { db, config, logger, metrics } = resources;
  const ids = [...stories.traders.keys()];
  const newest = Math.max(1, config.arena.alerts.endpointFailures);
  const round: Round = {
    resources,
    stories,
    nowMs: await db.nowMs(),
    traders: once(() => traderStates(db, ids)),
    ends: once(() => newestEnds(db, ids, newest)),
    processes: once(async () => {
      await forgetLost(db, config.arena.alerts.processSilence, FORGOTTEN_AFTER_MS);
      return listProcesses(db);
    }),
  };
  const findings = new Map<AlertName, readonly Finding[]>();
  for (const alert of ALERT_NAMES) {
    try {
      findings.set(alert, await JUDGES[alert](round));
    } catch (error) {
      metrics.swallowed.inc({ reason: 'alert_check' });
      logger.warn({ alert, error: messageOf(error) }, 'an alert could not be judged');
    }
  }
  await judgeAlerts(stories, findings);
  await forgetAlerts(db, KEPT_MS);
  const found = [...findings.values()].reduce((sum, each) => sum + each.length, 0);
  return { found, unjudged: ALERT_NAMES.filter((alert) => !findings.has(alert)) };
}

function newestOf(ends: readonly CycleEnd[]): CycleEnd[] {
  return ends.filter((end, index) => ends[index - 1]?.modelId !== end.modelId);
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | null = null;
  return () => {
    reading ??= read();
    return reading;
  };
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
