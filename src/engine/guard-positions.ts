/** The sweep for positions without a live stop: whatever took the stop away, the position gets it back, or people are told. */

import type { Finding } from '../domain/alerts.ts';
import { clientOrderId } from '../domain/ids.ts';
import { refresh } from '../domain/published-keys.ts';
import { type StopRepair, stopRepairs } from '../domain/stops.ts';
import type { AccountState, OrderIntent, OrderResult } from '../exchange/exchange.ts';
import { cycleMemory } from '../store/cycle-memory.ts';
import { attachStops } from '../store/decisions.ts';
import { type Lease, releaseLease, takeLease } from '../store/leases.ts';
import { crossing } from '../telemetry/boundaries.ts';
import { raiseAlert } from './alerts.ts';
import { committed, done, type Outcome, type Stories } from './context.ts';
import { syncFills } from './ingest-fills.ts';

const EXPIRES_AFTER_MS = 10_000;

/** Looks after the positions of every model, one after the other. A model whose cycle is running is left to that cycle. */
export async function guardPositions(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<Outcome> {
  const counts = { repaired: 0, reported: 0, busy: 0 };
  const findings: Finding[] = [];
  for (const modelId of stories.traders.keys()) {
    signal.throwIfAborted();
    if ((await repairsOf(stories, modelId, asOfMs)).length === 0) continue;
    // Seen without the lease it may be a cycle between its entry and its stop.
    const lease = await takeLease(stories.db, modelId);
    if (lease === null) {
      counts.busy += 1;
      continue;
    }
    try {
      const done = await guardOne(stories, lease, asOfMs, signal);
      counts.repaired += done.repaired;
      counts.reported += done.reported;
      findings.push(...done.findings);
    } finally {
      await releaseLease(stories.db, lease);
    }
  }
  await raiseAlert(stories, 'naked_position', findings);
  return done(counts);
}

async function guardOne(stories: Stories, lease: Lease, asOfMs: number, signal: AbortSignal) {
  const { modelId } = lease;
  const nowMs = stories.clock.now(asOfMs);
  // The ledger first: a position that it does not know yet has no stop that it could remember.
  await syncFills(stories, modelId, nowMs, { snapshot: true });
  const repairs = await repairsOf(stories, modelId, nowMs);
  const reported = repairs.filter(({ kind }) => kind === 'report');
  for (const { symbol } of reported) {
    stories.metrics.positionsUnguarded.inc({ model: modelId, outcome: 'reported' });
    stories.logger.warn({ model: modelId, symbol }, 'a position stands without a stop, and none is remembered for it');
  }
  const orders = repairs.flatMap((repair) => orderOf(modelId, repair, nowMs));
  const acted = orders.length > 0 ? await act(stories, modelId, orders, nowMs, signal) : [];
  const left = reported.map(({ symbol }) => ({
    subject: `${modelId} ${symbol}`,
    summary: 'stands without a stop, and none is remembered for it',
  }));
  return { repaired: orders.length, reported: reported.length, findings: [...left, ...acted] };
}

async function repairsOf(stories: Stories, modelId: string, nowMs: number): Promise<StopRepair[]> {
  const state = await stories.exchange.accountState(modelId);
  if (state.positions.length === 0) return [];
  const memory = await cycleMemory(stories.db, modelId, { slotMs: nowMs, dayStartMs: nowMs, cooledSinceMs: nowMs });
  const stopOf = new Map(memory?.positions.map(({ symbol, stopLoss }) => [symbol, stopLoss]));
  return stopRepairs(
    state.positions.map((position) => ({ ...position, stopLoss: stopOf.get(position.symbol) ?? null })),
    liveStops(state),
  );
}

function liveStops({ openOrders }: AccountState) {
  return openOrders.filter((order) => order.kind === 'stop' && order.reduceOnly && !order.waitsForFill);
}

/** Ids by the moment: a sweep is never resumed, the next one sees what this one has placed. */
function orderOf(modelId: string, repair: StopRepair, nowMs: number): OrderIntent[] {
  if (repair.kind === 'report') return [];
  const { symbol, side, size } = repair;
  const leg = repair.kind === 'place' ? 'stop' : 'guard';
  return [
    {
      cloid: clientOrderId(modelId, nowMs, leg, symbol),
      ...{ symbol, side, size, reduceOnly: true, leverage: 1 },
      kind: repair.kind === 'place' ? 'stop' : 'market',
      triggerPrice: repair.kind === 'place' ? repair.triggerPrice : null,
    },
  ];
}

async function act(
  stories: Stories,
  modelId: string,
  orders: readonly OrderIntent[],
  nowMs: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { exchange, metrics, logger, db } = stories;
  const request = exchange.prepare(modelId, orders, nowMs, nowMs + EXPIRES_AFTER_MS);
  const findings: Finding[] = [];
  const results = await crossing('call exchange.send', () => exchange.send(request, nowMs, signal));
  for (const [index, result] of results.entries()) {
    const order = orders[index];
    const outcome = result.status === 'rejected' ? 'failed' : order?.kind === 'stop' ? 'stop_placed' : 'closed';
    metrics.positionsUnguarded.inc({ model: modelId, outcome });
    const error = result.error === null ? {} : { error: result.error };
    logger.warn({ model: modelId, symbol: order?.symbol, outcome, ...error }, 'a position stood without its stop');
    const end = { failed: 'and it could not be helped', stop_placed: 'it has it back', closed: 'it was closed' }[
      outcome
    ];
    const why = result.error === null ? '' : ` (${result.error})`;
    findings.push({ subject: `${modelId} ${order?.symbol}`, summary: `stood without its stop; ${end}${why}` });
  }
  await syncFills(stories, modelId, nowMs, { snapshot: true });
  const placed = orders.flatMap((order, index) => attachedOf(order, results[index]));
  if (placed.length === 0) return findings;
  const effects = await committed(stories, 'guard-positions', () =>
    attachStops(db, modelId, placed, [refresh('positions', modelId)]),
  );
  await stories.drain(effects);
  return findings;
}

function attachedOf(order: OrderIntent, result: OrderResult | undefined): { symbol: string; slOid: number }[] {
  return order.kind === 'stop' && result?.status === 'resting' && result.oid !== null
    ? [{ symbol: order.symbol, slOid: result.oid }]
    : [];
}
