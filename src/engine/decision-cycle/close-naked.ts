/** A position whose stop the exchange did not take is closed again at once. */

import { guardOrder } from '../../domain/sizing.ts';
import { nakedEntries } from '../../domain/stops.ts';
import type { Cycle, CycleOrders, OrderRequest } from '../../store/decisions.ts';
import type { Stories } from '../context.ts';
import { requestOf, sendRequest } from './orders.ts';

/**
 * Sends the closing orders of a cycle that was sent. `store` keeps them before they leave. On resume the stored bytes are sent again; once
 * those have expired without having been placed, the same orders leave in a fresh request, since the position still stands.
 */
export async function closeNaked(
  stories: Stories,
  cycle: Pick<Cycle, 'modelId' | 'slotMs'>,
  sent: CycleOrders,
  nowMs: number,
  signal: AbortSignal,
  store: (orders: CycleOrders) => Promise<void>,
): Promise<CycleOrders> {
  const closes = nakedEntries(sent.legs).map(({ entry }) => guardOrder(entry, cycle));
  // The nonce is the one behind that of the orders, and behind that of every request before.
  const fresh = (after: number) => requestOf(stories, cycle.modelId, closes, after + 1, nowMs);
  const send = (guard: OrderRequest) => sendRequest(stories, cycle.modelId, guard, nowMs, signal);
  let guard = sent.guard;
  if (guard === undefined) {
    guard = fresh(sent.request?.nonce ?? cycle.slotMs);
    await store({ ...sent, guard });
  }
  let result = await send(guard);
  if (nowMs > guard.request.expiresAtMs && result.legs.some((leg) => leg.status === 'rejected')) {
    guard = fresh(guard.request.nonce);
    await store({ ...sent, guard });
    result = await send(guard);
  }
  return { ...sent, guard: result };
}

/** Counts and logs what became of each naked position, and says it in a sentence for the record. */
export function reportNaked(stories: Stories, modelId: string, orders: CycleOrders): string {
  const sentences = nakedEntries(orders.legs).map(({ entry, error }) => {
    const close = orders.guard?.legs.find(({ symbol }) => symbol === entry.symbol);
    const isClosed = close?.status === 'filled';
    stories.metrics.positionsUnguarded.inc({ model: modelId, outcome: isClosed ? 'closed' : 'failed' });
    const end = isClosed ? 'the position was closed' : `and it could not be closed (${close?.error ?? 'no result'})`;
    return `the stop of ${entry.symbol} was not placed (${error}); ${end}`;
  });
  stories.logger.warn({ model: modelId, what: sentences }, 'a position stood without its stop');
  return sentences.join('; ');
}
