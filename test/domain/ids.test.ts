import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientOrderId, decodeId, encodeId, LEGS, manualOrderId, readClientOrderId } from '../../src/domain/ids.ts';

const slot = fc.integer({ min: 1_000_000_000_000, max: 9_999_999_999_999 });

describe('encodeId and decodeId', () => {
  it('are each other reversed for any id', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (id) => {
        expect(decodeId(encodeId(id))).toBe(id);
      }),
      { numRuns: 300 },
    );
    for (const id of [
      'a:b',
      'a%3Ab',
      '{x}',
      '%',
      '%%41',
      'tab\there',
      'no\u00a0break',
      'line\u2028separator',
      '\ufeffmark',
    ])
      expect(decodeId(encodeId(id))).toBe(id);
  });

  it('leave nothing in an id that could reach into another key or break a hash tag', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(':', '{', '}', '%', ' ', '\n', '\u2028', 'a') }), (id) => {
        expect(encodeId(id)).not.toMatch(/[:{}\s]/);
      }),
    );
  });

  it('leave ordinary ids as they are', () => {
    expect(encodeId('deepseek-chat-v3.1')).toBe('deepseek-chat-v3.1');
  });
});

describe('clientOrderId', () => {
  const parts = fc.tuple(fc.string({ minLength: 1 }), slot, fc.constantFrom(...LEGS), fc.constantFrom('BTC', 'ETH'));

  it('is a 128-bit hexadecimal number that leads back to slot and leg', () => {
    fc.assert(
      fc.property(parts, ([model, slotMs, leg, symbol]) => {
        const cloid = clientOrderId(model, slotMs, leg, symbol);
        expect(cloid).toMatch(/^0x[0-9a-f]{32}$/);
        expect(readClientOrderId(cloid)).toEqual({ slotMs, leg });
      }),
    );
  });

  it('is the same for the same order and another for any other', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const same = a.every((part, index) => part === b[index]);
        expect(clientOrderId(...a) === clientOrderId(...b)).toBe(same);
        expect(clientOrderId(...a)).toBe(clientOrderId(...a));
      }),
    );
  });

  it('reads nothing out of ids that are not ours', () => {
    for (const id of ['', '0x1', `0x${'f'.repeat(32)}`, `0x${'0'.repeat(12)}05${'a'.repeat(18)}`, 'manual-order'])
      expect(readClientOrderId(id)).toBeNull();
  });
});

describe('manualOrderId', () => {
  it('is one id an attempt on a position, and none of a decision', () => {
    const id = manualOrderId('m', 'BTC', 'm:BTC:1', 0);
    expect(id).toMatch(/^0x[0-9a-f]{32}$/);
    expect(manualOrderId('m', 'BTC', 'm:BTC:1', 0)).toBe(id);
    const others = [
      manualOrderId('m', 'BTC', 'm:BTC:1', 1),
      manualOrderId('m', 'BTC', 'm:BTC:2', 0),
      manualOrderId('m', 'ETH', 'm:BTC:1', 0),
      manualOrderId('n', 'BTC', 'm:BTC:1', 0),
    ];
    expect(new Set([id, ...others]).size).toBe(5);
    expect(readClientOrderId(id)).toBeNull();
  });
});
