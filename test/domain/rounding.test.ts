import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTickPrice } from '../../src/domain/order-rules.ts';
import { floorSize, gridSize, roundPrice } from '../../src/domain/rounding.ts';

const significantFigures = (value: number) =>
  value.toExponential().replace(/e.*$/, '').replace('.', '').replace(/0+$/, '').length;
const decimalsOf = (value: number) => (/\.(\d+)$/.exec(String(value))?.[1] ?? '').length;

const price = fc.double({ min: 1e-4, max: 1e6, noNaN: true });
const sizeDecimals = fc.integer({ min: 0, max: 5 });
const side = fc.constantFrom('buy' as const, 'sell' as const);

describe('roundPrice', () => {
  it('keeps five significant figures, to the side that costs the taker', () => {
    expect(roundPrice(3612.345, 0, 'buy')).toBe(3612.4);
    expect(roundPrice(3612.345, 0, 'sell')).toBe(3612.3);
    expect(roundPrice(0.2213456, 0, 'buy')).toBe(0.22135);
    expect(roundPrice(0.2213456, 0, 'sell')).toBe(0.22134);
  });

  it('keeps at most six minus the size decimals behind the point', () => {
    expect(roundPrice(0.00123456, 0, 'buy')).toBe(0.001235);
    expect(roundPrice(181.2345, 5, 'buy')).toBe(181.3);
    expect(roundPrice(181.2345, 5, 'sell')).toBe(181.2);
  });

  it('allows every whole number, however many figures it has', () => {
    expect(roundPrice(105_123, 5, 'buy')).toBe(105_123);
    expect(roundPrice(105_123.2, 5, 'buy')).toBe(105_124);
    expect(roundPrice(105_123.8, 5, 'sell')).toBe(105_123);
  });

  it('gives a valid price that is off by less than one step, on the right side, and leaves a valid one alone', () => {
    fc.assert(
      fc.property(price, sizeDecimals, side, (value, decimals, taker) => {
        // Below a price's own grid there is no valid price left but 0.
        fc.pre(value > 10 ** -(6 - decimals));
        const rounded = roundPrice(value, decimals, taker);
        expect(Number.isInteger(rounded) || significantFigures(rounded) <= 5).toBe(true);
        expect(decimalsOf(rounded)).toBeLessThanOrEqual(6 - decimals);
        const step = Math.max(10 ** (Math.floor(Math.log10(value)) - 4), 10 ** -(6 - decimals));
        expect(Math.abs(rounded - value)).toBeLessThanOrEqual(Math.min(1, step) * (1 + 1e-6) + 1e-9 * value);
        const cost = taker === 'buy' ? rounded - value : value - rounded;
        expect(cost).toBeGreaterThanOrEqual(-1e-6 * Math.min(1, step) * 10 - 1e-12 * value);
        expect(roundPrice(rounded, decimals, taker)).toBe(rounded);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('sizes', () => {
  it('are floored to the grid, and a size on the grid stays in spite of its binary form', () => {
    expect(floorSize(1.2399, 2)).toBe(1.23);
    expect(floorSize(0.29, 2)).toBe(0.29);
    expect(floorSize(0.1 + 0.2, 1)).toBe(0.3);
    expect(floorSize(999.9, 0)).toBe(999);
    expect(floorSize(0.009, 2)).toBe(0);
  });

  it('are never floored to more than there is, nor by a whole lot', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), sizeDecimals, (size, decimals) => {
        const lot = 10 ** -decimals;
        const floored = floorSize(size, decimals);
        // A large size has no finer steps than its last bit.
        const bit = size * Number.EPSILON;
        expect(floored).toBeLessThanOrEqual(size + Math.max(lot * 1e-5, bit));
        expect(size - floored).toBeLessThan(lot * (1 + 1e-6) + bit);
        expect(floorSize(floored, decimals)).toBe(floored);
      }),
    );
  });

  it('keep no dust: equal amounts bought and sold in any parts come to exactly nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10_000 }), { maxLength: 30 }), sizeDecimals, (lots, decimals) => {
        const sizes = lots.map((count) => count / 10 ** decimals);
        const flat = [...sizes, ...sizes.map((size) => -size).reverse()].reduce(
          (held, size) => gridSize(held + size, decimals),
          0,
        );
        expect(flat + 0).toBe(0);
      }),
    );
  });

  it('keeps to a fixed tick where the instrument has one, whatever the price is', () => {
    expect(roundPrice(1234.561, 0, 'buy', 0.01)).toBe(1234.57);
    expect(roundPrice(1234.569, 0, 'sell', 0.01)).toBe(1234.56);
    expect(roundPrice(150.25, 0, 'sell', 0.01)).toBe(150.25);
    expect(roundPrice(4321.12, 0, 'buy', 0.05)).toBe(4321.15);
    expect(isTickPrice(1234.56, 0, 0.01)).toBe(true);
    expect(isTickPrice(1234.565, 0, 0.01)).toBe(false);
    expect(isTickPrice(1234.56, 0)).toBe(false);
  });
});
