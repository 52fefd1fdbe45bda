/**
 * Closing positions by hand: one of a trader, or all of them with all of its orders. The exchange's own view says what is there before
 * and after. Everything may be broken off and done again: an order to close has the same client order id for the same attempt on the
 * same position, reduces and never flips.
 */

import { manualOrderId } from '../domain/ids.ts';
import { CodedError } from '../errors.ts';
import type { ExchangePosition, OpenOrder, OrderIntent, OrderResult } from '../exchange/exchange.ts';
import { audit } from '../store/audit.ts';
import { openPositions } from '../store/positions.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Stories } from './context.ts';
import { syncFills } from './ingest-fills.ts';
import { marketNow } from './market-now.ts';

const EXPIRES_AFTER_MS = 10_000;
/** A market order may fill in part; what is left is closed by the next one. */
const MAX_ROUNDS = 5;

export type ClosedOrder = Pick<OrderIntent, 'symbol' | 'side' | 'size'> &
  Pick<OrderResult, 'status' | 'filledSize' | 'avgPrice' | 'error'>;

export type Left = {
  readonly positions: readonly { readonly symbol: string; readonly quantity: number }[];
  readonly orders: readonly Pick<OpenOrder, 'oid' | 'symbol' | 'kind' | 'side' | 'size'>[];
};

export type Closing = {
  readonly model: string;
  /** Whether nothing is left of what was to be closed. */
  readonly flat: boolean;
  readonly closed: readonly ClosedOrder[];
  /** Orders that were canceled by this call. */
  readonly canceled: number;
  readonly left: Left;
};

type Scope = { readonly model: string; readonly symbol: string | null; readonly who: string; readonly what: string };

/**
 * Closes what the scope names and tells what is left. The caller holds the trader's lease. Orders that could open something go first,
 * then the positions are closed, then their stops and targets go: no position stands without its stop on the way.
 */
export async function closeOut(stories: Stories, scope: Scope, signal: AbortSignal): Promise<Closing> {
  const { model } = scope;
  await sync(stories, model);
  const before = await inScope(stories, scope);
  if (isFlat(before)) return { model, flat: true, closed: [], canceled: 0, left: before };
  const entry = { who: scope.who, what: scope.what, target: targetOf(scope), before: said(before) };
  await audit(stories.db, entry);
  const closed: ClosedOrder[] = [];
  let canceled = await cancel(
    stories,
    model,
    before.orders.filter((order) => !order.reduceOnly),
    signal,
  );
  let now = await inScope(stories, scope);
  for (let round = 0; round < MAX_ROUNDS && now.positions.length > 0; round += 1) {
    const results = await closeAll(stories, model, now.positions, signal);
    closed.push(...results);
    await sync(stories, model);
    now = await inScope(stories, scope);
    if (results.every((result) => result.filledSize === 0)) break;
  }
  const gone = (symbol: string) => now.positions.every((position) => position.symbol !== symbol);
  canceled += await cancel(
    stories,
    model,
    now.orders.filter((order) => gone(order.symbol)),
    signal,
  );
  await sync(stories, model);
  now = await inScope(stories, scope);
  const left = said(now);
  await audit(stories.db, { ...entry, what: `${scope.what} done`, after: { ...left, closed, canceled } });
  return { model, flat: isFlat(now), closed, canceled, left };
}

type InScope = { readonly positions: readonly ExchangePosition[]; readonly orders: readonly OpenOrder[] };

const targetOf = ({ model, symbol }: Scope) => `model:${model}${symbol === null ? '' : ` ${symbol}`}`;
const isFlat = ({ positions, orders }: InScope) => positions.length === 0 && orders.length === 0;

function said({ positions, orders }: InScope): Left {
  return {
    positions: positions.map(({ symbol, quantity }) => ({ symbol, quantity })),
    orders: orders.map(({ oid, symbol, kind, side, size }) => ({ oid, symbol, kind, side, size })),
  };
}

async function inScope({ exchange }: Stories, { model, symbol }: Scope): Promise<InScope> {
  const state = await crossing('call exchange.accountState', () => exchange.accountState(model));
  const mine = (each: { readonly symbol: string }) => symbol === null || each.symbol === symbol;
  return {
    positions: state.positions.filter((position) => mine(position) && position.quantity !== 0),
    orders: state.openOrders.filter(mine),
  };
}

async function sync(stories: Stories, model: string): Promise<void> {
  await syncFills(stories, model, await marketNow(stories), { snapshot: true });
}

async function cancel(
  stories: Stories,
  model: string,
  orders: readonly OpenOrder[],
  signal: AbortSignal,
): Promise<number> {
  if (orders.length === 0) return 0;
  const targets = orders.map(({ symbol, oid }) => ({ symbol, oid }));
  const nowMs = await marketNow(stories);
  const results = await crossing('call exchange.cancel', () => stories.exchange.cancel(model, targets, nowMs, signal));
  return results.filter((result) => result.error === null).length;
}

async function closeAll(
  stories: Stories,
  model: string,
  positions: readonly ExchangePosition[],
  signal: AbortSignal,
): Promise<ClosedOrder[]> {
  const { db, market, exchange, logger } = stories;
  const known = new Map((await openPositions(db, market.provider, [model])).map(({ symbol, id }) => [symbol, id]));
  const orders: OrderIntent[] = [];
  for (const position of positions) {
    // A position that the ledger does not know has no other of its kind before it.
    const cloid = await nextId(stories, model, position.symbol, known.get(position.symbol) ?? 'unknown');
    orders.push(closing(position, cloid));
  }
  const nowMs = await marketNow(stories);
  const request = exchange.prepare(model, orders, nowMs, nowMs + EXPIRES_AFTER_MS);
  const results = await crossing('call exchange.send', () => exchange.send(request, nowMs, signal));
  return orders.map(({ symbol, side, size }, index) => {
    const result = results[index];
    if (result === undefined)
      throw new CodedError('NOF0_EXCHANGE_REJECTED', `the exchange gave no result for the order on ${symbol}`);
    const { status, filledSize, avgPrice, error } = result;
    logger.info({ model, symbol, leg: 'manual', side, size, status, price: avgPrice, error }, 'order');
    return { symbol, side, size, status, filledSize, avgPrice, error };
  });
}

function closing(position: ExchangePosition, cloid: string): OrderIntent {
  return {
    cloid,
    symbol: position.symbol,
    side: position.quantity > 0 ? 'sell' : 'buy',
    size: Math.abs(position.quantity),
    kind: 'market',
    triggerPrice: null,
    reduceOnly: true,
    leverage: position.leverage,
  };
}

/** The id of the first attempt on a position that the exchange does not know: those before it have ended, market orders do at once. */
async function nextId({ exchange }: Stories, model: string, symbol: string, positionId: string): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    const cloid = manualOrderId(model, symbol, positionId, attempt);
    const known = await crossing('call exchange.lookup', () => exchange.lookup(model, [cloid]));
    if (known.length === 0) return cloid;
  }
}
