import { describe, expect, it } from 'vitest';
import { arenaSchema } from '../../src/config/arena.ts';
import type { Decision, DecisionContext, PositionView } from '../../src/domain/decision.ts';
import type { DeskPackage } from '../../src/domain/desk/package.ts';
import { ACTION_RULES, ENTRY_RULES, type Used } from '../../src/domain/guardrail-rules.ts';
import { judge, startUsed } from '../../src/domain/guardrails.ts';
import { asset, frameOf, LIMITS, NO_HISTORY, position, requestOf, SLOT_MS } from '../llm/fixtures.ts';

/** Binary fractions where a boundary is a product, so that "exactly at the limit" is exact. */
const limits: DecisionContext['limits'] = {
  ...LIMITS,
  maxPositions: 2,
  maxMarginUsage: 0.75,
  minConfidence: 0.5,
  size: { minUsd: 20, maxUsd: 20_000 },
  majors: { symbols: ['BTC', 'ETH'], maxLeverage: 5, minValueUsd: 50, maxValueUsd: 15_000 },
  others: { maxLeverage: 3, minValueUsd: 50, maxValueUsd: 8000 },
  leverageOf: { SOL: 2 },
  minStopDistance: 1 / 64,
  maxStopDistance: 1 / 4,
  minRewardRisk: 1.5,
  maxRiskPerTrade: 1 / 16,
  minVolume24hUsd: 1_000_000,
  minOpenInterestUsd: 256_000,
  maxPriceAgeMs: 60_000,
};
const known = { volume24h: 1e9, openInterest: 1e6 };
const ASSETS = [
  asset('BTC', { price: 128, ...known }),
  asset('ETH', known),
  asset('SOL', known),
  asset('BNB', known),
  asset('DOGE', { maxLeverage: 2, sizeDecimals: 0, price: 128, ...known }),
];

type Case = {
  readonly positions?: readonly PositionView[];
  readonly marginUsedUsd?: number;
  readonly limits?: Partial<DecisionContext['limits']>;
  readonly history?: Partial<DecisionContext['history']>;
  /** What is different about BTC in the frame. */
  readonly btc?: Parameters<typeof asset>[1];
  readonly used?: Used;
  readonly mayEnter?: boolean;
  readonly desk?: DeskPackage;
};

const frameWith = (btc: Case['btc'] = {}) =>
  frameOf(ASSETS.map((each) => (each.symbol === 'BTC' ? { ...each, ...asset('BTC', { ...each, ...btc }) } : each)));

const frameOfCase = (of: Case) => ({ ...frameWith(of.btc), ...(of.desk ? { desk: of.desk } : {}) });

function contextOf(of: Case = {}): DecisionContext {
  const { context } = requestOf({ frame: frameOf(ASSETS), positions: of.positions ?? [] });
  return {
    ...context,
    account: { ...context.account, equityUsd: 10_000, marginUsedUsd: of.marginUsedUsd ?? 0 },
    limits: { ...limits, ...of.limits },
    history: { ...NO_HISTORY, ...of.history },
  };
}

const long: Decision = {
  symbol: 'BTC',
  action: 'open_long',
  position_size_usd: 1000,
  leverage: 2,
  stop_loss: 120,
  take_profit: 144,
  confidence: 0.7,
  reasoning: '',
};
const short: Decision = { ...long, action: 'open_short', stop_loss: 136, take_profit: 112 };
const close: Decision = { symbol: 'ETH', action: 'close_long', confidence: 0.1, reasoning: '' };
const at100 = { stop_loss: 95, take_profit: 110 };
const held = (symbol: string, quantity = 1) => position(symbol, { quantity, markPrice: 100, leverage: 2 });

/** The code of the refusal, or "accepted". */
function verdict(decision: Decision, of: Case = {}): string {
  const context = contextOf(of);
  const result = judge(decision, context, frameOfCase(of), of.used ?? startUsed(context), of.mayEnter ?? true);
  return result.accepted ? 'accepted' : result.code;
}

