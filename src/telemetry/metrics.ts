/** Prometheus metrics of a process. Every process serves its own registry at /metrics. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** All metrics of the platform. Created once a process by `resources`. */
export function createMetrics(withProcessMetrics = true) {
  const registry = new Registry();
  if (withProcessMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    jobDuration: new Histogram({
      name: 'nof0_job_duration_seconds',
      help: 'How long a job ran',
      labelNames: ['job', 'outcome'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    dbWrites: new Counter({
      name: 'db_writes_total',
      help: 'Commits by story',
      labelNames: ['story', 'result'],
      registers,
    }),
    persistenceLatency: new Histogram({
      name: 'persistence_latency_seconds',
      help: 'How long a commit took',
      labelNames: ['story'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    cacheReads: new Counter({
      name: 'nof0_cache_reads_total',
      help: 'Reads of a key family',
      labelNames: ['family', 'result'],
      registers,
    }),
    cacheFill: new Histogram({
      name: 'nof0_cache_fill_seconds',
      help: 'From token to written key',
      labelNames: ['family'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    projectionWrites: new Counter({
      name: 'nof0_projection_writes_total',
      help: 'Fenced writes',
      labelNames: ['family', 'result'],
      registers,
    }),
    effectLatency: new Histogram({
      name: 'nof0_effect_latency_seconds',
      help: 'From commit to applied effect',
      labelNames: ['kind'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    effectFailures: new Counter({
      name: 'nof0_effect_failures_total',
      help: 'Effects that stay in the outbox after a failed try',
      labelNames: ['kind'],
      registers,
    }),
    ticksIngested: new Counter({
      name: 'nof0_ticks_ingested_total',
      help: 'Ticks stored',
      labelNames: ['provider'],
      registers,
    }),
    ticksRefused: new Counter({
      name: 'nof0_ticks_refused_total',
      help: 'Ticks of unknown symbols',
      labelNames: ['provider'],
      registers,
    }),
    slotLag: new Histogram({
      name: 'nof0_slot_lag_seconds',
      help: 'From a slot to the start of its job',
      labelNames: ['job'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    slotsFired: new Counter({
      name: 'nof0_slots_fired_total',
      help: 'Slots enqueued by this process',
      labelNames: ['job'],
      registers,
    }),
    lockWaits: new Histogram({
      name: 'nof0_lock_wait_seconds',
      help: 'Wait for a refresh lock',
      labelNames: ['family'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    stalledJobs: new Counter({
      name: 'nof0_jobs_stalled_total',
      help: 'Jobs whose process died',
      labelNames: ['job'],
      registers,
    }),
    swallowed: new Counter({
      name: 'nof0_swallowed_errors_total',
      help: 'Errors that are counted instead of thrown, by reason',
      labelNames: ['reason'],
      registers,
    }),
    inconsistencies: new Counter({
      name: 'nof0_inconsistencies_total',
      help: 'Keys that did not say what Postgres says',
      labelNames: ['family'],
      registers,
    }),
    effectsPending: new Gauge({
      name: 'nof0_effects_pending',
      help: 'Rows in the outbox',
      labelNames: ['kind'],
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
