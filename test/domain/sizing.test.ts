import { describe, expect, it } from 'vitest';
import type { Decision, DecisionContext } from '../../src/domain/decision.ts';
import { readClientOrderId } from '../../src/domain/ids.ts';
import { sizeDecision } from '../../src/domain/sizing.ts';
import { asset, frameOf, position, requestOf, SLOT_MS } from '../llm/fixtures.ts';

const frame = frameOf([
  asset('BTC', { price: 97_531.7, sizeDecimals: 5 }),
  asset('DOGE', { price: 0.22, sizeDecimals: 0 }),
]);
const context: DecisionContext = requestOf({ frame }).context;

const long: Decision = {
  symbol: 'BTC',
  action: 'open_long',
  position_size_usd: 1234.5,
  leverage: 3,
  entry_price: 1,
  stop_loss: 95_123.45,
  take_profit: 101_234.56,
  confidence: 0.8,
  risk_usd: 30,
  reasoning: '',
  invalidation_condition: 'a close below the range',
};

describe('an entry', () => {
  it('becomes a market order with a stop and a target that reduce', () => {
    const [entry, stop, target, ...more] = sizeDecision(long, context, frame);
    expect(more).toEqual([]);
    expect(entry).toMatchObject({ leg: 'entry', side: 'buy', kind: 'market', triggerPrice: null, reduceOnly: false });
    expect(stop).toMatchObject({ leg: 'stop', side: 'sell', kind: 'stop', triggerPrice: 95_123, reduceOnly: true });
    expect(target).toMatchObject({
      leg: 'target',
      side: 'sell',
      kind: 'target',
      triggerPrice: 101_234,
      reduceOnly: true,
    });
    expect(new Set([entry?.size, stop?.size, target?.size]).size).toBe(1);
  });

  it("takes its size from the granted notional and the frame's price, floored to the grid; the expected price plays no part", () => {
    const [entry] = sizeDecision(long, context, frame);
    expect(entry?.size).toBe(0.01265);
    expect(1234.5 / 97_531.7 - 0.01265).toBeGreaterThan(0);
    const [doge] = sizeDecision({ ...long, symbol: 'DOGE', position_size_usd: 100 }, context, frame);
    expect(doge?.size).toBe(454);
  });

  it('puts what the model said onto the plan of the entry alone, with the prices the exchange accepts', () => {
    const [entry, stop, target] = sizeDecision(long, context, frame);
    expect(entry?.plan).toEqual({
      leverage: 3,
      confidence: 0.8,
      stopLoss: 95_123,
      takeProfit: 101_234,
      riskUsd: 30,
      invalidationCondition: 'a close below the range',
    });
    expect([stop?.plan, target?.plan]).toEqual([null, null]);
  });

  it('mirrors a short, whose stop is rounded up', () => {
    const short: Decision = {
      ...long,
      action: 'open_short',
      stop_loss: 99_000.2,
      take_profit: 95_000.2,
      leverage: null,
    };
    const [entry, stop, target] = sizeDecision(short, context, frame);
    expect(entry).toMatchObject({ side: 'sell', leverage: 1 });
    expect(stop).toMatchObject({ side: 'buy', triggerPrice: 99_001 });
    expect(target).toMatchObject({ side: 'buy', triggerPrice: 95_001 });
  });

  it('has no target leg without a target', () => {
    expect(sizeDecision({ ...long, take_profit: null }, context, frame).map(({ leg }) => leg)).toEqual([
      'entry',
      'stop',
    ]);
  });

  it('becomes nothing when the notional does not buy one lot', () => {
    expect(sizeDecision({ ...long, symbol: 'DOGE', position_size_usd: 0.21 }, context, frame)).toEqual([]);
    expect(sizeDecision({ ...long, symbol: 'DOGE', position_size_usd: 0.22 }, context, frame)[0]?.size).toBe(1);
    expect(sizeDecision({ ...long, position_size_usd: null }, context, frame)).toEqual([]);
  });
});

describe('an exit', () => {
  it('closes what is held, whatever size the model names', () => {
    const holding = { ...context, positions: [position('BTC', { quantity: -0.37, leverage: 4 })] };
    expect(sizeDecision({ ...long, action: 'close_short', position_size_usd: 5 }, holding, frame)).toEqual([
      expect.objectContaining({
        leg: 'close',
        side: 'buy',
        size: 0.37,
        kind: 'market',
        reduceOnly: true,
        leverage: 4,
        plan: null,
      }),
    ]);
    const longHolding = { ...context, positions: [position('BTC', { quantity: 0.12 })] };
    expect(sizeDecision({ ...long, action: 'close_long' }, longHolding, frame)[0]).toMatchObject({
      side: 'sell',
      size: 0.12,
    });
  });

  it('becomes nothing without a position', () => {
    expect(sizeDecision({ ...long, action: 'close_long' }, context, frame)).toEqual([]);
  });
});

describe('client order ids', () => {
  it('say slot and leg, differ between legs and symbols, and are the same when sized again', () => {
    const legs = sizeDecision(long, context, frame);
    for (const order of legs) expect(readClientOrderId(order.cloid)).toEqual({ slotMs: SLOT_MS, leg: order.leg });
    expect(sizeDecision(long, context, frame)).toEqual(legs);
    const others = sizeDecision({ ...long, symbol: 'DOGE' }, context, frame);
    expect(new Set([...legs, ...others].map(({ cloid }) => cloid)).size).toBe(6);
  });
});

it('a hold and a symbol without a price become nothing', () => {
  expect(sizeDecision({ ...long, action: 'hold' }, context, frame)).toEqual([]);
  expect(sizeDecision({ ...long, symbol: 'PEPE' }, context, frame)).toEqual([]);
});