/** A decision on BTC that differs in some fields, and what differs around it. */
type Try = readonly [Partial<Decision>, Case?];
const pauseUntil = (code: 'DAILY_LOSS' | 'SHARPE_PAUSE', untilMs: number): Case => ({
  history: { pause: { code, untilMs } },
});
const aged = (ms: number): Case => ({ btc: { priceTsMs: SLOT_MS - ms } });
const resting = (untilMs: number, symbol = 'BTC'): Case => ({ history: { cooldowns: [{ symbol, untilMs }] } });

/** In a frame of the equities desk, with a signal of the symbol. */
const inSession = (mayEnter: boolean, symbol = 'BTC', type: 'entry' | 'exit' = 'entry'): Case => ({
  desk: {
    ...{ session: { day: '2025-05-09', openMs: 0, closeMs: 0, mayEnter }, context: null },
    ...{ candidates: [], sentiment: {}, monitoring: {} },
    signals: [{ type, symbol, reason: 'breakout', price: 100, confidence: 0.8 }],
  },
});

/** Of every rule: entries that pass at and beside its boundary, and entries just beyond it. */
const BOUNDARIES: Readonly<
  Record<(typeof ENTRY_RULES)[number]['code'], { passes: readonly Try[]; fails: readonly Try[] }>
> = {
  LATE: {
    passes: [[{}, { mayEnter: true }]],
    fails: [
      [{}, { mayEnter: false }],
      [{ confidence: 0 }, { mayEnter: false }],
    ],
  },
  NO_SESSION: { passes: [[{}, inSession(true)]], fails: [[{}, inSession(false)]] },
  NO_SIGNAL: {
    passes: [[{}, inSession(true)], [{}]],
    fails: [
      [{}, inSession(true, 'ETH')],
      [{}, inSession(true, 'BTC', 'exit')],
    ],
  },
  NO_SHORT: { passes: [[{}, inSession(true)], [short]], fails: [[short, inSession(true)]] },
  STALE_FRAME: {
    passes: [
      [{}, aged(59_999)],
      [{}, aged(60_000)],
    ],
    fails: [[{}, aged(60_001)]],
  },
  DAILY_LOSS: {
    passes: [
      [{}, pauseUntil('DAILY_LOSS', SLOT_MS - 1)],
      [{}, pauseUntil('DAILY_LOSS', SLOT_MS)],
    ],
    fails: [[{}, pauseUntil('DAILY_LOSS', SLOT_MS + 1)]],
  },
  SHARPE_PAUSE: {
    passes: [
      [{}, pauseUntil('SHARPE_PAUSE', SLOT_MS - 1)],
      [{}, pauseUntil('SHARPE_PAUSE', SLOT_MS)],
    ],
    fails: [[{}, pauseUntil('SHARPE_PAUSE', SLOT_MS + 1)]],
  },
  LOW_CONFIDENCE: { passes: [[{ confidence: 0.5001 }], [{ confidence: 0.5 }]], fails: [[{ confidence: 0.4999 }]] },
  NO_ADD: {
    passes: [
      [{}, { positions: [held('ETH')] }],
      [{}, { positions: [held('BTC')], limits: { allowAdd: true } }],
    ],
    fails: [
      [{}, { positions: [held('BTC')] }],
      [short, { positions: [held('BTC', -1)] }],
      [{}, { positions: [held('BTC')], limits: { allowHedge: true } }],
    ],
  },
  NO_HEDGE: {
    passes: [[{}, { positions: [held('BTC', -1)], limits: { allowHedge: true } }]],
    fails: [
      [{}, { positions: [held('BTC', -1)] }],
      [short, { positions: [held('BTC')] }],
      [short, { positions: [held('BTC')], limits: { allowAdd: true } }],
    ],
  },
  COOLDOWN: {
    passes: [
      [{}, resting(SLOT_MS - 1)],
      [{}, resting(SLOT_MS)],
      [{}, resting(SLOT_MS + 1, 'ETH')],
    ],
    fails: [[{}, resting(SLOT_MS + 1)]],
  },
  MAX_POSITIONS: {
    passes: [
      [{}, { positions: [held('ETH')] }],
      // Adding opens no further position.
      [{}, { positions: [held('ETH'), held('BTC')], limits: { allowAdd: true } }],
    ],
    fails: [[{}, { positions: [held('ETH'), held('SOL')] }]],
  },
  LOW_LIQUIDITY: {
    passes: [
      [{}, { btc: { volume24h: 1_000_001 } }],
      [{}, { btc: { volume24h: 1_000_000, openInterest: null } }],
      // Open interest is in coins of 128 USD.
      [{}, { btc: { volume24h: null, openInterest: 2000 } }],
      [{}, { btc: { openInterest: 2001 } }],
    ],
    fails: [
      [{}, { btc: { volume24h: 999_999 } }],
      [{}, { btc: { openInterest: 1999 } }],
      [{}, { btc: { volume24h: null, openInterest: null } }],
    ],
  },
  SIZE_MISSING: { passes: [[{}]], fails: [[{ position_size_usd: null }], [{ position_size_usd: undefined }]] },
  SIZE_TOO_SMALL: {
    passes: [
      [{ position_size_usd: 20 }, { limits: { majors: { ...limits.majors, minValueUsd: 0 } } }],
      [{ position_size_usd: 20.01 }, { limits: { majors: { ...limits.majors, minValueUsd: 0 } } }],
      [{ symbol: 'DOGE', position_size_usd: 128 }],
    ],
    fails: [
      [{ position_size_usd: 19.99 }],
      [{ position_size_usd: 0 }],
      // One lot of DOGE is 128 USD here.
      [{ symbol: 'DOGE', position_size_usd: 127.9 }],
    ],
  },
  SIZE_TOO_LARGE: {
    passes: [
      [{ position_size_usd: 999.99 }, { limits: { size: { minUsd: 20, maxUsd: 1000 } } }],
      [{}, { limits: { size: { minUsd: 20, maxUsd: 1000 } } }],
    ],
    fails: [
      [{ position_size_usd: 1000.01 }, { limits: { size: { minUsd: 20, maxUsd: 1000 } } }],
      // What is held counts: one BTC.
      [
        { position_size_usd: 900 },
        { positions: [held('BTC')], limits: { allowAdd: true, size: { minUsd: 20, maxUsd: 1000 } } },
      ],
    ],
  },
  VALUE_BELOW_BAND: {
    passes: [[{ position_size_usd: 50 }], [{ position_size_usd: 50.01 }]],
    fails: [[{ position_size_usd: 49.99 }]],
  },
  VALUE_ABOVE_BAND: {
    passes: [
      [{ position_size_usd: 15_000, leverage: 5, stop_loss: 124, take_profit: 136 }],
      [{ symbol: 'BNB', ...at100, position_size_usd: 8000 }],
    ],
    fails: [
      [{ position_size_usd: 15_000.01, leverage: 5 }],
      [{ symbol: 'BNB', ...at100, position_size_usd: 8000.01 }],
      [{ position_size_usd: 14_900 }, { positions: [held('BTC')], limits: { allowAdd: true } }],
    ],
  },
  LEVERAGE_TOO_HIGH: {
    passes: [
      [{ leverage: 4.99 }],
      [{ leverage: 5 }],
      [{ symbol: 'BNB', ...at100, leverage: 3 }],
      [{ symbol: 'SOL', ...at100, leverage: 2 }],
      [{ symbol: 'DOGE', leverage: 2 }],
    ],
    fails: [
      [{ leverage: 5.01 }],
      [{ symbol: 'BNB', ...at100, leverage: 3.01 }],
      [{ symbol: 'SOL', ...at100, leverage: 2.01 }],
      [{ symbol: 'DOGE', leverage: 2.01 }],
    ],
  },
  MARGIN_USAGE: {
    passes: [
      [{ position_size_usd: 998 }, { marginUsedUsd: 7000 }],
      [{ position_size_usd: 1000 }, { marginUsedUsd: 7000 }],
      // No leverage is leverage 1; 1.9 is granted as 1.
      [{ position_size_usd: 500, leverage: null }, { marginUsedUsd: 7000 }],
      [{ position_size_usd: 500, leverage: 1.9 }, { marginUsedUsd: 7000 }],
    ],
    fails: [
      [{ position_size_usd: 1000.02 }, { marginUsedUsd: 7000 }],
      [{ position_size_usd: 501, leverage: null }, { marginUsedUsd: 7000 }],
      [{ position_size_usd: 501, leverage: 1.9 }, { marginUsedUsd: 7000 }],
    ],
  },
  STOP_MISSING: { passes: [[{}]], fails: [[{ stop_loss: null }], [{ stop_loss: undefined }]] },
  STOP_WRONG_SIDE: {
    passes: [[{ stop_loss: 126, take_profit: 144 }], [{ ...short, stop_loss: 130 }]],
    fails: [
      [{ stop_loss: 128 }],
      [{ stop_loss: 128.01 }],
      [{ ...short, stop_loss: 128 }],
      [{ ...short, stop_loss: 127.99 }],
    ],
  },
  STOP_TOO_NEAR: {
    passes: [[{ stop_loss: 125.99 }], [{ stop_loss: 126 }], [{ ...short, stop_loss: 130 }]],
    fails: [[{ stop_loss: 126.01 }], [{ ...short, stop_loss: 129.99 }]],
  },
  STOP_TOO_FAR: {
    passes: [
      [{ stop_loss: 96, take_profit: 200 }],
      [{ stop_loss: 96.01, take_profit: 200 }],
      [{ ...short, stop_loss: 160, take_profit: 70 }],
    ],
    fails: [
      [{ stop_loss: 95.99, take_profit: 200 }],
      [{ ...short, stop_loss: 160.01, take_profit: 70 }],
      // So small that it is rounded to nothing.
      [{ stop_loss: 1e-9, take_profit: 200 }],
    ],
  },
  TARGET_MISSING: { passes: [[{}]], fails: [[{ take_profit: null }], [{ take_profit: undefined }]] },
  TARGET_WRONG_SIDE: {
    passes: [
      [{ take_profit: 128.01 }, { limits: { minRewardRisk: 0 } }],
      [{ ...short, take_profit: 127.99 }, { limits: { minRewardRisk: 0 } }],
    ],
    fails: [
      [{ take_profit: 128 }],
      [{ take_profit: 127.99 }],
      [{ ...short, take_profit: 128 }],
      [{ ...short, take_profit: 128.01 }],
    ],
  },
  REWARD_RISK: {
    passes: [[{ take_profit: 140.01 }], [{ take_profit: 140 }], [{ ...short, take_profit: 116 }]],
    fails: [[{ take_profit: 139.99 }], [{ ...short, take_profit: 116.01 }]],
  },
  RISK_PER_TRADE: {
    // 8 of 128 is 1/16 of the position, which may be the equity's 10,000.
    passes: [
      [{ position_size_usd: 9999.99, leverage: 5 }],
      [{ position_size_usd: 10_000, leverage: 5 }],
      [{ ...short, position_size_usd: 10_000, leverage: 5 }],
    ],
    fails: [[{ position_size_usd: 10_000.01, leverage: 5 }], [{ ...short, position_size_usd: 10_000.01, leverage: 5 }]],
  },
};

