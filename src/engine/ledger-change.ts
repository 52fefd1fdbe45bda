/** What the fills of a symbol make of its stored rows: pure, from the tail of its ledger and the decisions behind it. */

import type { Fill, LedgerPosition, LedgerTrade } from '../domain/fill.ts';
import { type Leg, readClientOrderId } from '../domain/ids.ts';
import { foldFills } from '../domain/ledger.ts';
import type { OrderRecord } from '../store/decisions.ts';
import {
  type KnownPosition,
  type KnownTrade,
  type LedgerTail,
  type PositionPlan,
  samePosition,
  sameTrade,
} from '../store/ledger.ts';
import type { LedgerChange, PositionWrite, TradeWrite } from '../store/ledger-write.ts';

/** Finer than any exchange's lot; for symbols that nobody knows. */
export const DEFAULT_SIZE_DECIMALS = 8;

export type SymbolChange = {
  readonly symbol: string;
  readonly positions: PositionWrite[];
  readonly gone: KnownPosition[];
  readonly trades: TradeWrite[];
  readonly voided: KnownTrade[];
  /** The position in whose middle the history begins, if that was not known before. */
  readonly adopted: Fill | null;
  /** First entry before which something is missing. */
  readonly gapFillId: string | null;
};

/** Folds a tail and compares. `orders`: those of the decisions that the fills' client order ids lead to. */
export function symbolChange(tail: LedgerTail, orders: readonly OrderRecord[]): SymbolChange {
  const fold = foldFills(tail.fills, {
    sizeDecimals: tail.sizeDecimals ?? DEFAULT_SIZE_DECIMALS,
    priorTrades: new Map(tail.priorTrades.map(({ oid, count }) => [oid, count])),
    fromBeginning: tail.fromBeginning,
  });
  const standing = new Set([...fold.positions, ...fold.trades].map((row) => row.id));
  const gone = tail.positions.filter((row) => !standing.has(row.id));
  const plans = new Plans(orders);
  const positions = fold.positions.map((position) => ({ ...position, ...planOf(position, gone, plans) }));
  const knownPositions = new Map(tail.positions.map((row) => [row.id, row]));
  const knownTrades = new Map(tail.trades.map((row) => [row.id, row]));
  const protection = [...tail.positions, ...positions];
  return {
    symbol: tail.symbol,
    positions: positions.filter((position) => {
      const known = knownPositions.get(position.id);
      return known === undefined || !samePosition(known, position);
    }),
    gone,
    trades: fold.trades.flatMap((trade) => {
      const known = knownTrades.get(trade.id);
      if (known !== undefined && !known.voided && sameTrade(known, trade)) return [];
      return [tradeWrite(trade, known === undefined ? 0 : known.revision + 1, plans, protection)];
    }),
    voided: tail.trades.filter((row) => !standing.has(row.id) && !row.voided),
    // An opening always begins the first position.
    adopted: knownPositions.has(fold.positions[0]?.id ?? '') ? null : fold.opening,
    gapFillId: fold.gapFillId,
  };
}

/** The rows of several symbols as one change. */
export function combined(changes: readonly SymbolChange[]): LedgerChange {
  return {
    positions: changes.flatMap((change) => change.positions),
    gonePositions: changes.flatMap((change) => change.gone.map((row) => row.id)),
    trades: changes.flatMap((change) => change.trades),
    voidedTrades: changes.flatMap((change) => change.voided.map((row) => row.id)),
  };
}

const NO_PLAN: PositionPlan = {
  leverage: null,
  confidence: null,
  stopLoss: null,
  takeProfit: null,
  riskUsd: null,
  invalidationCondition: null,
  slOid: null,
  tpOid: null,
  slippage: null,
  indexCol: null,
};

/** Decisions' orders by client order id, and by the exchange's number where only that one is told. */
class Plans {
  readonly #orders: readonly OrderRecord[];

  constructor(orders: readonly OrderRecord[]) {
    this.#orders = orders;
  }

