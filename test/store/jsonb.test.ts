import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toJsonb } from '../../src/store/jsonb.ts';

describe('JSON for Postgres', () => {
  it('replaces NUL and halves of surrogate pairs, in values and in keys', () => {
    const half = '🚀'.slice(0, 1);
    expect(JSON.parse(toJsonb({ 'k\u0000': ['a\u0000b', `c${half}`, '🚀'.slice(1)] }))).toEqual({
      'k\ufffd': ['a\ufffdb', 'c\ufffd', '\ufffd'],
    });
  });

  it('leaves everything else as it is, also text that only looks like an escape', () => {
    const value = { a: '\\u0000 \\\\ud800 "quoted" \n\t\u001f 🚀 \\', b: [1, null, true] };
    expect(toJsonb(value)).toBe(JSON.stringify(value));
  });

  it('always gives text that parses, without what Postgres refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (odd, text) => {
        const raw = [...odd].join(text).slice(1);
        const back: unknown = JSON.parse(toJsonb([raw]));
        expect(back).toEqual([raw.replace(/\0|\p{Cs}/gu, '\ufffd')]);
      }),
    );
  });
});
