/** What is not counted as it happens but measured when somebody asks: the state of the run, the same whichever process says it. */

import { Counter, Gauge, type Registry } from 'prom-client';

export function createStateMetrics(registers: Registry[]) {
  return {
    effectsPending: new Gauge({
      name: 'nof0_effects_pending',
      help: 'Rows in the outbox',
      labelNames: ['kind'],
      registers,
    }),
    effectsOldest: new Gauge({
      name: 'nof0_effects_oldest_seconds',
      help: 'Age of the oldest row in the outbox; 0 without any',
      labelNames: ['kind'],
      registers,
    }),
    queueJobs: new Gauge({
      name: 'nof0_queue_jobs',
      help: 'Jobs by queue and state',
      labelNames: ['queue', 'state'],
      registers,
    }),
    queueLatency: new Gauge({
      name: 'nof0_queue_latency_seconds',
      help: 'Time since the oldest waiting job of a queue was due; 0 when none waits',
      labelNames: ['queue'],
      registers,
    }),
    deadLetters: new Gauge({
      name: 'nof0_dead_letters',
      help: 'Jobs that failed for good and that nobody has redriven',
      labelNames: ['job'],
      registers,
    }),
    alertsFiring: new Gauge({
      name: 'nof0_alerts_firing',
      help: 'Subjects of an alert that the platform itself has found wrong and that are not over',
      labelNames: ['alert', 'severity'],
      registers,
    }),
    scheduleLag: new Gauge({
      name: 'nof0_schedule_lag_seconds',
      help: 'How long the slot that has been due longest waits to be enqueued; 0 when none does',
      registers,
    }),
    serverUp: new Gauge({
      name: 'nof0_server_up',
      help: 'Whether a server answers: postgres, queue, cache',
      labelNames: ['server'],
      registers,
    }),
    redisLookups: new Gauge({
      name: 'nof0_redis_keyspace_lookups',
      help: 'Keys that were asked for since the servers of a role started, by whether they were there (hit, miss)',
      labelNames: ['server', 'result'],
      registers,
    }),
    redisMemory: new Gauge({
      name: 'nof0_redis_memory_bytes',
      help: 'Memory of the servers of a role: used, and max where there is a limit',
      labelNames: ['server', 'kind'],
      registers,
    }),
    redisCommands: new Gauge({
      name: 'nof0_redis_commands',
      help: 'Commands that the servers of a role have executed since they started',
      labelNames: ['server'],
      registers,
    }),
    redisCommandSeconds: new Gauge({
      name: 'nof0_redis_command_seconds',
      help: 'Time that the servers of a role have spent on executing commands since they started',
      labelNames: ['server'],
      registers,
    }),
    diskFree: new Gauge({
      name: 'nof0_disk_free_ratio',
      help: "Free share of the disk of a host's data folder, as its processes last said",
      labelNames: ['host'],
      registers,
    }),
    keys: new Gauge({
      name: 'nof0_keys',
      help: 'Keys of a family that stand in the cache; up to 30 s old',
      labelNames: ['family'],
      registers,
    }),
    tableBytes: new Gauge({
      name: 'nof0_table_bytes',
      help: 'Size of a table or materialized view with its indexes, partitions together; up to 30 s old',
      labelNames: ['table'],
      registers,
    }),
    tableRows: new Gauge({
      name: 'nof0_table_rows',
      help: 'Rows of a table or materialized view as Postgres estimates them; up to 30 s old',
      labelNames: ['table'],
      registers,
    }),
    scrapeFailures: new Counter({
      name: 'nof0_scrape_failures_total',
      help: 'Measurements left out of an answer because their source did not answer',
      labelNames: ['source'],
      registers,
    }),
  };
}
