/** Prometheus metrics of a process. Every process serves its own registry at /metrics. */

import { collectDefaultMetrics, Registry } from 'prom-client';
import { createMarketMetrics } from './metrics/market-metrics.ts';
import { createReadingMetrics } from './metrics/reading-metrics.ts';
import { createStateMetrics } from './metrics/state-metrics.ts';
import { createTradingMetrics } from './metrics/trading-metrics.ts';
import { createWorkMetrics } from './metrics/work-metrics.ts';

/** All metrics of the platform. Created once a process by `resources`. */
export function createMetrics(withProcessMetrics = true) {
  const registry = new Registry();
  if (withProcessMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    ...createWorkMetrics(registers),
    ...createReadingMetrics(registers),
    ...createMarketMetrics(registers),
    ...createTradingMetrics(registers),
    ...createStateMetrics(registers),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
