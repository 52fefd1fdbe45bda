/** The bytes of a request to the paper exchange. */

import { z } from 'zod';
import { CodedError } from '../../errors.ts';
import type { OrderIntent, PreparedOrders } from '../exchange.ts';

const orderSchema = z.object({
  cloid: z.string().min(1),
  symbol: z.string(),
  side: z.enum(['buy', 'sell']),
  size: z.number(),
  kind: z.enum(['market', 'limit', 'stop', 'target']),
  triggerPrice: z.number().nullable(),
  limitPrice: z.number().nullable().default(null),
  tif: z.enum(['Gtc', 'Ioc', 'Alo']).default('Gtc'),
  grouping: z.enum(['na', 'normalTpsl', 'positionTpsl']).default('na'),
  reduceOnly: z.boolean(),
  leverage: z.number().min(1),
  marginMode: z.enum(['cross', 'isolated']).optional(),
});

const requestSchema = z.object({
  account: z.string(),
  nonce: z.number(),
  expiresAtMs: z.number(),
  orders: z.array(orderSchema),
});

export type WireRequest = {
  readonly account: string;
  readonly expiresAtMs: number;
  readonly orders: readonly OrderIntent[];
};

export function encodeRequest(
  account: string,
  orders: readonly OrderIntent[],
  nonce: number,
  expiresAtMs: number,
): PreparedOrders {
  return { account, nonce, expiresAtMs, bytes: JSON.stringify({ account, nonce, expiresAtMs, orders }) };
}

/** Throws NOF0_EXCHANGE_REJECTED for bytes that are no request: what is wrong with a single order is told by its result instead. */
export function decodeRequest(bytes: string): WireRequest {
  const parsed = requestSchema.safeParse(json(bytes));
  if (!parsed.success)
    throw new CodedError('NOF0_EXCHANGE_REJECTED', `not a request of orders: ${z.prettifyError(parsed.error)}`);
  const { account, expiresAtMs, orders } = parsed.data;
  return { account, expiresAtMs, orders: orders.map(withoutHoles) };
}

/** An optional field is either there or not; `undefined` is neither. */
function withoutHoles({ marginMode, ...order }: z.infer<typeof orderSchema>): OrderIntent {
  return marginMode === undefined ? order : { ...order, marginMode };
}

function json(bytes: string): unknown {
  try {
    return JSON.parse(bytes);
  } catch (error) {
    throw new CodedError('NOF0_EXCHANGE_REJECTED', 'not a request of orders: no JSON', { cause: error });
  }
}
