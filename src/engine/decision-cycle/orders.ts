/** From an answer to orders, and from orders to their results. */

import type { Answer, DecisionContext, MarketFrame } from '../../domain/decision.ts';
import { type Rejection, reviewDecisions } from '../../domain/review.ts';
import type { SizedOrder } from '../../domain/sizing.ts';
import type { CycleOrders, OrderRequest } from '../../store/decisions.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import type { Stories } from '../context.ts';

/** Market ms after which the exchange refuses the request, so that "unknown" can come to mean "never placed". */
const EXPIRES_AFTER_MS = 10_000;

export type Review = { readonly rejected: Rejection[]; readonly orders: CycleOrders };

/** Reviews the answer and puts its orders into one signed request. A shadow trader's orders are not sent. */
export function reviewAnswer(
  stories: Stories,
  answer: Answer,
  context: DecisionContext,
  frame: MarketFrame,
  options: { mayEnter: boolean; sends: boolean; nowMs: number },
): Review {
  const { rejected, orders } = reviewDecisions(answer, context, frame, options.mayEnter);
  if (orders.length === 0 || !options.sends) return { rejected, orders: { request: null, legs: [] } };
  // The nonce belongs to the slot: a resumed cycle prepares the same bytes.
  return { rejected, orders: requestOf(stories, context.modelId, orders, context.slotMs, options.nowMs) };
}

/** The orders with the request that will be sent, as they are stored before it is. */
export function requestOf(
  stories: Stories,
  account: string,
  orders: readonly SizedOrder[],
  nonce: number,
  nowMs: number,
): OrderRequest {
  const prepared = stories.exchange.prepare(account, orders, nonce, nowMs + EXPIRES_AFTER_MS);
  const legs = orders.map((order) => ({
    ...order,
    status: 'planned' as const,
    oid: null,
    filledSize: 0,
    avgPrice: null,
    error: null,
  }));
  return { request: { nonce: prepared.nonce, expiresAtMs: prepared.expiresAtMs, bytes: prepared.bytes }, legs };
}

/** Sends the stored bytes and writes the results onto the legs. Sent again after a crash, the exchange answers what it knows. */
export async function sendRequest(
  stories: Stories,
  account: string,
  { request, legs }: OrderRequest,
  nowMs: number,
  signal: AbortSignal,
): Promise<OrderRequest> {
  const prepared = { account, ...request };
  const results = await crossing('call exchange.send', () => stories.exchange.send(prepared, nowMs, signal));
  const byCloid = new Map(results.map((result) => [result.cloid, result]));
  // An order that the exchange says nothing about stays planned: an "ok" for the request is no result of its orders.
  const sent = legs.map((leg) => ({ ...leg, ...byCloid.get(leg.cloid) }));
  for (const { symbol, leg, side, size, status, avgPrice, error } of sent)
    stories.logger.info(
      { model: account, symbol, leg, side, size, status, price: avgPrice, ...(error ? { error } : {}) },
      'order',
    );
  return { request, legs: sent };
}

/** What became of orders that may have left, without sending them: those that the exchange does not know are refused for the reason. */
export async function lookUpRequest<T extends OrderRequest>(
  stories: Stories,
  account: string,
  request: T,
  reason: string,
): Promise<T> {
  const cloids = request.legs.map((leg) => leg.cloid);
  const known = await crossing('call exchange.lookup', () => stories.exchange.lookup(account, cloids));
  const byCloid = new Map(known.map((result) => [result.cloid, result]));
  const unsent = { status: 'rejected' as const, error: `never sent: ${reason}` };
  return { ...request, legs: request.legs.map((leg) => ({ ...leg, ...(byCloid.get(leg.cloid) ?? unsent) })) };
}
