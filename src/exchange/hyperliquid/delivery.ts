/**
 * Signed requests on their way to the exchange. What is sent is the very text that was stored; it may be sent again, because the
 * exchange takes a number (nonce) only once; and when nobody answers, the orders are looked up by their client order ids.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CodedError } from '../../errors.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import type { OrderResult } from '../exchange.ts';
import {
  type ExchangeAnswer,
  exchangeAnswer,
  lookedUp,
  orderStatusBody,
  rejected,
  resultOf,
  statusesOf,
} from './answers.ts';
import { requestError } from './order-errors.ts';

const signed = z.object({
  action: z.looseObject({ type: z.string() }),
  nonce: z.int(),
  signature: z.object({ r: z.string(), s: z.string(), v: z.int() }),
  vaultAddress: z.string().nullable(),
  expiresAfter: z.int(),
});
export type SignedRequest = z.infer<typeof signed>;

/**
 * What `PreparedOrders.bytes` holds. `cloids`: all orders as they were given; of a request, those inside of it, and of a change of
 * leverage those that depend on it.
 */
export const wirePackage = z.object({
  user: z.string(),
  cloids: z.array(z.string()),
  requests: z.array(z.object({ request: signed, cloids: z.array(z.string()) })),
});
export type WirePackage = z.infer<typeof wirePackage>;

export type Timing = {
  /** Ours, ms; market and wall are the same on a real exchange. */
  readonly expiresAtMs: number;
  readonly signal: AbortSignal;
};

/** Tries of one request that nobody answered. */
const TRIES = 3;
const RETRY_MS = 200;
/** After the expiry a request can still be on its way into a block, and clocks differ. */
const MARGIN_MS = 1000;
const EXPIRED = 'Order expired before it reached the exchange.';

export class Delivery {
  readonly #client: HyperliquidClient;

  constructor(client: HyperliquidClient) {
    this.#client = client;
  }

  /**
   * Delivers the requests in their order; one result an order. Throws NOF0_EXCHANGE_UNAVAILABLE when what became of an order cannot be
   * found out now: delivered again later, it goes on where it stopped.
   */
  async deliver(wire: WirePackage, timing: Timing): Promise<OrderResult[]> {
    const results = new Map<string, OrderResult>();
    for (const { request, cloids } of wire.requests) {
      const left = cloids.filter((cloid) => !results.has(cloid));
      if (left.length === 0) continue;
      const answered = await this.#deliverOne(wire.user, request, cloids, timing);
      for (const result of answered) if (!results.has(result.cloid)) results.set(result.cloid, result);
    }
    return wire.cloids.map((cloid) => results.get(cloid) ?? resultOf(cloid, undefined));
  }

  async #deliverOne(
    user: string,
    request: SignedRequest,
    cloids: readonly string[],
    timing: Timing,
  ): Promise<OrderResult[]> {
    const carriesOrders = request.action.type === 'order';
    const answer = await this.#answer(request, timing);
    if (answer === null) return carriesOrders ? this.#find(user, cloids, timing) : unconfirmed(cloids, timing);
    if (answer.status === 'err') {
      const error = requestError(answer.response);
      // The number was used: by an earlier delivery of these very bytes.
      if (error.code === 'NOF0_EXCHANGE_NONCE') return carriesOrders ? this.#find(user, cloids, timing) : [];
      return cloids.map((cloid) => rejected(cloid, answer.response, error.code));
    }
    if (!carriesOrders) return [];
    const statuses = statusesOf(answer, cloids.length);
    const results = cloids.map((cloid, i) => resultOf(cloid, statuses[i]));
    return this.#withChildren(user, request, results);
  }

  /**
   * Of the children of an order that was taken the exchange only says that they wait. They are looked up: for their numbers, and because an
   * order that was taken in part may have taken them with it.
   */
  async #withChildren(user: string, request: SignedRequest, results: OrderResult[]): Promise<OrderResult[]> {
    const [parent, ...children] = results;
    const asked = z
      .array(z.object({ s: z.string() }))
      .catch([])
      .parse(request.action.orders)[0];
    if (request.action.grouping !== 'normalTpsl' || parent?.status !== 'filled') return results;
    const inPart = parent.filledSize < Number(asked?.s ?? 0);
    const unclear = children.filter((child) => inPart || (child.status === 'resting' && child.oid === null));
    const found = await this.lookup(
      user,
      unclear.map((child) => child.cloid),
    );
    const byCloid = new Map(found.map((result) => [result.cloid, result]));
    return results.map((result) => byCloid.get(result.cloid) ?? result);
  }

  /** The exchange's answer to these bytes; null when it is not known whether it saw them, or when it is too late to send them. */
  async #answer(request: SignedRequest, timing: Timing): Promise<ExchangeAnswer | null> {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      if (Date.now() >= timing.expiresAtMs) return null;
      timing.signal.throwIfAborted();
      try {
        const body = await this.#client.post(request, request.action.type, actionsIn(request), timing.signal);
        return this.#client.parse(exchangeAnswer, body, request.action.type, 'exchange');
      } catch (error) {
        timing.signal.throwIfAborted();
        if (!(error instanceof CodedError)) throw error;
        if (error.code === 'NOF0_EXCHANGE_REJECTED') throw error;
        // Not answered, answered with what nobody understands, or told to come later: the bytes may be sent again, or be known already.
        if (attempt < TRIES) await sleep(RETRY_MS * attempt, undefined, { signal: timing.signal });
      }
    }
    return null;
  }

  /** Orders by their ids. "Unknown" means "never placed" only once the request has expired; until then it may be on its way. */
  async #find(user: string, cloids: readonly string[], timing: Timing): Promise<OrderResult[]> {
    const found = new Map((await this.lookup(user, cloids)).map((result) => [result.cloid, result]));
    if (found.size < cloids.length) {
      const settledMs = timing.expiresAtMs + MARGIN_MS;
      const waitMs = settledMs - Date.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: timing.signal });
      const missing = cloids.filter((cloid) => !found.has(cloid));
      if (waitMs > 0) for (const result of await this.lookup(user, missing)) found.set(result.cloid, result);
    }
    return cloids.map((cloid) => found.get(cloid) ?? rejected(cloid, EXPIRED, 'NOF0_EXCHANGE_EXPIRED'));
  }

  /** What became of orders; unknown ones are left out. */
  async lookup(user: string, cloids: readonly string[]): Promise<OrderResult[]> {
    const results: OrderResult[] = [];
    for (const cloid of cloids) {
      const request = { type: 'orderStatus', user, oid: cloid };
      const result = lookedUp(cloid, await this.#client.info(request, orderStatusBody, 'exchange'));
      if (result !== null) results.push(result);
    }
    return results;
  }
}

/** Nobody enters with a leverage that may not be set: what depends on it waits for another delivery, or for nothing any more. */
function unconfirmed(cloids: readonly string[], timing: Timing): OrderResult[] {
  if (Date.now() >= timing.expiresAtMs) return cloids.map((cloid) => rejected(cloid, EXPIRED, 'NOF0_EXCHANGE_EXPIRED'));
  throw new CodedError('NOF0_EXCHANGE_UNAVAILABLE', 'Hyperliquid did not answer to a change of leverage');
}

function actionsIn(request: SignedRequest): number {
  const { orders, cancels } = request.action;
  return [orders, cancels].reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0) || 1;
}
