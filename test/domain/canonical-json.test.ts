import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical-json.ts';

/** The same value with the fields of every object in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, turned(inner)]),
  );
}

it('is the same for the same value, whatever the order of its fields', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(canonicalJson(turned(value))).toBe(canonicalJson(value));
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it('leaves arrays in their order', () => {
  expect(canonicalJson([{ b: 1, a: [2, 1] }])).toBe('[{"a":[2,1],"b":1}]');
});
