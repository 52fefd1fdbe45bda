import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type {
  Answer,
  DecisionContext,
  FrameAsset,
  Indicators,
  MarketFrame,
  PositionView,
} from '../../src/domain/decision.ts';
import { type PromptTemplate, parsePromptTemplate } from '../../src/domain/prompt-template.ts';
import { STRATEGY_NAMES } from '../../src/domain/strategy-names.ts';
import { BUILTIN_STRATEGIES } from '../../src/llm/builtin/index.ts';
import type { DecisionRequest } from '../../src/llm/decision-model.ts';
import { REPO } from '../paths.ts';

export const SLOT_MS = Date.UTC(2025, 6, 22, 12);

/** The prompt that models are asked with unless the arena file names another one. */
export function shippedPrompt(name: 'decision' | 'equities' = 'decision'): PromptTemplate {
  const read = parsePromptTemplate(readFileSync(path.join(REPO, `config/prompts/${name}.md`), 'utf8'));
  if ('faults' in read) throw new Error(read.faults.join());
  return read.template;
}

export const NO_INDICATORS: Indicators = {
  ema20: null,
  ema50: null,
  ema200: null,
  macd: null,
  macdSignal: null,
  macdHistogram: null,
  rsi7: null,
  rsi14: null,
  atr14: null,
  bollUpper: null,
  bollMiddle: null,
  bollLower: null,
  donchianHigh20: null,
  donchianLow20: null,
  volumeRatio5: null,
  volumeRatio20: null,
};

type AssetOverrides = Partial<Omit<FrameAsset, 'indicators'>> & { readonly indicators?: Partial<Indicators> };

/** A symbol at 100 USD about which nothing else is known. */
export function asset(symbol: string, { indicators, ...overrides }: AssetOverrides = {}): FrameAsset {
  return {
    symbol,
    price: 100,
    priceTsMs: SLOT_MS,
    fundingRate: null,
    openInterest: null,
    volume24h: null,
    change1h: null,
    change4h: null,
    indicators: { ...NO_INDICATORS, ...indicators },
    closes: [],
    sizeDecimals: 4,
    maxLeverage: 20,
    ...overrides,
  };
}

export function frameOf(assets: readonly FrameAsset[]): MarketFrame {
  return {
    provider: 'test',
    slotMs: SLOT_MS,
    watermarkMs: SLOT_MS,
    barIntervalMs: 300_000,
    assets: Object.fromEntries(assets.map((each) => [each.symbol, each])),
  };
}

export function position(symbol: string, overrides: Partial<PositionView> = {}): PositionView {
  return {
    symbol,
    quantity: 10,
    entryPrice: 100,
    entryTsMs: SLOT_MS - 600_000,
    markPrice: 100,
    unrealizedPnlUsd: 0,
    leverage: 2,
    stopLoss: 99,
    takeProfit: 102,
    ...overrides,
  };
}

/** Limits that only the ones named in a test narrow. */
export const LIMITS: DecisionContext['limits'] = {
  maxPositions: 6,
  maxLeverage: 10,
  maxPositionUsd: 5000,
  minPositionUsd: 10,
  maxMarginUsage: 0.9,
  minConfidence: 0.5,
  size: { minUsd: 10, maxUsd: 5000 },
  majors: { symbols: [], maxLeverage: 10, minValueUsd: 0, maxValueUsd: 5000 },
  others: { maxLeverage: 10, minValueUsd: 0, maxValueUsd: 5000 },
  leverageOf: {},
  minStopDistance: 0.0005,
  maxStopDistance: 0.5,
  minRewardRisk: 0,
  maxRiskPerTrade: 1,
  minVolume24hUsd: 0,
  minOpenInterestUsd: 0,
  maxPriceAgeMs: 120_000,
  maxDailyLoss: 1,
  allowAdd: false,
  allowHedge: false,
};

/** The limits with others; what is said of every symbol holds for each. */
export function limitsWith(others: Partial<DecisionContext['limits']> = {}): DecisionContext['limits'] {
  const { maxLeverage, minPositionUsd, maxPositionUsd } = { ...LIMITS, ...others };
  const each = { maxLeverage, minValueUsd: 0, maxValueUsd: maxPositionUsd };
  const size = { minUsd: minPositionUsd, maxUsd: maxPositionUsd };
  return { ...LIMITS, size, majors: { symbols: [], ...each }, others: each, ...others };
}

export const NO_HISTORY: DecisionContext['history'] = {
  dayStartEquityUsd: 10_000,
  sharpeRatio: null,
  pause: null,
  cooldowns: [],
};

export function requestOf(parts: {
  readonly frame: MarketFrame;
  readonly positions?: readonly PositionView[];
  readonly limits?: Partial<DecisionContext['limits']>;
  readonly account?: Partial<DecisionContext['account']>;
  readonly seed?: string;
  readonly slotMs?: number;
}): DecisionRequest {
  const account = { initialEquityUsd: 10_000, equityUsd: 10_000, availableUsd: 10_000, marginUsedUsd: 0 };
  return {
    context: {
      modelId: 'model-a',
      slotMs: parts.slotMs ?? parts.frame.slotMs,
      cycleNumber: 1,
      account: { ...account, ...parts.account },
      positions: parts.positions ?? [],
      limits: limitsWith(parts.limits),
      history: NO_HISTORY,
    },
    frame: parts.frame,
    prompt: { system: '', user: '' },
    seed: parts.seed ?? 'seed',
  };
}

/** What a built-in strategy answers. */
export async function ask(name: string, request: DecisionRequest): Promise<Answer> {
  const known = STRATEGY_NAMES.find((strategy) => strategy === name);
  if (known === undefined) throw new Error(`no strategy ${name}`);
  const reply = await BUILTIN_STRATEGIES[known].create().decide(request, new AbortController().signal);
  expect(JSON.parse(reply.raw)).toEqual(reply.answer);
  return reply.answer;
}

/** The decisions on one frame, as `action symbol` for reading. */
export async function acts(name: string, assets: FrameAsset[], positions: PositionView[] = []): Promise<string[]> {
  const { decisions } = await ask(name, requestOf({ frame: frameOf(assets), positions }));
  return decisions.map(({ action, symbol }) => `${action} ${symbol}`);
}
