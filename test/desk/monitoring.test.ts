/** One look at a position: when it should be closed, and why. */

import { describe, expect, it } from 'vitest';
import { type Chart, durationText, lookAt, type Watched, type WatchRules } from '../../src/domain/desk/monitoring.ts';
import { monitoringSchema } from '../../src/domain/desk/published.ts';

const NOW = Date.UTC(2025, 4, 9, 15);
const CALM: Chart = { rsi1m: 50, histogram5m: 0.1, histogramBefore: 0.1, macd5m: 0.2, resistance: 103, support: 98 };
const WEAK: Chart = { ...CALM, rsi1m: 41, histogram5m: -0.1, histogramBefore: -0.05 };
const RULES: WatchRules = { trailing: 0.01, sessionEndMs: NOW + 60_000 };
const LONG: Watched = {
  ...{ symbol: 'AAPL', quantity: 10, entryPrice: 100, entryTsMs: NOW - 1_635_000 },
  ...{ stopLoss: 95, takeProfit: 110, price: 100, bestPrice: null },
};
const SHORT: Watched = { ...LONG, quantity: -10, stopLoss: 105, takeProfit: 90 };

const exit = (position: Watched, chart: Chart = CALM, rules: WatchRules = RULES) =>
  lookAt(position, chart, NOW, rules).exit?.reason ?? null;

describe('an exit signal', () => {
  it.each([
    ['none while nothing happens', LONG, null],
    ['target_reached at the target', { ...LONG, price: 110 }, 'target_reached'],
    ['none just below it', { ...LONG, price: 109.99 }, null],
    ['stop_loss at the stop', { ...LONG, price: 95 }, 'stop_loss'],
    ['none just above it', { ...LONG, price: 95.01 }, null],
    ['target_reached of a short position below', { ...SHORT, price: 90 }, 'target_reached'],
    ['stop_loss of a short position above', { ...SHORT, price: 105 }, 'stop_loss'],
    ['none where there is neither stop nor target', { ...LONG, stopLoss: null, takeProfit: null, price: 1 }, null],
    ['trailing_stop when what was gained goes again', { ...LONG, bestPrice: 102, price: 100.98 }, 'trailing_stop'],
    ['none before as much had been gained', { ...LONG, bestPrice: 100.9, price: 99.8 }, null],
    ['none while it has not fallen as far', { ...LONG, bestPrice: 102, price: 101 }, null],
    ['trailing_stop of a short position', { ...SHORT, bestPrice: 98, price: 98.99 }, 'trailing_stop'],
  ] as const)('is %s', (_name, position, reason) => {
    expect(exit(position)).toBe(reason);
  });

  it('is weakening when momentum, strength and price all turn against it', () => {
    const losing = { ...LONG, price: 99.7 };
    expect(exit(losing, WEAK)).toBe('weakening');
    expect(exit({ ...LONG, price: 99.9 }, WEAK)).toBeNull();
    expect(exit(losing, { ...WEAK, rsi1m: 43 })).toBeNull();
    expect(exit(losing, { ...WEAK, histogram5m: 0.01, histogramBefore: 0.05 })).toBeNull();
    expect(exit(losing, { ...WEAK, histogramBefore: -0.2 })).toBeNull();
    expect(exit(losing, { ...WEAK, histogram5m: null })).toBeNull();
  });

  it('is session_end from its moment on, unless positions may stay', () => {
    expect(exit(LONG, CALM, { ...RULES, sessionEndMs: NOW })).toBe('session_end');
    expect(exit(LONG, CALM, { ...RULES, sessionEndMs: NOW + 1 })).toBeNull();
    expect(exit(LONG, CALM, { ...RULES, sessionEndMs: null })).toBeNull();
  });

  it('is the stop before everything else', () => {
    expect(exit({ ...LONG, price: 90, bestPrice: 108 }, WEAK, { ...RULES, sessionEndMs: NOW })).toBe('stop_loss');
  });
});

describe('a look', () => {
  it('says what the charts show, how far target and stop are, and for how long it has been held', () => {
    const { monitoring, bestPrice } = lookAt(
      { ...LONG, price: 101, bestPrice: 100.5 },
      { ...CALM, rsi1m: 78.456 },
      NOW,
      RULES,
    );
    expect(monitoringSchema.parse(monitoring)).toEqual({
      technical_signals: {
        rsi_1m: { value: 78.46, signal: 'overbought' },
        macd_5m: { value: 0.1, signal: 'flat' },
        support_resistance: { next_level: 103, type: 'resistance' },
      },
      profit_target: { value: 110, distance: '8.9%' },
      stop_loss: { value: 95, distance: '5.9%' },
      time_in_trade: '00:27:15',
      timestamp: '2025-05-09T15:00:00.000Z',
    });
    expect(bestPrice).toBe(101);
    expect(durationText(36 * 3_600_000 + 61_000)).toBe('36:01:01');
  });

  it('remembers the best price of its side', () => {
    expect(lookAt({ ...LONG, price: 99, bestPrice: 104 }, CALM, NOW, RULES).bestPrice).toBe(104);
    expect(lookAt({ ...SHORT, price: 99, bestPrice: 97 }, CALM, NOW, RULES).bestPrice).toBe(97);
    expect(lookAt({ ...SHORT, price: 99 }, CALM, NOW, RULES).bestPrice).toBe(99);
  });
});
