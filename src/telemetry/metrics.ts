/** Prometheus metrics of a process. Every process serves its own registry at /metrics. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A cache answers in parts of a millisecond. */
const READ_BUCKETS_S = [0.0001, 0.00025, 0.0005, ...LATENCY_BUCKETS_S];

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
    readLatency: new Histogram({
      name: 'nof0_read_seconds',
      help: 'How long reading a key family took: from the cache, or what it is made of from the database',
      labelNames: ['source', 'family'],
      buckets: READ_BUCKETS_S,
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
    ticksRepeated: new Counter({
      name: 'nof0_ticks_repeated_total',
      help: 'Ticks that were there already',
      labelNames: ['provider'],
      registers,
    }),
    ticksLate: new Counter({
      name: 'nof0_ticks_late_total',
      help: 'Ticks that came after a newer price of their symbol; those that were there already too',
      labelNames: ['provider'],
      registers,
    }),
    ledgerFaults: new Counter({
      name: 'nof0_ledger_faults_total',
      help: 'Ingests of fills that people should look at: adopted (a history begins in the middle of a position), gap (a fill is missing), contradicted (a known id came with another content)',
      labelNames: ['fault'],
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
    positionsUnguarded: new Counter({
      name: 'nof0_positions_unguarded_total',
      help: 'Positions found without their stop: closed, given it back (stop_placed), reported, or failed to be helped',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    breakerTrips: new Counter({
      name: 'nof0_breaker_trips_total',
      help: 'Traders that a breaker has stopped',
      labelNames: ['breaker'],
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
    providerRequests: new Counter({
      name: 'nof0_provider_requests_total',
      help: 'Requests to a market or exchange provider, by kind and outcome',
      labelNames: ['provider', 'request', 'outcome'],
      registers,
    }),
    providerRefused: new Counter({
      name: 'nof0_provider_refused_total',
      help: 'Answers and frames of a provider that were refused because of their shape',
      labelNames: ['provider', 'what'],
      registers,
    }),
    providerSkew: new Gauge({
      name: 'nof0_provider_clock_skew_seconds',
      help: "A provider's clock less ours",
      labelNames: ['provider'],
      registers,
    }),
    feedFrames: new Counter({
      name: 'nof0_feed_frames_total',
      help: 'Frames of a WebSocket feed, by channel',
      labelNames: ['provider', 'channel'],
      registers,
    }),
    feedReconnects: new Counter({
      name: 'nof0_feed_reconnects_total',
      help: 'Times that a WebSocket feed lost its connection, by reason',
      labelNames: ['provider', 'reason'],
      registers,
    }),
    swallowed: new Counter({
      name: 'nof0_swallowed_errors_total',
      help: 'Errors that are counted instead of thrown, by reason',
      labelNames: ['reason'],
      registers,
    }),
    ...createModelMetrics(registers),
    inconsistencies: new Counter({
      name: 'nof0_inconsistencies_total',
      help: 'Keys that did not say what Postgres says, positions that were not what the exchange says: repaired, or left to people',
      labelNames: ['family', 'result'],
      registers,
    }),
    cacheRebuilds: new Counter({
      name: 'nof0_cache_rebuilds_total',
      help: 'Times that the cache was found empty and filled again',
      registers,
    }),
    consumed: new Counter({
      name: 'nof0_consumed_trades_total',
      help: 'Tries to hand a trade of the stream to a consumer: delivered, failed, buried (given up), or lost (cut off the stream before)',
      labelNames: ['consumer', 'outcome'],
      registers,
    }),
    alertMessages: new Counter({
      name: 'nof0_alert_messages_total',
      help: 'Tries to send an alert: delivered, failed (tried again), or dropped (given up)',
      labelNames: ['channel', 'outcome'],
      registers,
    }),
    streamClients: new Gauge({
      name: 'nof0_stream_clients',
      help: 'Clients of /api/stream that are connected to this process',
      registers,
    }),
    streamsDropped: new Counter({
      name: 'nof0_streams_dropped_total',
      help: 'Clients of /api/stream that were cut off because they read too slowly',
      registers,
    }),
    readComparisons: new Counter({
      name: 'nof0_read_comparisons_total',
      help: 'Answers compared with the files of the original while NOF0_READ_SOURCE says "compare": equal, different, failed, or no_file (the store answered)',
      labelNames: ['endpoint', 'result'],
      registers,
    }),
    readDifferences: new Counter({
      name: 'nof0_read_differences_total',
      help: 'Fields and rows in which files and store differed without being defined otherwise',
      labelNames: ['endpoint'],
      registers,
    }),
    ...createScrapeMetrics(registers),
  };
}

/** Calls of language models. */
function createModelMetrics(registers: Registry[]) {
  return {
    llmCalls: new Counter({
      name: 'nof0_llm_calls_total',
      help: 'Questions to a language model: answered, invalid, unavailable, or not made because of the budget',
      labelNames: ['model', 'result'],
      registers,
    }),
    llmLatency: new Histogram({
      name: 'nof0_llm_latency_seconds',
      help: 'How long a call of a language model took',
      labelNames: ['model'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    llmTokens: new Counter({
      name: 'nof0_llm_tokens_total',
      help: 'Tokens of prompts and completions',
      labelNames: ['model', 'kind'],
      registers,
    }),
    llmCost: new Counter({
      name: 'nof0_llm_cost_usd_total',
      help: 'What calls of language models cost',
      labelNames: ['model'],
      registers,
    }),
    llmCacheReads: new Counter({
      name: 'nof0_llm_cache_reads_total',
      help: 'Questions looked up in the response cache: hit or miss',
      labelNames: ['model', 'result'],
      registers,
    }),
  };
}

/** What is not counted as it happens but measured when somebody asks: the state of the run, the same whichever process says it. */
function createScrapeMetrics(registers: Registry[]) {
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

export type Metrics = ReturnType<typeof createMetrics>;
