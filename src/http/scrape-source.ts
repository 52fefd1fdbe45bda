/** Where gauges come from that are measured when somebody asks. */

import type { Gauge } from 'prom-client';

export type Sample = { readonly gauge: Gauge; readonly labels: Record<string, string>; readonly value: number };

export type Source = {
  readonly name: string;
  readonly gauges: readonly Gauge[];
  readonly holdMs: number;
  measure(): Promise<readonly Sample[]>;
};
