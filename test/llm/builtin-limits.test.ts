import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerSchema, type Decision, type FrameAsset, type PositionView } from '../../src/domain/decision.ts';
import { STRATEGY_NAMES } from '../../src/domain/strategy-names.ts';
import { BUILTIN_STRATEGIES } from '../../src/llm/builtin/index.ts';
import type { DecisionRequest } from '../../src/llm/decision-model.ts';
import { acts, ask, asset, frameOf, position, requestOf, SLOT_MS } from './fixtures.ts';

const HOUR_MS = 3_600_000;
const NAMES = STRATEGY_NAMES;

describe.each(NAMES)('%s', (name) => {
  it('is free, deterministic and named after itself', () => {
    const model = BUILTIN_STRATEGIES[name].create();
    expect(model).toMatchObject({ kind: name, deterministic: true });
    expect(model.bound(requestOf({ frame: frameOf([]) }))).toEqual({ tokens: 0, usd: 0 });
    expect(BUILTIN_STRATEGIES[name].description).toMatch(/.{20,}/);
  });

  it('does nothing with symbols that have no price, nor in an empty market', async () => {
    const broken = [asset('A', { price: 0 }), asset('B', { price: Number.NaN })];
    expect(await acts(name, broken, [position('A', { entryTsMs: 0 })])).toEqual(['hold A']);
    expect(await acts(name, [])).toEqual([]);
  });

  it('closes what it held for eight hours, unless it is the one that holds', async () => {
    const held = position('A', { entryTsMs: SLOT_MS - 8 * HOUR_MS });
    const expected = name === 'buy-and-hold' ? 'hold A' : 'close_long A';
    expect(await acts(name, [asset('A')], [held])).toEqual([expected]);
  });

  it('answers the same to the same request and stays within limits, whatever the frame', async () => {
    await fc.assert(
      fc.asyncProperty(requests(), async (request) => {
        const answer = await ask(name, request);
        expect(await ask(name, request)).toEqual(answer);
        expect(answerSchema.parse(answer)).toEqual(answer);
        expect(answer.reasoning).toContain(name);
        checkLimits(answer.decisions, request);
      }),
      { numRuns: 300 },
    );
  });
});

function checkLimits(decisions: readonly Decision[], { context, frame }: DecisionRequest): void {
  const { limits, account } = context;
  const open = new Map(context.positions.map((held) => [held.symbol, held]));
  expect(new Set(decisions.map(({ symbol }) => symbol)).size).toBe(decisions.length);
  const entries = decisions.filter(({ action }) => action.startsWith('open_'));
  expect(entries.length).toBeLessThanOrEqual(Math.max(0, limits.maxPositions - open.size));
  let marginUsd = 0;
  for (const entry of entries) {
    expect(open.has(entry.symbol)).toBe(false);
    marginUsd += checkEntry(entry, frame.assets[entry.symbol], limits);
  }
  expect(marginUsd).toBeLessThanOrEqual(Math.max(0, account.availableUsd));
  if (entries.length > 0) {
    expect(marginUsd + account.marginUsedUsd).toBeLessThanOrEqual(account.equityUsd * limits.maxMarginUsage);
  }
  for (const { action, symbol, reasoning } of decisions) {
    expect(reasoning).not.toBe('');
    if (!action.startsWith('close_')) continue;
    expect(action).toBe((open.get(symbol)?.quantity ?? 0) > 0 ? 'close_long' : 'close_short');
  }
}

/** Checks one entry and returns the margin it binds. */
function checkEntry(entry: Decision, on: FrameAsset | undefined, limits: DecisionRequest['context']['limits']): number {
  const { position_size_usd: size, leverage, stop_loss: stop, take_profit: target, risk_usd: risk } = entry;
  if (on === undefined || size == null || leverage == null || stop == null || target == null || risk == null) {
    throw new Error(`incomplete entry ${JSON.stringify(entry)}`);
  }
  const sign = entry.action === 'open_long' ? 1 : -1;
  expect((on.price - stop) * sign).toBeGreaterThan(0);
  expect((target - on.price) * sign).toBeGreaterThan(0);
  expect(size).toBeGreaterThanOrEqual(limits.minPositionUsd);
  expect(size).toBeLessThanOrEqual(limits.maxPositionUsd);
  expect(leverage).toBeGreaterThanOrEqual(1);
  expect(leverage).toBeLessThanOrEqual(Math.min(3, limits.maxLeverage, on.maxLeverage));
  expect(entry.confidence).toBeGreaterThanOrEqual(limits.minConfidence);
  // Six digits of the stop and cents of the risk are rounded.
  expect(Math.abs(risk - (size * Math.abs(on.price - stop)) / on.price)).toBeLessThan(0.01 + size * 1e-5);
  expect(entry.invalidation_condition).toMatch(/.+/);
  return size / leverage;
}

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const SYMBOLS = ['BTC', 'ETH', 'SOL', 'BNB', 'XRP', 'DOGE', 'AVAX'];

