/** Account state: `clearinghouseState` and `frontendOpenOrders` → the platform's account. */

import { z } from 'zod';
import { coin, decimal, unixMs, wireId } from '../../hyperliquid/wire.ts';
import type { AccountState, ExchangePosition, OpenOrder } from '../exchange.ts';

const position = z.object({
  coin,
  szi: decimal,
  entryPx: decimal.nullable(),
  positionValue: decimal,
  unrealizedPnl: decimal,
  marginUsed: decimal,
  liquidationPx: decimal.nullable(),
  leverage: z.object({ type: z.enum(['cross', 'isolated']), value: z.number().min(1) }),
});

/** Answers of 2023 have neither `time` nor `crossMaintenanceMarginUsed`. */
export const accountBody = z.object({
  marginSummary: z.object({ accountValue: decimal, totalMarginUsed: decimal }),
  crossMaintenanceMarginUsed: decimal.optional(),
  withdrawable: decimal,
  assetPositions: z.array(z.object({ position })),
  time: unixMs.optional(),
});
export type AccountBody = z.infer<typeof accountBody>;

function toPosition(row: z.infer<typeof position>): ExchangePosition {
  const markPrice = row.positionValue / Math.abs(row.szi);
  return {
    symbol: row.coin,
    quantity: row.szi,
    entryPrice: row.entryPx ?? markPrice,
    leverage: row.leverage.value,
    markPrice,
    marginMode: row.leverage.type,
    marginUsedUsd: row.marginUsed,
    liquidationPrice: row.liquidationPx,
  };
}

const openOrder = z.object({
  coin,
  side: z.enum(['A', 'B']),
  limitPx: decimal,
  sz: decimal,
  oid: wireId,
  isTrigger: z.boolean(),
  triggerPx: decimal,
  reduceOnly: z.boolean(),
  isPositionTpsl: z.boolean(),
  orderType: z.string(),
  cloid: z.string().nullish(),
  children: z.array(z.object({ oid: wireId })),
});
export const openOrdersBody = z.array(openOrder);

function toOpenOrder(row: z.infer<typeof openOrder>, sleeping: ReadonlySet<number>): OpenOrder {
  const kind = !row.isTrigger ? 'limit' : row.orderType.startsWith('Stop') ? 'stop' : 'target';
  return {
    oid: row.oid,
    cloid: row.cloid ?? null,
    symbol: row.coin,
    side: row.side === 'B' ? 'buy' : 'sell',
    kind,
    size: row.isPositionTpsl ? 0 : row.sz,
    limitPrice: kind === 'limit' ? row.limitPx : null,
    triggerPrice: row.isTrigger ? row.triggerPx : null,
    reduceOnly: row.reduceOnly,
    waitsForFill: sleeping.has(row.oid),
  };
}

/** Orders that stand. Children of an order that stands itself are listed twice: with it, and as what they are. */
export function toOpenOrders(rows: z.infer<typeof openOrdersBody>): OpenOrder[] {
  const sleeping = new Set(rows.flatMap((row) => row.children.map((child) => child.oid)));
  return rows.map((row) => toOpenOrder(row, sleeping));
}

export function toAccountState(body: AccountBody, openOrders: readonly OpenOrder[]): AccountState {
  return {
    equityUsd: body.marginSummary.accountValue,
    availableUsd: body.withdrawable,
    marginUsedUsd: body.marginSummary.totalMarginUsed,
    maintenanceMarginUsd: body.crossMaintenanceMarginUsed ?? 0,
    positions: body.assetPositions.map((row) => toPosition(row.position)).filter(({ quantity }) => quantity !== 0),
    openOrders,
    headSeq: null,
    matchedMs: null,
  };
}
