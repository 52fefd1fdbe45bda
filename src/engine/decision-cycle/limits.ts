/** The arena file's guardrails as one model's limits at one moment. */

import type { Guardrails } from '../../config/arena.ts';
import type { Limits } from '../../domain/limits.ts';
import type { PauseRules } from '../../domain/pause.ts';

/** The limits of an account with this equity. */
export function limitsOf(rules: Guardrails, equityUsd: number): Limits {
  const equity = Math.max(0, equityUsd);
  const band = (upTo: number) => ({
    minValueUsd: rules.minPositionToEquity * equity,
    maxValueUsd: upTo * equity,
  });
  const majors = {
    symbols: rules.majors,
    maxLeverage: rules.maxLeverage,
    ...band(rules.maxPositionToEquity),
  };
  const others = { maxLeverage: rules.maxLeverageOthers, ...band(rules.maxPositionToEquityOthers) };
  return {
    maxPositions: rules.maxPositions,
    maxMarginUsage: rules.maxMarginUsage,
    minConfidence: rules.minConfidence,
    maxLeverage: Math.max(majors.maxLeverage, others.maxLeverage, ...Object.values(rules.maxLeverageOf)),
    minPositionUsd: Math.max(rules.minPositionUsd, majors.minValueUsd),
    maxPositionUsd: Math.min(rules.maxPositionUsd, Math.max(majors.maxValueUsd, others.maxValueUsd)),
    size: { minUsd: rules.minPositionUsd, maxUsd: rules.maxPositionUsd },
    majors,
    others,
    leverageOf: rules.maxLeverageOf,
    minStopDistance: rules.minStopDistance,
    maxStopDistance: rules.maxStopDistance,
    minRewardRisk: rules.minRewardRisk,
    maxRiskPerTrade: rules.maxRiskPerTrade,
    minVolume24hUsd: rules.minVolume24hUsd,
    minOpenInterestUsd: rules.minOpenInterestUsd,
    maxPriceAgeMs: rules.maxPriceAge,
    maxDailyLoss: rules.maxDailyLoss,
    allowAdd: rules.allowAdd,
    allowHedge: rules.allowHedge,
  };
}

export function pauseRulesOf(rules: Guardrails): PauseRules {
  return {
    maxDailyLoss: rules.maxDailyLoss,
    minSharpe: rules.minSharpe,
    sharpeAfterMs: rules.sharpeAfter,
    sharpePauseMs: rules.sharpePause,
  };
}
