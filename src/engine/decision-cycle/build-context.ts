/** The exact inputs of a decision. */

import type { DecisionContext } from '../../domain/decision.ts';
import { account } from '../../store/equity.ts';
import { openPositions } from '../../store/positions.ts';
import type { Stories, Trader } from '../context.ts';

/**
 * What the model may know about itself: the exchange's own view of the account, enriched with what the ledger remembers about each
 * position (when it was opened, its stop and target). Sizes follow the exchange.
 */
export async function buildContext(
  stories: Stories,
  trader: Trader,
  cycle: Pick<DecisionContext, 'modelId' | 'slotMs' | 'cycleNumber'>,
): Promise<DecisionContext> {
  const { db, market, exchange, config } = stories;
  const [state, remembered, owner] = await Promise.all([
    exchange.accountState(cycle.modelId),
    openPositions(db, market.provider, [cycle.modelId]),
    account(db, cycle.modelId),
  ]);
  const memory = new Map(remembered.map((position) => [position.symbol, position]));
  const rules = config.arena.guardrails;
  return {
    ...cycle,
    account: {
      initialEquityUsd: owner?.initialEquityUsd ?? trader.participant.initialEquityUsd,
      equityUsd: state.equityUsd,
      availableUsd: state.availableUsd,
      marginUsedUsd: state.marginUsedUsd,
    },
    positions: state.positions.map((position) => ({
      ...position,
      entryTsMs: memory.get(position.symbol)?.entryTsMs ?? cycle.slotMs,
      unrealizedPnlUsd: position.quantity * (position.markPrice - position.entryPrice),
      stopLoss: memory.get(position.symbol)?.stopLoss ?? null,
      takeProfit: memory.get(position.symbol)?.takeProfit ?? null,
    })),
    limits: {
      maxPositions: rules.maxPositions,
      maxLeverage: rules.maxLeverage,
      maxPositionUsd: rules.maxPositionToEquity * state.equityUsd,
      minPositionUsd: rules.minPositionUsd,
      maxMarginUsage: rules.maxMarginUsage,
      minConfidence: rules.minConfidence,
    },
  };
}
