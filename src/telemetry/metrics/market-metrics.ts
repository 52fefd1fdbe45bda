/** Prices, and the providers that they come from. */

import { Counter, Gauge, type Registry } from 'prom-client';

export function createMarketMetrics(registers: Registry[]) {
  return {
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
    candlesFilled: new Counter({
      name: 'nof0_candles_filled_total',
      help: 'Candles that were missing and came when the market was asked for them',
      labelNames: ['provider'],
      registers,
    }),
    candlesMissing: new Counter({
      name: 'nof0_candles_missing_total',
      help: 'Candles that are missing and that the market does not have either',
      labelNames: ['provider'],
      registers,
    }),
    archivedRows: new Counter({
      name: 'nof0_archived_rows_total',
      help: 'Rows that have left the tables for an archive file',
      labelNames: ['kind'],
      registers,
    }),
    archiveFaults: new Counter({
      name: 'nof0_archive_faults_total',
      help: 'Archive files that were missing or broken, or whose rows had changed; nothing was removed for them',
      labelNames: ['kind'],
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
  };
}
