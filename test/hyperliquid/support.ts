/** A client of the stand-in whose budget is never short, and that counts what it is charged. */

import { HyperliquidClient } from '../../src/hyperliquid/client.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { StandIn } from './stand-in.ts';

export function openClient(standIn: StandIn, timeoutMs = 2000) {
  const spent = { taken: 0, charged: 0, blockedMs: [] as number[] };
  const metrics = createMetrics(false);
  const budget = {
    async take(weight: number) {
      spent.taken += weight;
    },
    async charge(weight: number) {
      spent.charged += weight;
    },
    async block(ms: number) {
      spent.blockedMs.push(ms);
    },
  };
  /** What was left out because of its shape, with its path. */
  const refused: string[] = [];
  const onRefused = (_what: string, fault: string) => refused.push(fault);
  const options = { addresses: standIn.addresses, budget, metrics, timeoutMs, retryMs: 1, onRefused };
  const client = new HyperliquidClient(options);
  const counted = async (name: 'providerRefused' | 'providerRequests') =>
    (await metrics[name].get()).values.map(({ labels, value }) => ({ ...labels, value }));
  return { client, spent, metrics, counted, refused };
}