describe('an entry', () => {
  it('is accepted within all limits, long and short', () => {
    expect(verdict(long)).toBe('accepted');
    expect(verdict(short)).toBe('accepted');
  });

  it.each(ENTRY_RULES.map(({ code }) => code))('meets %s beyond its boundary, and not at it', (code) => {
    const { passes, fails } = BOUNDARIES[code];
    expect(passes.map(([fields, of]) => verdict({ ...long, ...fields }, of))).toEqual(passes.map(() => 'accepted'));
    expect(fails.map(([fields, of]) => verdict({ ...long, ...fields }, of))).toEqual(fails.map(() => code));
  });

  it('is refused on a symbol the frame does not know, whatever its name', () => {
    for (const symbol of ['PEPE', 'constructor', '__proto__', 'toString'])
      expect(verdict({ ...long, symbol })).toBe('UNKNOWN_SYMBOL');
  });
});

describe('the table of rules', () => {
  it('has a code of its own for each, a meaning, and fields that the arena file has with a default', () => {
    const codes = [...ENTRY_RULES, ...ACTION_RULES].map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    const { guardrails } = arenaSchema.parse({ models: [{ id: 'a', strategy: 'carry' }] });
    const fields = new Set<string>(ENTRY_RULES.flatMap((rule) => rule.fields));
    expect([...fields].sort()).toEqual(Object.keys(guardrails).sort());
    for (const { meaning } of [...ENTRY_RULES, ...ACTION_RULES]) expect(meaning).toMatch(/^.{15,}\.$/);
  });
});