function randomAsset(symbol: string): fc.Arbitrary<FrameAsset> {
  const scale = fc.constantFrom(0.00002, 0.3, 1, 150, 118_000);
  const relative = fc.option(number(0.9, 1.1), { freq: 8, nil: null });
  const shape = fc.record({
    price: fc.option(number(0.95, 1.05), { freq: 15, nil: 0 }),
    levels: fc.array(relative, { minLength: 9, maxLength: 9 }),
    atr: fc.option(number(0, 0.2), { nil: null }),
    macd: fc.option(number(-0.01, 0.01), { nil: null }),
    rsi: fc.option(number(0, 100), { nil: null }),
    fundingRate: fc.option(number(-0.001, 0.001), { nil: null }),
    change1h: fc.option(number(-0.1, 0.1), { nil: null }),
    maxLeverage: fc.integer({ min: 1, max: 50 }),
    sizeDecimals: fc.integer({ min: 0, max: 5 }),
  });
  return fc.tuple(scale, shape).map(([unit, drawn]) => {
    const level = (i: number): number | null => {
      const value = drawn.levels[i];
      return value === null || value === undefined ? null : value * unit;
    };
    const { fundingRate, change1h, maxLeverage, sizeDecimals } = drawn;
    return asset(symbol, {
      price: drawn.price * unit,
      fundingRate,
      change1h,
      maxLeverage,
      sizeDecimals,
      closes: [level(0) ?? unit],
      indicators: {
        ema20: level(1),
        ema50: level(2),
        ema200: level(3),
        macd: drawn.macd === null ? null : drawn.macd * unit,
        rsi7: drawn.rsi,
        rsi14: drawn.rsi,
        atr14: drawn.atr === null ? null : drawn.atr * unit,
        bollUpper: level(4),
        bollMiddle: level(5),
        bollLower: level(6),
        donchianHigh20: level(7),
        donchianLow20: level(8),
        volumeRatio5: drawn.rsi === null ? null : drawn.rsi / 50,
        volumeRatio20: drawn.rsi === null ? null : drawn.rsi / 50,
      },
    });
  });
}

function randomPosition(symbol: string): fc.Arbitrary<PositionView> {
  const parts = fc.record({ quantity: fc.constantFrom(-3, 2), heldMs: fc.integer({ min: 0, max: 9 * HOUR_MS }) });
  return parts.map(({ quantity, heldMs }) => position(symbol, { quantity, entryTsMs: SLOT_MS - heldMs }));
}

function requests(): fc.Arbitrary<DecisionRequest> {
  const parts = fc.record({
    assets: fc.tuple(...SYMBOLS.map(randomAsset)),
    known: fc.subarray(SYMBOLS),
    held: fc.subarray(SYMBOLS, { maxLength: 4 }).chain((symbols) => fc.tuple(...symbols.map(randomPosition))),
    equityUsd: fc.oneof(number(-100, 100), number(100, 1_000_000)),
    usedShare: number(0, 1.1),
    limits: fc.record({
      maxPositions: fc.integer({ min: 1, max: 8 }),
      maxLeverage: fc.integer({ min: 1, max: 20 }),
      maxPositionUsd: number(20, 100_000),
      minPositionUsd: number(0, 50),
      maxMarginUsage: number(0.1, 1),
      minConfidence: number(0, 1),
    }),
    seed: fc.string(),
  });
  return parts.map(({ assets, known, held, equityUsd, usedShare, limits, seed }) => {
    const marginUsedUsd = Math.max(0, equityUsd * usedShare);
    return requestOf({
      frame: frameOf(assets.filter(({ symbol }) => known.includes(symbol))),
      positions: held,
      account: { equityUsd, marginUsedUsd, availableUsd: equityUsd - marginUsedUsd },
      limits,
      seed,
    });
  });
}
