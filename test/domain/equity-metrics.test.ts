import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrapIntervals } from '../../src/domain/bootstrap.ts';
import {
  carryOn,
  equityMetrics,
  type HourClose,
  sortinoRatio,
  startEquity,
  WINDOW_HOURS,
} from '../../src/domain/equity-metrics.ts';
import { mix } from '../../src/domain/random.ts';
import { sharpeRatio } from '../../src/domain/statistics.ts';

const HOUR_MS = 3_600_000;
const start = startEquity(10_000, 0);
const close = (hour: number, equityUsd: number, notionalUsd = 0): HourClose => ({
  hour,
  tsMs: (hour + 1) * HOUR_MS - 1,
  equityUsd,
  notionalUsd,
});

describe('the metrics of an equity', () => {
  it('are of the whole hours, the first of them on the initial equity', () => {
    const carried = carryOn(start, [close(0, 10_100, 5050), close(1, 9999), close(2, 12_000)], [], 2);
    expect(carried.returns.map((value) => value.toFixed(6))).toEqual(['0.010000', '-0.010000']);
    const metrics = equityMetrics(carried, 10_000, 25);
    expect(metrics).toMatchObject({ hours: 2, model_cost_usd: 25 });
    expect(metrics.return_pct).toBeCloseTo(-0.01, 9);
    expect(metrics.return_after_model_cost_pct).toBeCloseTo(-0.26, 9);
    expect(metrics.max_drawdown_pct).toBeCloseTo(1, 9);
    expect(metrics.exposure_pct).toBeCloseTo(25, 9);
    expect(metrics.sharpe).toBe(sharpeRatio(carried.returns, 8760));
    expect(metrics.volatility_pct).toBeCloseTo(Math.sqrt(0.0002) * Math.sqrt(8760) * 100, 6);
  });

  it('do not take a deposit for a gain, nor a withdrawal for a loss', () => {
    const transfers = [
      { tsMs: 100, amountUsd: 5000 },
      { tsMs: HOUR_MS + 100, amountUsd: -15_000 },
      { tsMs: 2 * HOUR_MS - 1 + 1, amountUsd: 7 },
    ];
    const carried = carryOn(start, [close(0, 15_000), close(1, 300)], transfers, 2);
    expect(carried.returns[0]).toBe(0);
    expect(carried.returns[1]).toBeCloseTo(0.02, 12);
    // What came after the last close belongs to the next hour.
    expect(carryOn(carried, [close(2, 307)], transfers, 3).returns[2]).toBeCloseTo(0, 12);
  });

  it('count an hour without a snapshot as one without a return', () => {
    const carried = carryOn(start, [close(0, 11_000, 1100), close(3, 12_100, 1210)], [], 4);
    expect(carried.returns.map((value) => Number(value.toFixed(9)))).toEqual([0.1, 0, 0, 0.1]);
    expect(carried.exposures).toEqual([0.1, 0.1, 0.1, 0.1]);
  });

  it('are the same whether hours are added one by one or together', () => {
    const equity = fc.array(fc.option(fc.double({ min: 1, max: 1e6, noNaN: true })), { maxLength: 40 });
    fc.assert(
      fc.property(equity, fc.nat({ max: 40 }), (values, cut) => {
        const closes = values.flatMap((value, hour) => (value === null ? [] : [close(hour, value, value / 2)]));
        const once = carryOn(start, closes, [], values.length);
        const at = Math.min(cut, values.length);
        const first = carryOn(start, closes, [], at);
        const later = closes.filter((each) => each.hour >= at);
        expect(carryOn(JSON.parse(JSON.stringify(first)), later, [], values.length)).toEqual(once);
      }),
    );
  });

  it('look back no further than the window, but for the drawdown and the return', () => {
    const closes = Array.from({ length: WINDOW_HOURS + 50 }, (_, hour) => close(hour, hour === 10 ? 5000 : 10_000));
    const carried = carryOn(start, closes, [], closes.length);
    expect(carried.returns).toHaveLength(WINDOW_HOURS);
    expect(equityMetrics(carried, 10_000, 0)).toMatchObject({ max_drawdown_pct: 50, sharpe: 0, hours: WINDOW_HOURS });
  });

  it('have no Sortino ratio without a loss', () => {
    expect(sortinoRatio([0.01, 0, 0.02], 8760)).toBe(0);
    expect(sortinoRatio([0.03, -0.01], 4)).toBeCloseTo((0.01 / Math.sqrt(0.0001 / 2)) * 2, 12);
  });
});

describe('bootstrap intervals', () => {
  const noise = (n: number, drift: number) => Array.from({ length: n }, (_, i) => drift + (mix(7, i, 0) - 0.5) / 50);

  it('are the same for the same seed and differ for another', () => {
    const returns = noise(100, 0.001);
    const once = bootstrapIntervals(returns, 8760, 'seed', 'm', 5);
    expect(bootstrapIntervals(returns, 8760, 'seed', 'm', 5)).toEqual(once);
    expect(bootstrapIntervals(returns, 8760, 'other', 'm', 5)).not.toEqual(once);
  });

  it('lie around the figures they are of', () => {
    const returns = noise(300, 0.001);
    const found = bootstrapIntervals(returns, 8760, 'seed', 'm', 5);
    const [low = 0, high = 0] = found?.sharpe ?? [];
    const sharpe = sharpeRatio(returns, 8760);
    expect(low).toBeLessThan(sharpe);
    expect(high).toBeGreaterThan(sharpe);
    const total = (returns.reduce((growth, value) => growth * (1 + value), 1) - 1) * 100;
    expect(found?.window_return_pct[0]).toBeLessThan(total);
    expect(found?.window_return_pct[1]).toBeGreaterThan(total);
  });

  it('hold the true mean about as often as they say', () => {
    let held = 0;
    for (let run = 0; run < 200; run++) {
      const returns = Array.from({ length: 120 }, (_, i) => (mix(run + 1, i, 3) - 0.5) / 50);
      const [low = 0, high = 0] = bootstrapIntervals(returns, 8760, 'seed', run)?.sharpe ?? [];
      if (low <= 0 && high >= 0) held += 1;
    }
    expect(held).toBeGreaterThan(175);
  });

  it('are a point where nothing varies, and nothing before a day has passed', () => {
    expect(
      bootstrapIntervals(
        Array.from({ length: 48 }, () => 0),
        8760,
        's',
      ),
    ).toEqual({
      window_return_pct: [0, 0],
      sharpe: [0, 0],
    });
    expect(bootstrapIntervals(noise(23, 0), 8760, 's')).toBeNull();
  });
});
