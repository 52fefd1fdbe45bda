/** Keys of the cache, and those who read and are told. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { LATENCY_BUCKETS_S, READ_BUCKETS_S } from './buckets.ts';

export function createReadingMetrics(registers: Registry[]) {
  return {
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
    lockWaits: new Histogram({
      name: 'nof0_lock_wait_seconds',
      help: 'Wait for a refresh lock',
      labelNames: ['family'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    cacheRebuilds: new Counter({
      name: 'nof0_cache_rebuilds_total',
      help: 'Times that the cache was found empty and filled again',
      registers,
    }),
    inconsistencies: new Counter({
      name: 'nof0_inconsistencies_total',
      help: 'Keys that did not say what Postgres says, positions that were not what the exchange says: repaired, or left to people',
      labelNames: ['family', 'result'],
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
    consumed: new Counter({
      name: 'nof0_consumed_trades_total',
      help: 'Tries to hand a trade of the stream to a consumer: delivered, failed, buried (given up), or lost (cut off the stream before)',
      labelNames: ['consumer', 'outcome'],
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
  };
}
