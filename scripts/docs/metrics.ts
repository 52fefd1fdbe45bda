/** Prometheus metrics. */

import { createMetrics } from '../../src/telemetry/metrics.ts';
import { code, table } from './table.ts';

export function metricTable(): string {
  const { registry, ...metrics } = createMetrics(false);
  registry.clear();
  return table(
    ['metric', 'kind', 'labels', 'meaning'],
    Object.values(metrics).map((metric) => {
      const { name, help, labelNames } = metric as unknown as { name: string; help: string; labelNames: string[] };
      return [code(name), metric.constructor.name.toLowerCase(), labelNames.map(code).join(', '), help];
    }),
  );
}
