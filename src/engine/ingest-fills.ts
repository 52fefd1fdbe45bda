/** The one door into the ledger: fills of an exchange → fills, positions, trades, account, and what must follow from them. */

import type { Fill } from '../domain/fill.ts';
import { readClientOrderId } from '../domain/ids.ts';
import { foldFills } from '../domain/ledger.ts';
import { refresh } from '../domain/published-keys.ts';
import { CodedError } from '../errors.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import type { Queryable } from '../store/database.ts';
import { type OrderRecord, ordersOfSlots } from '../store/decisions.ts';
import { addEffects, type NewEffect } from '../store/effects.ts';
import * as ledger from '../store/ledger.ts';
import { marketAssets } from '../store/market.ts';
import { crossing } from '../telemetry/boundaries.ts';
import { committed, type Stories } from './context.ts';

const NO_PLAN: ledger.PositionPlan = {
  leverage: null,
  confidence: null,
  stopLoss: null,
  takeProfit: null,
  riskUsd: null,
  invalidationCondition: null,
};
const DEFAULT_SIZE_DECIMALS = 8;

/** Whether new fills ask for a snapshot of the model; a snapshot that syncs them itself does not. */
export type FollowUp = { readonly snapshot: boolean };

/** Fetches what the exchange has beyond the ledger and ingests it. Returns how many fills were new. */
export async function syncFills(stories: Stories, modelId: string, asOfMs: number, follow: FollowUp): Promise<number> {
  const head = (await ledger.ledgerHeads(stories.db, [modelId])).get(modelId) ?? 0;
  const fills = await crossing('call exchange.fillsSince', () => stories.exchange.fillsSince(modelId, head));
  if (fills.length === 0) return 0;
  return ingestFills(
    stories,
    modelId,
    fills.map((fill) => ({ ...fill, modelId })),
    asOfMs,
    follow,
  );
}

/**
 * Ingests fills of one model, in whatever order and however often they come: insert or ignore, fold again from the last flat point
 * before the earliest new one, write the difference, all under the account's row lock and in one transaction with its effects.
 */
export async function ingestFills(
  stories: Stories,
  modelId: string,
  fills: readonly Fill[],
  asOfMs: number,
  follow: FollowUp,
): Promise<number> {
  const assets = new Map(
    (await marketAssets(stories.db, stories.market.provider)).map((asset) => [asset.symbol, asset.sizeDecimals]),
  );
  const { count, effects } = await committed(stories, 'ingest-fills', () =>
    stories.db.transaction(async (tx) => {
      if (!(await ledger.lockAccount(tx, modelId)))
        throw new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${modelId}"`);
      const ids = await ledger.insertFills(tx, fills);
      // Once each, though pages of a history may overlap within one batch.
      const fresh = [...new Map(fills.map((fill) => [fill.id, fill])).values()].filter((fill) => ids.has(fill.id));
      if (fresh.length === 0) return { count: 0, effects: [] };
      const version = await ledger.moveAccount(tx, modelId, fresh);
      const changes: TradeChange[] = [];
      for (const symbol of tradedSymbols(fresh)) {
        const earliest = Math.min(
          ...fresh.filter((fill) => fill.symbol === symbol && fill.kind !== 'funding').map((fill) => fill.tsMs),
        );
        changes.push(...(await refold(tx, modelId, symbol, earliest, assets.get(symbol) ?? DEFAULT_SIZE_DECIMALS)));
      }
      return {
        count: fresh.length,
        effects: await addEffects(tx, effectsOf(modelId, version, changes, asOfMs, follow)),
      };
    }),
  );
  for (const { payload, kind } of effects)
    if (kind === 'stream') stories.logger.info({ model: modelId, ...payload }, 'trade');
  await stories.drain(effects);
  return count;
}

function tradedSymbols(fills: readonly Fill[]): string[] {
  return [
    ...new Set(fills.filter((fill) => fill.kind === 'trade' || fill.kind === 'opening').map((fill) => fill.symbol)),
  ].sort();
}

type TradeChange = {
  readonly event: 'trade' | 'trade.revised' | 'trade.voided';
  readonly id: string;
  readonly revision: number;
  readonly fields: Record<string, string | number>;
};

