import { describe, expect, it } from 'vitest';
import type { Decision, DecisionContext, PositionView } from '../../src/domain/decision.ts';
import { judge, type Limits, startUsed, type Used } from '../../src/domain/guardrails.ts';
import { asset, frameOf, position, requestOf } from '../llm/fixtures.ts';

/** Binary fractions where a boundary is a product, so that "exactly at the limit" is exact. */
const limits: Limits = {
  maxPositions: 2,
  maxLeverage: 5,
  maxPositionUsd: 15_000,
  minPositionUsd: 20,
  maxMarginUsage: 0.75,
  minConfidence: 0.5,
  minStopDistance: 1 / 64,
};
const frame = frameOf([asset('BTC', { price: 128 }), asset('ETH'), asset('SOL'), asset('DOGE', { maxLeverage: 3 })]);

function contextWith(positions: readonly PositionView[] = [], marginUsedUsd = 0): DecisionContext {
  const { context } = requestOf({ frame, positions });
  return { ...context, account: { ...context.account, equityUsd: 10_000, marginUsedUsd }, positions };
}

const long: Decision = {
  symbol: 'BTC',
  action: 'open_long',
  position_size_usd: 1000,
  leverage: 2,
  stop_loss: 120,
  take_profit: 140,
  confidence: 0.7,
  reasoning: '',
};
const short: Decision = { ...long, action: 'open_short', stop_loss: 136, take_profit: 100 };
const close: Decision = { symbol: 'ETH', action: 'close_long', confidence: 0.1, reasoning: '' };

type Case = { context?: DecisionContext; used?: Used; mayEnter?: boolean };

/** The code of the refusal, or "accepted". */
function verdict(decision: Decision, { context = contextWith(), used, mayEnter = true }: Case = {}): string {
  const result = judge(decision, context, frame, limits, used ?? startUsed(context), mayEnter);
  return result.accepted ? 'accepted' : result.code;
}

const held = (symbol: string, quantity = 1) => position(symbol, { quantity, markPrice: 100, leverage: 2 });

describe('an entry', () => {
  it('is accepted within all limits, long and short', () => {
    expect(verdict(long)).toBe('accepted');
    expect(verdict(short)).toBe('accepted');
  });

  it('is refused on a symbol the frame does not know', () => {
    expect(verdict({ ...long, symbol: 'PEPE' })).toBe('UNKNOWN_SYMBOL');
  });

  it('needs exactly the least confidence', () => {
    expect(verdict({ ...long, confidence: 0.5 })).toBe('accepted');
    expect(verdict({ ...long, confidence: 0.4999 })).toBe('LOW_CONFIDENCE');
  });

  it('is refused where a position of either side is open', () => {
    expect(verdict(long, { context: contextWith([held('BTC')]) })).toBe('POSITION_EXISTS');
    expect(verdict(long, { context: contextWith([held('BTC', -1)]) })).toBe('POSITION_EXISTS');
  });

  it('may take the last position but not one more', () => {
    expect(verdict(long, { context: contextWith([held('ETH')]) })).toBe('accepted');
    expect(verdict(long, { context: contextWith([held('ETH'), held('SOL')]) })).toBe('MAX_POSITIONS');
  });

  it('needs a size between the smallest and the largest, both allowed', () => {
    expect(verdict({ ...long, position_size_usd: null })).toBe('SIZE_MISSING');
    expect(verdict({ ...long, position_size_usd: undefined })).toBe('SIZE_MISSING');
    expect(verdict({ ...long, position_size_usd: 20 })).toBe('accepted');
    expect(verdict({ ...long, position_size_usd: 19.99 })).toBe('SIZE_TOO_SMALL');
    expect(verdict({ ...long, position_size_usd: 15_000, leverage: 5 })).toBe('accepted');
    expect(verdict({ ...long, position_size_usd: 15_000.01, leverage: 5 })).toBe('SIZE_TOO_LARGE');
  });

  it("may use the arena's leverage, or the symbol's where that is lower", () => {
    const doge = { ...long, symbol: 'DOGE', stop_loss: 90, take_profit: 120 };
    expect(verdict({ ...long, leverage: 5 })).toBe('accepted');
    expect(verdict({ ...long, leverage: 5.01 })).toBe('LEVERAGE_TOO_HIGH');
    expect(verdict({ ...doge, leverage: 3 })).toBe('accepted');
    expect(verdict({ ...doge, leverage: 3.5 })).toBe('LEVERAGE_TOO_HIGH');
  });

  it('may bind margin up to its share of the equity, and counts leverage 1 where none is given', () => {
    const context = contextWith([], 7000);
    expect(verdict({ ...long, position_size_usd: 1000, leverage: 2 }, { context })).toBe('accepted');
    expect(verdict({ ...long, position_size_usd: 1002, leverage: 2 }, { context })).toBe('MARGIN_USAGE');
    expect(verdict({ ...long, position_size_usd: 500, leverage: null }, { context })).toBe('accepted');
    expect(verdict({ ...long, position_size_usd: 501, leverage: null }, { context })).toBe('MARGIN_USAGE');
  });

  it('needs a stop on the losing side of the price', () => {
    expect(verdict({ ...long, stop_loss: null })).toBe('STOP_MISSING');
    expect(verdict({ ...long, stop_loss: undefined })).toBe('STOP_MISSING');
    expect(verdict({ ...long, stop_loss: 128 })).toBe('STOP_WRONG_SIDE');
    expect(verdict({ ...short, stop_loss: 128 })).toBe('STOP_WRONG_SIDE');
    expect(verdict({ ...long, stop_loss: 130 })).toBe('STOP_WRONG_SIDE');
    expect(verdict({ ...short, stop_loss: 120 })).toBe('STOP_WRONG_SIDE');
  });

  it('needs a stop at least the least distance away', () => {
    expect(verdict({ ...long, stop_loss: 126 })).toBe('accepted');
    expect(verdict({ ...long, stop_loss: 126.01 })).toBe('STOP_TOO_NEAR');
    expect(verdict({ ...short, stop_loss: 130 })).toBe('accepted');
    expect(verdict({ ...short, stop_loss: 129.99 })).toBe('STOP_TOO_NEAR');
  });

  it('needs no target, but one on the winning side where it has one', () => {
    expect(verdict({ ...long, take_profit: null })).toBe('accepted');
    expect(verdict({ ...long, take_profit: 128 })).toBe('TARGET_WRONG_SIDE');
    expect(verdict({ ...short, take_profit: 128 })).toBe('TARGET_WRONG_SIDE');
    expect(verdict({ ...long, take_profit: 128.01 })).toBe('accepted');
    expect(verdict({ ...short, take_profit: 127.99 })).toBe('accepted');
  });

  it('is refused in a late slot, whatever else is true of it', () => {
    expect(verdict(long, { mayEnter: false })).toBe('LATE');
    expect(verdict({ ...long, confidence: 0 }, { mayEnter: false })).toBe('LATE');
  });
});

