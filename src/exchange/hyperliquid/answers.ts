/** What `/exchange` and `orderStatus` answer. Errors of single orders come inside of answers that are `ok`. */

import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import { decimal, unixMs, wireId } from '../../hyperliquid/wire.ts';
import type { OrderResult } from '../exchange.ts';
import { orderErrorCode, statusCode, wordsOf } from './order-errors.ts';

const status = z.union([
  z.object({ resting: z.object({ oid: wireId }) }),
  z.object({ filled: z.object({ totalSz: decimal, avgPx: decimal, oid: wireId }) }),
  z.object({ error: z.string() }),
  // Orders that sleep, and cancels that worked.
  z.enum(['waitingForFill', 'waitingForTrigger', 'success']),
]);
export type Status = z.infer<typeof status>;

export const exchangeAnswer = z.discriminatedUnion('status', [
  z.object({ status: z.literal('err'), response: z.string() }),
  z.object({
    status: z.literal('ok'),
    response: z.object({ type: z.string(), data: z.object({ statuses: z.array(status) }).optional() }),
  }),
]);
export type ExchangeAnswer = z.infer<typeof exchangeAnswer>;

/** The statuses of `count` orders. A fault found before any order was looked at is told once for all of them. */
export function statusesOf(answer: ExchangeAnswer, count: number): Status[] {
  const statuses = answer.status === 'ok' ? (answer.response.data?.statuses ?? []) : [];
  const [only] = statuses;
  if (statuses.length === 1 && only !== undefined && typeof only === 'object' && 'error' in only)
    return Array.from({ length: count }, () => only);
  return statuses;
}

/** An order's status as its result. */
export function resultOf(cloid: string, answered: Status | undefined): OrderResult & { code: ErrorCode | null } {
  const none = { cloid, oid: null, filledSize: 0, avgPrice: null, error: null, code: null };
  if (answered === undefined)
    return rejected(cloid, 'The exchange answered nothing about this order.', 'NOF0_EXCHANGE_DATA');
  if (typeof answered === 'string') return { ...none, status: 'resting' };
  if ('error' in answered) return rejected(cloid, wordsOf(answered.error), orderErrorCode(answered.error));
  if ('resting' in answered) return { ...none, status: 'resting', oid: answered.resting.oid };
  const { oid, totalSz, avgPx } = answered.filled;
  return { ...none, status: 'filled', oid, filledSize: totalSz, avgPrice: avgPx };
}

export function rejected(cloid: string, error: string, code: ErrorCode) {
  return { cloid, status: 'rejected' as const, oid: null, filledSize: 0, avgPrice: null, error, code };
}

export const orderStatusBody = z.discriminatedUnion('status', [
  z.object({ status: z.literal('unknownOid') }),
  z.object({
    status: z.literal('order'),
    order: z.object({
      order: z.object({ oid: wireId, sz: decimal, origSz: decimal, isTrigger: z.boolean().default(false) }),
      status: z.string(),
      statusTimestamp: unixMs,
    }),
  }),
]);

/** An order that was looked up; null when the exchange has never heard of it. What it was filled at is told by its fills alone. */
export function lookedUp(
  cloid: string,
  body: z.infer<typeof orderStatusBody>,
): (OrderResult & { code: ErrorCode | null }) | null {
  if (body.status === 'unknownOid') return null;
  const { order, status: state } = body.order;
  const filledSize = Math.max(0, order.origSz - order.sz);
  const base = { cloid, oid: order.oid, avgPrice: null, code: statusCode(state) };
  if (state === 'open' || state === 'triggered') return { ...base, status: 'resting', filledSize, error: null };
  // Taken in part, with the rest let go: that is how a market order ends in a thin book.
  if (state === 'filled') return { ...base, status: 'filled', filledSize: filledSize || order.origSz, error: null };
  if (filledSize > 0 && !order.isTrigger) return { ...base, status: 'filled', filledSize, error: null, code: null };
  const ended = /Rejected$|^rejected$/.test(state) ? ('rejected' as const) : ('canceled' as const);
  return { ...base, status: ended, filledSize, error: state };
}