/** Folds one symbol again and writes what differs. Returns what happened to its trades. */
async function refold(
  tx: Queryable,
  modelId: string,
  symbol: string,
  earliestMs: number,
  sizeDecimals: number,
): Promise<TradeChange[]> {
  const fills = await ledger.fillsFromFlat(tx, modelId, symbol, earliestMs);
  const fromMs = Math.min(...fills.map((fill) => fill.tsMs));
  const oids = [...new Set(fills.flatMap((fill) => fill.oid ?? []))];
  const priorTrades = await ledger.tradesBefore(tx, modelId, symbol, fromMs, oids);
  const fold = foldFills(fills, { sizeDecimals, priorTrades });
  const known = new Map((await ledger.tradesFrom(tx, modelId, symbol, fromMs)).map((trade) => [trade.id, trade]));
  const orders = await ordersBehind(tx, modelId, fills);
  const planOf = (cloid: string | null) => (cloid === null ? undefined : orders.get(cloid)?.plan) ?? NO_PLAN;

  await ledger.writePositions(
    tx,
    modelId,
    symbol,
    fromMs,
    fold.positions.map((position) => ({ ...position, ...planOf(position.entryCloid) })),
  );
  const changed = fold.trades.filter(
    (trade) => known.get(trade.id)?.figures !== ledger.tradeFigures(trade) || known.get(trade.id)?.voided,
  );
  const writes = changed.map((trade) => {
    const plan = planOf(trade.entryCloid);
    const before = known.get(trade.id);
    return {
      ...trade,
      revision: before ? before.revision + 1 : 0,
      leverage: plan.leverage,
      confidence: plan.confidence,
      exitPlan: {
        profit_target: plan.takeProfit,
        stop_loss: plan.stopLoss,
        invalidation_condition: plan.invalidationCondition,
      },
      exitReason: exitReason(trade, orders),
    };
  });
  await ledger.writeTrades(tx, writes);
  const standing = new Set(fold.trades.map((trade) => trade.id));
  const gone = [...known.values()].filter((trade) => !standing.has(trade.id) && !trade.voided);
  await ledger.voidTrades(
    tx,
    gone.map((trade) => trade.id),
  );
  return [
    ...writes.map((trade) => ({
      event: trade.revision > 0 ? ('trade.revised' as const) : ('trade' as const),
      id: trade.id,
      revision: trade.revision,
      fields: tradeFields(trade),
    })),
    ...gone.map((trade) => ({
      event: 'trade.voided' as const,
      id: trade.id,
      revision: trade.revision + 1,
      fields: { model_id: modelId, symbol },
    })),
  ];
}

/** The decisions' orders that the fills belong to, by client order id. */
async function ordersBehind(tx: Queryable, modelId: string, fills: readonly Fill[]): Promise<Map<string, OrderRecord>> {
  const slots = new Set(
    fills.flatMap((fill) => (fill.cloid === null ? [] : (readClientOrderId(fill.cloid)?.slotMs ?? []))),
  );
  return new Map((await ordersOfSlots(tx, modelId, [...slots])).map((order) => [order.cloid, order]));
}

function exitReason(
  trade: { exitCloid: string | null; exitLiquidation: boolean },
  orders: ReadonlyMap<string, OrderRecord>,
): string {
  if (trade.exitLiquidation) return 'liquidation';
  const leg =
    trade.exitCloid === null
      ? undefined
      : (orders.get(trade.exitCloid)?.leg ?? readClientOrderId(trade.exitCloid)?.leg);
  if (leg === 'stop') return 'stop_loss';
  if (leg === 'target') return 'take_profit';
  return leg === 'close' || leg === 'entry' ? 'signal' : 'manual';
}

function tradeFields(trade: ledger.TradeWrite): Record<string, string | number> {
  return {
    model_id: trade.modelId,
    symbol: trade.symbol,
    side: trade.side,
    quantity: trade.quantity,
    entry_price: trade.entryPrice,
    exit_price: trade.exitPrice,
    pnl: trade.realizedNetPnl,
    exit_reason: trade.exitReason,
    ts_ms: trade.exitTsMs,
  };
}

function effectsOf(
  modelId: string,
  version: number,
  changes: readonly TradeChange[],
  asOfMs: number,
  follow: FollowUp,
): NewEffect[] {
  const effects: NewEffect[] = [
    refresh('positions', modelId),
    ...(follow.snapshot ? [enqueueEffect('snapshot', { modelId, asOfMs })] : []),
  ];
  if (changes.length === 0) return effects;
  const stream = changes.map((change, ordinal) => ({
    kind: 'stream' as const,
    target: modelId,
    version,
    ordinal,
    payload: { event: change.event, id: change.id, revision: change.revision, ...change.fields },
  }));
  return [
    ...stream,
    refresh('tradesRecent', modelId),
    refresh('leaderboard'),
    refresh('leaderboardCache'),
    ...effects,
    enqueueEffect('analytics', { modelId, asOfMs }),
  ];
}