describe('an exit', () => {
  const context = contextWith([held('ETH'), held('SOL', -2)]);

  it('is accepted on the side that is held, at any confidence and in a late slot too', () => {
    expect(verdict(close, { context })).toBe('accepted');
    expect(verdict({ ...close, symbol: 'SOL', action: 'close_short' }, { context })).toBe('accepted');
    expect(verdict(close, { context, mayEnter: false })).toBe('accepted');
  });

  it('is refused without a position and on the other side', () => {
    expect(verdict({ ...close, symbol: 'BTC' }, { context })).toBe('NO_POSITION');
    expect(verdict({ ...close, action: 'close_short' }, { context })).toBe('WRONG_SIDE');
    expect(verdict({ ...close, symbol: 'SOL' }, { context })).toBe('WRONG_SIDE');
  });
});

describe('the decisions of one answer', () => {
  it('may act on a symbol once; a refused or held one has not acted', () => {
    const context = contextWith();
    const used = startUsed(context);
    expect(verdict({ ...long, action: 'hold' }, { context, used })).toBe('accepted');
    expect(verdict({ ...long, confidence: 0 }, { context, used })).toBe('LOW_CONFIDENCE');
    expect(verdict(long, { context, used })).toBe('accepted');
    expect(verdict(short, { context, used })).toBe('DUPLICATE_SYMBOL');
  });

  it('hold even on symbols that nobody knows', () => {
    expect(verdict({ ...long, symbol: 'PEPE', action: 'hold' }, { mayEnter: false })).toBe('accepted');
  });

  it('use up positions and margin together', () => {
    const context = contextWith([], 6500);
    const used = startUsed(context);
    expect(verdict({ ...long, position_size_usd: 1000, leverage: 1 }, { context, used })).toBe('accepted');
    const next = { ...long, symbol: 'ETH', stop_loss: 90, take_profit: 110 };
    expect(verdict({ ...next, position_size_usd: 20, leverage: 1 }, { context, used })).toBe('MARGIN_USAGE');
    const roomy = startUsed(contextWith());
    for (const symbol of ['ETH', 'SOL']) expect(verdict({ ...next, symbol }, { used: roomy })).toBe('accepted');
    expect(verdict(long, { used: roomy })).toBe('MAX_POSITIONS');
  });

  it('free the position and the margin of a close for the entry behind it, but not its symbol', () => {
    const context = contextWith([position('ETH', { quantity: 10, markPrice: 100, leverage: 2 }), held('SOL')], 7500);
    const used = startUsed(context);
    const entry = { ...long, position_size_usd: 500, leverage: 1 };
    expect(verdict(entry, { context, used: { ...used, symbols: new Set() } })).toBe('MAX_POSITIONS');
    expect(verdict(close, { context, used })).toBe('accepted');
    expect(used).toMatchObject({ positions: 1, marginUsd: 7000 });
    expect(verdict({ ...long, symbol: 'ETH' }, { context, used })).toBe('DUPLICATE_SYMBOL');
    expect(verdict(entry, { context, used })).toBe('accepted');
    expect(used).toMatchObject({ positions: 2, marginUsd: 7500 });
  });
});