  /** What the decision said that an entry belongs to, with the protective orders of the same decision. */
  of(entryCloid: string | null): PositionPlan {
    const entry = this.#byCloid(entryCloid);
    if (entry?.plan == null) return NO_PLAN;
    const { leverage, confidence, stopLoss, takeProfit, riskUsd, invalidationCondition } = entry.plan;
    const slOid = this.#protective(entry, 'stop');
    const tpOid = this.#protective(entry, 'target');
    return {
      ...NO_PLAN,
      ...{ leverage, confidence, stopLoss, takeProfit, riskUsd, invalidationCondition },
      ...{ slOid, tpOid },
    };
  }

  legOf(cloid: string | null, oid: number | null): Leg | null {
    const order = this.#byCloid(cloid) ?? this.#orders.find((each) => each.oid !== null && each.oid === oid);
    return order?.leg ?? (cloid === null ? null : (readClientOrderId(cloid)?.leg ?? null));
  }

  #byCloid(cloid: string | null): OrderRecord | undefined {
    return cloid === null ? undefined : this.#orders.find((order) => order.cloid === cloid);
  }

  #protective(entry: OrderRecord, leg: Leg): number | null {
    const slotMs = readClientOrderId(entry.cloid)?.slotMs;
    const found = this.#orders.find(
      (order) =>
        order.leg === leg &&
        order.symbol === entry.symbol &&
        order.oid !== null &&
        readClientOrderId(order.cloid)?.slotMs === slotMs,
    );
    return found?.oid ?? null;
  }
}

/**
 * The plan of a position: that of the row it takes the place of (a late fill may change with which fill a position began, and so its
 * id; what has been attached to it since stays), else that of the decision which opened it.
 */
function planOf(position: LedgerPosition, gone: readonly KnownPosition[], plans: Plans): PositionPlan {
  const endMs = position.exitTsMs ?? Number.POSITIVE_INFINITY;
  const replaced = gone.find(
    (row) => row.side === position.side && row.entryTsMs >= position.entryTsMs && row.entryTsMs <= endMs,
  );
  const decided = plans.of(position.entryCloid);
  if (replaced === undefined) return decided;
  const kept = (name: keyof PositionPlan) => ({ [name]: replaced[name] ?? decided[name] });
  return Object.assign({ ...NO_PLAN }, ...(Object.keys(NO_PLAN) as (keyof PositionPlan)[]).map(kept));
}

function tradeWrite(
  trade: LedgerTrade,
  revision: number,
  plans: Plans,
  protection: readonly Pick<PositionPlan, 'slOid' | 'tpOid'>[],
): TradeWrite {
  const plan = plans.of(trade.entryCloid);
  return {
    ...trade,
    revision,
    leverage: plan.leverage,
    confidence: plan.confidence,
    exitPlan: {
      profit_target: plan.takeProfit,
      stop_loss: plan.stopLoss,
      invalidation_condition: plan.invalidationCondition,
    },
    exitReason: exitReason(trade, plans, protection),
  };
}

/**
 * Why a trade ended. Orders of decisions are known by their client order id or number, stops and targets also by what is attached to
 * the position. Everything else was somebody's own order at the exchange.
 */
function exitReason(
  trade: LedgerTrade,
  plans: Plans,
  protection: readonly Pick<PositionPlan, 'slOid' | 'tpOid'>[],
): string {
  if (trade.exitLiquidation) return 'liquidation';
  const leg = plans.legOf(trade.exitCloid, trade.exitOid);
  if (leg === 'stop') return 'stop_loss';
  if (leg === 'target') return 'take_profit';
  if (leg === 'close' || leg === 'entry') return 'signal';
  if (leg === null && trade.exitOid !== null) {
    if (protection.some((row) => row.slOid === trade.exitOid)) return 'stop_loss';
    if (protection.some((row) => row.tpOid === trade.exitOid)) return 'take_profit';
  }
  return 'manual';
}
