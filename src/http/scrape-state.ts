/** What the rules of Prometheus' alerts look at: servers, slots, disks, and what the platform itself has found wrong. */

import { ALERT_NAMES, ALERTS } from '../domain/alerts.ts';
import { slotLags } from '../engine/slots.ts';
import { readFigures } from '../projections/redis-figures.ts';
import type { Resources } from '../resources.ts';
import { firingAlerts } from '../store/alerts.ts';
import { listProcesses } from '../store/processes.ts';
import { isReplay } from '../store/runs.ts';
import { listSchedules } from '../store/schedules.ts';
import { checkServers } from './check-servers.ts';
import type { Sample, Source } from './scrape-source.ts';

export function stateSources(resources: Resources): Source[] {
  return [servers(resources), redis(resources), schedules(resources), alerts(resources), disks(resources)];
}

/** Less than a whole measurement may take: that a server does not answer is what it is to say. */
const SERVER_TIMEOUT_MS = 1000;

function servers(resources: Resources): Source {
  const { serverUp } = resources.metrics;
  return {
    name: 'servers',
    gauges: [serverUp],
    holdMs: 0,
    async measure() {
      const checks = await checkServers(resources, SERVER_TIMEOUT_MS);
      return Object.entries(checks).map(([server, check]) => ({
        gauge: serverUp,
        labels: { server },
        value: check === 'up' ? 1 : 0,
      }));
    },
  };
}

function redis({ queueRedis, cacheRedis, metrics }: Resources): Source {
  const { redisLookups, redisMemory, redisCommands, redisCommandSeconds } = metrics;
  const samplesOf = async (server: string, client: typeof queueRedis): Promise<Sample[]> => {
    const seen = await readFigures(client);
    return [
      { gauge: redisLookups, labels: { server, result: 'hit' }, value: seen.hits },
      { gauge: redisLookups, labels: { server, result: 'miss' }, value: seen.misses },
      { gauge: redisMemory, labels: { server, kind: 'used' }, value: seen.usedBytes },
      ...(seen.maxBytes > 0 ? [{ gauge: redisMemory, labels: { server, kind: 'max' }, value: seen.maxBytes }] : []),
      { gauge: redisCommands, labels: { server }, value: seen.commands },
      { gauge: redisCommandSeconds, labels: { server }, value: seen.commandSeconds },
    ];
  };
  return {
    name: 'redis',
    gauges: [redisLookups, redisMemory, redisCommands, redisCommandSeconds],
    holdMs: 0,
    async measure() {
      const roles = await Promise.allSettled([samplesOf('queue', queueRedis), samplesOf('cache', cacheRedis)]);
      // Of a role that is away the figures are missing; that it is away `nof0_server_up` says.
      return roles.flatMap((role) => (role.status === 'fulfilled' ? role.value : []));
    },
  };
}

function schedules({ db, run, metrics: { scheduleLag } }: Resources): Source {
  return {
    name: 'schedules',
    gauges: [scheduleLag],
    holdMs: 0,
    async measure() {
      // A replay's slots lie in the past, and nobody waits for them.
      const lags = isReplay(run) ? [] : slotLags(await listSchedules(db), await db.nowMs());
      return [{ gauge: scheduleLag, labels: {}, value: Math.max(0, ...lags.map(({ lagMs }) => lagMs)) / 1000 }];
    },
  };
}

function alerts({ db, metrics: { alertsFiring } }: Resources): Source {
  return {
    name: 'alerts',
    gauges: [alertsFiring],
    holdMs: 0,
    async measure() {
      const counts = new Map((await firingAlerts(db)).map(({ alert, count }) => [alert, count]));
      return ALERT_NAMES.map((alert) => ({
        gauge: alertsFiring,
        labels: { alert, severity: ALERTS[alert].severity },
        value: counts.get(alert) ?? 0,
      }));
    },
  };
}

/** Processes that were seen lately; the check of the alerts drops the others. */
const SEEN_WITHIN_MS = 120_000;

function disks({ db, metrics: { diskFree } }: Resources): Source {
  return {
    name: 'disks',
    gauges: [diskFree],
    holdMs: 0,
    async measure() {
      const seen = (await listProcesses(db)).filter(({ silentMs }) => silentMs < SEEN_WITHIN_MS);
      return seen.flatMap(({ host, diskFree: value }) =>
        value === null ? [] : [{ gauge: diskFree, labels: { host }, value }],
      );
    },
  };
}
