import { describe, expect, it } from 'vitest';
import type { Fill } from '../../src/domain/fill.ts';
import { orderFills } from '../../src/domain/ledger.ts';
import { fill } from './fills.ts';

const ids = (fills: readonly Fill[]) => fills.map((entry) => entry.id);

describe('orderFills', () => {
  const cases: [string, Partial<Fill>[], number[]][] = [
    ['sorts by time', [{ tsMs: 2 }, { tsMs: 1 }], [1, 0]],
    [
      'follows the start positions inside a millisecond, whatever the order ids say',
      [
        { tsMs: 1, oid: 1, startPosition: 3, size: 4 },
        { tsMs: 1, oid: 2, startPosition: 1, size: 2 },
        { tsMs: 1, oid: 3, startPosition: 0, size: 1 },
      ],
      [2, 1, 0],
    ],
    [
      'does not run into the dead end that the smallest key would be',
      [
        { tsMs: 1, seq: 0, oid: 1, startPosition: 0, size: 1 },
        { tsMs: 1, seq: 0, oid: 2, startPosition: 0, size: 2 },
        { tsMs: 1, seq: 0, oid: 3, startPosition: 2, size: 2, side: 'sell' },
      ],
      [1, 2, 0],
    ],
    [
      'begins each chain at its own head when a fill between them is missing',
      [
        { tsMs: 1, oid: 1, startPosition: 7, size: 1 },
        { tsMs: 1, oid: 2, startPosition: 5, size: 2 },
        { tsMs: 1, oid: 3, startPosition: 0, size: 1 },
      ],
      [2, 1, 0],
    ],
    [
      'goes by (seq, oid) where the start is not told',
      [
        { tsMs: 1, seq: 2, oid: 1 },
        { tsMs: 1, seq: 1, oid: 9 },
        { tsMs: 1, seq: 1, oid: 8 },
      ],
      [2, 1, 0],
    ],
    [
      'puts an opening before and cash after the executions of its millisecond',
      [
        { tsMs: 1, kind: 'transfer' },
        { tsMs: 1, kind: 'funding' },
        { tsMs: 1, startPosition: 1 },
        { tsMs: 1, kind: 'opening' },
      ],
      [3, 2, 1, 0],
    ],
  ];
  it.each(cases)('%s', (_name, fields, expected) => {
    const fills = fields.map(fill);
    expect(ids(orderFills(fills))).toEqual(expected.map((index) => fills[index]?.id));
  });

  it('keeps the chain although sums of decimal sizes are not exact', () => {
    const a = fill({ tsMs: 1, oid: 3, startPosition: 0, size: 0.1 });
    const b = fill({ tsMs: 1, oid: 2, startPosition: 0.1, size: 0.2 });
    const c = fill({ tsMs: 1, oid: 1, startPosition: 0.3, size: 1 });
    expect(orderFills([c, b, a])).toEqual([a, b, c]);
  });
});
