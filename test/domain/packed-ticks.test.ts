import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countPacked, packTicks, unpackTicks } from '../../src/domain/packed-ticks.ts';
import { priceIngest, unpackBatch } from '../../src/jobs/price-ingest.ts';
import { enqueueEffect, parsePayload } from '../../src/jobs/registry.ts';

const T0 = Date.UTC(2026, 0, 1);
const tickOf = fc.record({
  symbol: fc.string({ minLength: 1, maxLength: 64 }),
  source: fc.string({ maxLength: 32 }),
  tsMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  price: fc.double({ min: Number.MIN_VALUE, max: 1e12, noNaN: true, noDefaultInfinity: true }),
});

describe('ticks as one text', () => {
  it('are those that went in, whatever their symbols are called and whenever they were', () => {
    fc.assert(
      fc.property(fc.array(tickOf, { maxLength: 50 }), (ticks) => {
        const packed = packTicks(ticks);
        expect(unpackTicks(packed)).toEqual(ticks);
        expect(countPacked(packed)).toBe(ticks.length);
      }),
    );
  });

  it('that are none are refused with their place', () => {
    const packed = packTicks([
      { symbol: 'BTC', source: 'x', tsMs: T0, price: 1 },
      { symbol: 'BTC', source: 'x', tsMs: T0 + 1, price: 2 },
    ]);
    const [first] = packed.rows.split('\n');
    for (const bad of ['', '0 0 1', '9 0 1 2', '0 9 1 2', '0 0 1.5 2', '0 0 1 0', '0 0 1 -2', '0 0 1 x', '0 0 1 2 3']) {
      expect(() => unpackTicks({ ...packed, rows: `${first}\n${bad}` })).toThrow(/tick 1 of the batch/);
    }
  });
});

describe('a batch of a feed', () => {
  const rest = { candles: [], contexts: [], fundings: [], watermarkMs: T0 };
  const ticks = [{ symbol: 'BTC', tsMs: T0, price: 1, source: 'bbo' }];
  const head = { provider: 'synthetic', slotMs: null, asOfMs: T0 };

  it('that an older process promised is read by this one', () => {
    const payload = parsePayload(priceIngest as never, { v: 2, ...head, batch: { id: 'a-1', ticks, ...rest } });
    const { batch } = payload as ReturnType<typeof priceIngest.payload.parse>;
    expect(batch === null ? null : unpackBatch(batch)).toEqual({ ticks, ...rest });
  });

  it('leaves its size in history and not its rows, and nothing when all went well', () => {
    const { data } = enqueueEffect('price-ingest', { ...head, batch: { id: 'a-1', ticks: packTicks(ticks), ...rest } })
      .payload as unknown as { data: ReturnType<typeof priceIngest.payload.parse> };
    expect(priceIngest.remembered?.(data)).toEqual({
      ...{ v: 3, ...head },
      batch: { id: 'a-1', ticks: 1, candles: 0, watermarkMs: T0 },
    });
    expect(priceIngest.routine?.(data)).toBe(true);
    expect(priceIngest.routine?.({ ...data, batch: null })).toBe(false);
  });
});
