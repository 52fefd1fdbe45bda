/** Orders as Hyperliquid wants them written. The order of the keys is part of what is signed. */

import { gridSize, roundPrice } from '../../domain/rounding.ts';
import { CodedError } from '../../errors.ts';
import type { MarginMode, OrderIntent, OrderTarget } from '../exchange.ts';

/** What the numbers of an instrument's orders depend on. `asset`: its place in the universe. */
export type InstrumentTerms = { readonly asset: number; readonly sizeDecimals: number };
export type TermsOf = (symbol: string) => InstrumentTerms;
/** The newest price of a symbol; null when none is known. */
export type PriceOf = (symbol: string) => number | null;

/** An action, and the client order ids of the orders in it, in their order. */
export type Action = { readonly body: Record<string, unknown>; readonly cloids: readonly string[] };

/** How far from the price that is known an order without a limit may be filled, as the exchange's own page does it. */
const WORST_SLIPPAGE = 0.08;
const MAX_DECIMALS = 8;

/** A number as the exchange hashes it: no exponent, no trailing zeros. */
export function wireNumber(value: number): string {
  const text = value.toFixed(MAX_DECIMALS);
  return text.replace(/\.?0+$/, '');
}

function wireOrder(order: OrderIntent, termsOf: TermsOf, priceOf: PriceOf): Record<string, unknown> {
  const { asset, sizeDecimals } = termsOf(order.symbol);
  const price = roundPrice(worstPrice(order, priceOf), sizeDecimals, order.side);
  return {
    a: asset,
    b: order.side === 'buy',
    p: wireNumber(price),
    s: wireNumber(gridSize(order.size, sizeDecimals)),
    r: order.reduceOnly,
    t: orderType(order),
    c: order.cloid,
  };
}

function orderType(order: OrderIntent): Record<string, unknown> {
  if (order.kind === 'market') return { limit: { tif: 'Ioc' } };
  if (order.kind === 'limit') return { limit: { tif: order.tif ?? 'Gtc' } };
  if (order.triggerPrice === null) throw invalid(order, 'has no trigger price');
  const tpsl = order.kind === 'stop' ? 'sl' : 'tp';
  return { trigger: { isMarket: true, triggerPx: wireNumber(order.triggerPrice), tpsl } };
}

/** Every order names a price here: a market order the worst it takes, a trigger the worst once it is touched. */
function worstPrice(order: OrderIntent, priceOf: PriceOf): number {
  if (order.limitPrice) return order.limitPrice;
  const near = order.triggerPrice ?? priceOf(order.symbol);
  if (order.kind === 'limit' || near === null)
    throw invalid(order, 'has no limit price, and no price is known to give it one');
  return near * (order.side === 'buy' ? 1 + WORST_SLIPPAGE : 1 - WORST_SLIPPAGE);
}

function invalid(order: OrderIntent, fault: string): CodedError {
  return new CodedError('NOF0_ORDER_INVALID', `order ${order.cloid} (${order.symbol}) ${fault}`);
}

/**
 * Orders as actions, in their order: an order with its children is one, so that no moment is without its stop. An action holds one
 * symbol, and either closes or opens: when the leverage for an entry is refused, nothing else need stay behind with it.
 */
export function orderActions(orders: readonly OrderIntent[], termsOf: TermsOf, priceOf: PriceOf): Action[] {
  const batches: { grouping: string; kind: string; orders: OrderIntent[] }[] = [];
  orders.forEach((order, i) => {
    const last = batches.at(-1);
    const parent = order.grouping !== 'normalTpsl' && orders[i + 1]?.grouping === 'normalTpsl';
    const grouping = parent ? 'normalTpsl' : (order.grouping ?? 'na');
    const kind = `${order.symbol} ${isClose(order)}`;
    if (last?.grouping === grouping && last.kind === kind && !parent) last.orders.push(order);
    else batches.push({ grouping, kind, orders: [order] });
  });
  return batches.map((batch) => ({
    body: {
      type: 'order',
      orders: batch.orders.map((order) => wireOrder(order, termsOf, priceOf)),
      grouping: batch.grouping,
    },
    cloids: batch.orders.map((order) => order.cloid),
  }));
}

/** Takes a position back at once; stops and targets belong to what opens. */
export function isClose(order: OrderIntent): boolean {
  return order.reduceOnly && (order.kind === 'market' || order.kind === 'limit');
}

export function leverageAction(asset: number, leverage: number, marginMode: MarginMode): Record<string, unknown> {
  return { type: 'updateLeverage', asset, isCross: marginMode === 'cross', leverage };
}

/** Cancels by the exchange's numbers and by ours are two kinds of action; `places` say which targets each one holds. */
export function cancelActions(
  targets: readonly OrderTarget[],
  termsOf: TermsOf,
): { body: Record<string, unknown>; places: number[] }[] {
  const placed = targets.map((target, place) => ({ target, place, asset: termsOf(target.symbol).asset }));
  const byOid = placed.flatMap(({ target, place, asset }) =>
    'oid' in target ? [{ place, row: { a: asset, o: target.oid } }] : [],
  );
  const byCloid = placed.flatMap(({ target, place, asset }) =>
    'cloid' in target ? [{ place, row: { asset, cloid: target.cloid } }] : [],
  );
  return [
    { type: 'cancel', rows: byOid },
    { type: 'cancelByCloid', rows: byCloid },
  ].flatMap(({ type, rows }) =>
    rows.length === 0
      ? []
      : [{ body: { type, cancels: rows.map(({ row }) => row) }, places: rows.map(({ place }) => place) }],
  );
}

export function modifyAction(
  target: OrderTarget,
  order: OrderIntent,
  termsOf: TermsOf,
  priceOf: PriceOf,
): Record<string, unknown> {
  const oid = 'oid' in target ? target.oid : target.cloid;
  return { type: 'modify', oid, order: wireOrder(order, termsOf, priceOf) };
}