describe('an exit', () => {
  const of: Case = { positions: [held('ETH'), held('SOL', -2)] };

  it('is accepted on the side that is held, at any confidence, in a late slot, in a pause and with old prices', () => {
    expect(verdict(close, of)).toBe('accepted');
    expect(verdict({ ...close, symbol: 'SOL', action: 'close_short' }, of)).toBe('accepted');
    const pause = { code: 'DAILY_LOSS' as const, untilMs: SLOT_MS + 1 };
    const cooldowns = [{ symbol: 'ETH', untilMs: SLOT_MS + 1 }];
    expect(verdict(close, { ...of, mayEnter: false, history: { pause, cooldowns } })).toBe('accepted');
    expect(verdict(close, { ...of, limits: { maxPriceAgeMs: -1 } })).toBe('accepted');
  });

  it('is refused without a position and on the other side', () => {
    expect(verdict({ ...close, symbol: 'BTC' }, of)).toBe('NO_POSITION');
    expect(verdict({ ...close, action: 'close_short' }, of)).toBe('WRONG_SIDE');
    expect(verdict({ ...close, symbol: 'SOL' }, of)).toBe('WRONG_SIDE');
  });
});

describe('the decisions of one answer', () => {
  it('may act on a symbol once; a refused or held one has not acted', () => {
    const used = startUsed(contextOf());
    expect(verdict({ ...long, action: 'hold' }, { used })).toBe('accepted');
    expect(verdict({ ...long, confidence: 0 }, { used })).toBe('LOW_CONFIDENCE');
    expect(verdict(long, { used })).toBe('accepted');
    expect(verdict(short, { used })).toBe('DUPLICATE_SYMBOL');
  });

  it('hold even on symbols that nobody knows', () => {
    expect(verdict({ ...long, symbol: 'PEPE', action: 'hold' }, { mayEnter: false })).toBe('accepted');
  });

  it('use up positions and margin together', () => {
    const of: Case = { marginUsedUsd: 6500, used: startUsed(contextOf({ marginUsedUsd: 6500 })) };
    expect(verdict({ ...long, position_size_usd: 1000, leverage: 1 }, of)).toBe('accepted');
    const next = { ...long, symbol: 'ETH', ...at100 };
    expect(verdict({ ...next, position_size_usd: 50, leverage: 1 }, of)).toBe('MARGIN_USAGE');
    const roomy = startUsed(contextOf());
    for (const symbol of ['ETH', 'SOL']) expect(verdict({ ...next, symbol }, { used: roomy })).toBe('accepted');
    expect(verdict(long, { used: roomy })).toBe('MAX_POSITIONS');
  });

  it('free the position and the margin of a close for the entry behind it, but not its symbol', () => {
    const positions = [position('ETH', { quantity: 10, markPrice: 100, leverage: 2 }), held('SOL')];
    const of: Case = { positions, marginUsedUsd: 7500 };
    const used = startUsed(contextOf(of));
    const entry = { ...long, position_size_usd: 500, leverage: 1 };
    expect(verdict(entry, { ...of, used: { ...used, symbols: new Set() } })).toBe('MAX_POSITIONS');
    expect(verdict(close, { ...of, used })).toBe('accepted');
    expect(used).toMatchObject({ positions: 1, marginUsd: 7000 });
    expect(verdict({ ...long, symbol: 'ETH' }, { ...of, used })).toBe('DUPLICATE_SYMBOL');
    expect(verdict(entry, { ...of, used })).toBe('accepted');
    expect(used).toMatchObject({ positions: 2, marginUsd: 7500 });
  });
});
