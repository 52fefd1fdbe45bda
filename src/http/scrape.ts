/**
 * What is measured when somebody asks for metrics: outbox, queues, dead letters, keys, tables. Sources are independent: of one that does
 * not answer the figures are missing, and a counter says so.
 */

import { messageOf } from '../errors.ts';
import { JOB_NAMES } from '../jobs/registry.ts';
import { countKeys } from '../projections/count-keys.ts';
import type { Resources } from '../resources.ts';
import { openLetters } from '../store/dead-letters.ts';
import { pendingEffects } from '../store/effects.ts';
import { tableSizes } from '../store/table-sizes.ts';
import { inTime } from './in-time.ts';
import type { Source } from './scrape-source.ts';
import { stateSources } from './scrape-state.ts';

/** How long figures that are dear to get, or hardly move, stand. */
const HOLD_MS = 30_000;

const EFFECT_KINDS = ['project', 'enqueue', 'stream', 'alert'];

export class Scrape {
  readonly #resources: Resources;
  readonly #sources: readonly Source[];
  readonly #measuredAt = new Map<Source, number>();
  #running: Promise<unknown> | null = null;

  constructor(resources: Resources) {
    this.#resources = resources;
    this.#sources = [
      outbox(resources),
      queues(resources),
      letters(resources),
      keys(resources),
      tables(resources),
      ...stateSources(resources),
    ];
  }

  /** Brings the gauges up to date as far as their sources answer. Never throws; callers that come together share one round. */
  async take(): Promise<void> {
    this.#running ??= Promise.all(this.#sources.map((source) => this.#measure(source))).finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  async #measure(source: Source): Promise<void> {
    const { metrics, logger } = this.#resources;
    const measuredAt = this.#measuredAt.get(source);
    if (measuredAt !== undefined && performance.now() - measuredAt < source.holdMs) return;
    try {
      const samples = await inTime(source.measure());
      for (const gauge of source.gauges) gauge.reset();
      for (const { gauge, labels, value } of samples) gauge.set(labels, value);
      this.#measuredAt.set(source, performance.now());
    } catch (error) {
      // No figure is better than an old one, and the other metrics are wanted most of all during an outage.
      for (const gauge of source.gauges) gauge.reset();
      this.#measuredAt.delete(source);
      metrics.scrapeFailures.inc({ source: source.name });
      logger.debug({ source: source.name, error: messageOf(error) }, 'metrics without this source');
    }
  }
}

function outbox({ db, metrics: { effectsPending, effectsOldest } }: Resources): Source {
  return {
    name: 'outbox',
    gauges: [effectsPending, effectsOldest],
    holdMs: 0,
    async measure() {
      const pending = await pendingEffects(db);
      return EFFECT_KINDS.flatMap((kind) => {
        const row = pending.find((found) => found.kind === kind);
        return [
          { gauge: effectsPending, labels: { kind }, value: row?.count ?? 0 },
          { gauge: effectsOldest, labels: { kind }, value: Math.max(0, row?.oldestMs ?? 0) / 1000 },
        ];
      });
    },
  };
}

function queues({ queues, metrics: { queueJobs, queueLatency } }: Resources): Source {
  return {
    name: 'queues',
    gauges: [queueJobs, queueLatency],
    holdMs: 0,
    async measure() {
      const [depths, waits] = await Promise.all([queues.depths(), queues.longestWaits(Date.now())]);
      return [
        ...depths.flatMap(({ queue, counts }) =>
          Object.entries(counts).map(([state, value]) => ({ gauge: queueJobs, labels: { queue, state }, value })),
        ),
        ...waits.map(({ queue, ms }) => ({ gauge: queueLatency, labels: { queue }, value: ms / 1000 })),
      ];
    },
  };
}

function letters({ db, metrics: { deadLetters } }: Resources): Source {
  return {
    name: 'dead_letters',
    gauges: [deadLetters],
    holdMs: 0,
    async measure() {
      const counts = new Map<string, number>(JOB_NAMES.map((job) => [job, 0]));
      for (const { job, count } of await openLetters(db)) counts.set(job, count);
      return [...counts].map(([job, value]) => ({ gauge: deadLetters, labels: { job }, value }));
    },
  };
}

function keys({ publisher, prices, cacheRedis, keys, metrics }: Resources): Source {
  return {
    name: 'keys',
    gauges: [metrics.keys],
    holdMs: HOLD_MS,
    async measure() {
      const targets = await Promise.all([publisher.allTargets(), prices.allTargets()]);
      const counts = await countKeys(cacheRedis, keys, targets.flat());
      return [...counts].map(([family, value]) => ({ gauge: metrics.keys, labels: { family }, value }));
    },
  };
}

function tables({ db, metrics: { tableBytes, tableRows } }: Resources): Source {
  return {
    name: 'tables',
    gauges: [tableBytes, tableRows],
    holdMs: HOLD_MS,
    async measure() {
      const sizes = await tableSizes(db);
      return sizes.flatMap(({ table, bytes, rows }) => [
        { gauge: tableBytes, labels: { table }, value: bytes },
        { gauge: tableRows, labels: { table }, value: rows },
      ]);
    },
  };
}
