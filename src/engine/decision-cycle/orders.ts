/** From an answer to orders, and from orders to their results. */

import type { Answer, DecisionContext, MarketFrame } from '../../domain/decision.ts';
import { judge, startUsed } from '../../domain/guardrails.ts';
import { sizeDecision } from '../../domain/sizing.ts';
import type { CycleOrders, OrderRecord, Rejection } from '../../store/decisions.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import type { Stories } from '../context.ts';

/** Market ms after which the exchange refuses the request, so that "unknown" can come to mean "never placed". */
const EXPIRES_AFTER_MS = 10_000;

export type Review = { readonly rejected: Rejection[]; readonly orders: CycleOrders };

/**
 * Judges the decisions in their order, exits first (they free margin), and sizes what is accepted into one signed request. A shadow
 * trader's orders are not sent. Rejected decisions are recorded with their reason and never executed.
 */
export function reviewAnswer(
  stories: Stories,
  answer: Answer,
  context: DecisionContext,
  frame: MarketFrame,
  options: { mayEnter: boolean; sends: boolean; nowMs: number },
): Review {
  const limits = { ...context.limits, minStopDistance: stories.config.arena.guardrails.minStopDistance };
  const used = startUsed(context);
  const rejected: Rejection[] = [];
  const legs: OrderRecord[] = [];
  const exitsFirst = [...answer.decisions].sort(
    (a, b) => Number(b.action.startsWith('close')) - Number(a.action.startsWith('close')),
  );
  for (const decision of exitsFirst) {
    const verdict = judge(decision, context, frame, limits, used, options.mayEnter);
    if (!verdict.accepted) {
      rejected.push({ symbol: decision.symbol, action: decision.action, code: verdict.code, reason: verdict.reason });
      continue;
    }
    legs.push(
      ...sizeDecision(decision, context, frame).map((order) => ({
        ...order,
        status: 'planned' as const,
        oid: null,
        filledSize: 0,
        avgPrice: null,
        error: null,
      })),
    );
  }
  if (legs.length === 0 || !options.sends) return { rejected, orders: { request: null, legs: [] } };
  // The nonce belongs to the slot: a resumed cycle prepares the same bytes.
  const { nonce, expiresAtMs, bytes } = stories.exchange.prepare(
    context.modelId,
    legs,
    context.slotMs,
    options.nowMs + EXPIRES_AFTER_MS,
  );
  return { rejected, orders: { request: { nonce, expiresAtMs, bytes }, legs } };
}

/** Sends the stored bytes and writes the results onto the legs. Sent again after a crash, the exchange answers what it knows. */
export async function sendOrders(
  stories: Stories,
  account: string,
  orders: CycleOrders,
  nowMs: number,
  signal: AbortSignal,
): Promise<CycleOrders> {
  if (orders.request === null) return orders;
  const request = { account, ...orders.request };
  const results = await crossing('call exchange.send', () => stories.exchange.send(request, nowMs, signal));
  for (const [index, { status, error, avgPrice }] of results.entries()) {
    const leg = orders.legs[index];
    stories.logger.info(
      {
        model: account,
        symbol: leg?.symbol,
        leg: leg?.leg,
        side: leg?.side,
        size: leg?.size,
        status,
        price: avgPrice,
        ...(error ? { error } : {}),
      },
      'order',
    );
  }
  const byCloid = new Map(results.map((result) => [result.cloid, result]));
  return { request: orders.request, legs: orders.legs.map((leg) => ({ ...leg, ...byCloid.get(leg.cloid) })) };
}
