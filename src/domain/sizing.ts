/** Accepted decisions → orders with sizes. Pure, so a resumed cycle that has not stored its orders yet sizes them the same. */

import type { Decision, DecisionContext, FrameAsset, MarketFrame } from './decision.ts';
import { clientOrderId, type Leg } from './ids.ts';
import { grantedLeverage } from './limits.ts';
import { floorSize, roundPrice } from './rounding.ts';

export type SizedOrder = {
  readonly cloid: string;
  readonly leg: Leg;
  readonly symbol: string;
  readonly side: 'buy' | 'sell';
  readonly size: number;
  readonly kind: 'market' | 'stop' | 'target';
  readonly triggerPrice: number | null;
  readonly reduceOnly: boolean;
  readonly leverage: number;
  /** A stop and a target belong to the entry before them: they have its size, and one of them filled cancels the other. */
  readonly grouping?: 'normalTpsl';
  /** What goes onto the position that an entry opens. */
  readonly plan: {
    readonly leverage: number;
    readonly confidence: number;
    readonly stopLoss: number | null;
    readonly takeProfit: number | null;
    readonly riskUsd: number | null;
    readonly invalidationCondition: string | null;
  } | null;
};

/** An entry as it would be sent. `notionalUsd` is what was asked for; the size is floored to the grid and never above it. */
export type EntryPlan = {
  readonly notionalUsd: number;
  readonly size: number;
  readonly leverage: number;
  readonly marginUsd: number;
  /** As the exchange accepts them; null where none was given. */
  readonly stopLoss: number | null;
  readonly takeProfit: number | null;
};

/** Size, granted leverage and rounded prices of an entry. The guardrails judge these, not what was asked for. */
export function planEntry(decision: Decision, asset: FrameAsset): EntryPlan {
  const notionalUsd = decision.position_size_usd ?? 0;
  const leverage = grantedLeverage(decision.leverage);
  const exit = decision.action === 'open_long' ? 'sell' : 'buy';
  const price = (value: number | null | undefined) =>
    value === null || value === undefined ? null : roundPrice(value, asset.sizeDecimals, exit, asset.tickSize);
  return {
    notionalUsd,
    size: floorSize(notionalUsd / asset.price, asset.sizeDecimals),
    leverage,
    marginUsd: notionalUsd / leverage,
    stopLoss: price(decision.stop_loss),
    takeProfit: price(decision.take_profit),
  };
}

/**
 * Orders of one accepted decision: a close, or an entry with its stop and target. The size comes from the granted notional and the
 * frame's price, floored to the instrument's grid; what the model expects to pay plays no part.
 */
export function sizeDecision(decision: Decision, context: DecisionContext, frame: MarketFrame): SizedOrder[] {
  const asset = frame.assets[decision.symbol];
  if (decision.action === 'hold' || asset === undefined) return [];
  const id = (leg: Leg) => clientOrderId(context.modelId, context.slotMs, leg, decision.symbol);
  if (decision.action.startsWith('close')) {
    const held = context.positions.find((position) => position.symbol === decision.symbol);
    if (held === undefined) return [];
    return [
      {
        cloid: id('close'),
        leg: 'close',
        symbol: decision.symbol,
        side: held.quantity > 0 ? 'sell' : 'buy',
        size: Math.abs(held.quantity),
        kind: 'market',
        triggerPrice: null,
        reduceOnly: true,
        leverage: held.leverage,
        plan: null,
      },
    ];
  }
  const { size, leverage, stopLoss, takeProfit } = planEntry(decision, asset);
  if (size <= 0) return [];
  const side = decision.action === 'open_long' ? 'buy' : 'sell';
  const exit = side === 'buy' ? 'sell' : 'buy';
  const plan = {
    leverage,
    confidence: decision.confidence,
    stopLoss,
    takeProfit,
    riskUsd: decision.risk_usd ?? null,
    invalidationCondition: decision.invalidation_condition ?? null,
  };
  const common = { symbol: decision.symbol, size, leverage };
  return [
    {
      ...common,
      cloid: id('entry'),
      leg: 'entry' as const,
      side,
      kind: 'market' as const,
      triggerPrice: null,
      reduceOnly: false,
      plan,
    },
    ...(stopLoss === null
      ? []
      : ([
          {
            ...common,
            cloid: id('stop'),
            leg: 'stop' as const,
            side: exit,
            kind: 'stop' as const,
            triggerPrice: stopLoss,
            reduceOnly: true,
            grouping: 'normalTpsl' as const,
            plan: null,
          },
        ] as const)),
    ...(takeProfit === null
      ? []
      : ([
          {
            ...common,
            cloid: id('target'),
            leg: 'target' as const,
            side: exit,
            kind: 'target' as const,
            triggerPrice: takeProfit,
            reduceOnly: true,
            grouping: 'normalTpsl' as const,
            plan: null,
          },
        ] as const)),
  ];
}

/** The order that closes what an entry of this cycle has opened, because its stop was not placed. */
export function guardOrder(
  entry: Pick<SizedOrder, 'symbol' | 'side' | 'leverage'> & { readonly filledSize: number },
  context: { readonly modelId: string; readonly slotMs: number },
): SizedOrder {
  return {
    cloid: clientOrderId(context.modelId, context.slotMs, 'guard', entry.symbol),
    leg: 'guard',
    symbol: entry.symbol,
    side: entry.side === 'buy' ? 'sell' : 'buy',
    size: entry.filledSize,
    kind: 'market',
    triggerPrice: null,
    reduceOnly: true,
    leverage: entry.leverage,
    plan: null,
  };
}
