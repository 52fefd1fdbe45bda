/** Jobs, the commits they make, and the effects that follow. */

import { Counter, Histogram, type Registry } from 'prom-client';
import { LATENCY_BUCKETS_S } from './buckets.ts';

export function createWorkMetrics(registers: Registry[]) {
  return {
    jobDuration: new Histogram({
      name: 'nof0_job_duration_seconds',
      help: 'How long a job ran',
      labelNames: ['job', 'outcome'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    stalledJobs: new Counter({
      name: 'nof0_jobs_stalled_total',
      help: 'Jobs whose process died',
      labelNames: ['job'],
      registers,
    }),
    recoveredJobs: new Counter({
      name: 'nof0_jobs_recovered_total',
      help: 'Jobs completed although a process died over them',
      labelNames: ['job'],
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
    relayTakeovers: new Counter({
      name: 'nof0_relay_takeovers_total',
      help: 'Effects that a relay of this process took over from a dead process, a failed try or an unfinished job',
      labelNames: ['kind'],
      registers,
    }),
    viewRefresh: new Histogram({
      name: 'nof0_view_refresh_seconds',
      help: 'How long a refresh of the materialized views took',
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    swallowed: new Counter({
      name: 'nof0_swallowed_errors_total',
      help: 'Errors that are counted instead of thrown, by reason',
      labelNames: ['reason'],
      registers,
    }),
    alertMessages: new Counter({
      name: 'nof0_alert_messages_total',
      help: 'Tries to send an alert: delivered, failed (tried again), or dropped (given up)',
      labelNames: ['channel', 'outcome'],
      registers,
    }),
  };
}
