import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { journalEffect, journalPath, parseJournalTarget } from '../../src/domain/journal.ts';

const pathOf = (trader: string) => journalPath({ trader_id: trader, cycle_ts_ms: 1_757_937_600_000, cycle_number: 7 });

describe('a journal file', () => {
  it('is named after its trader, slot and number', () => {
    expect(pathOf('carry')).toBe('carry/cycle_1757937600000_7.json');
    expect(pathOf('模型-1')).toBe('模型-1/cycle_1757937600000_7.json');
  });

  it.each([
    ['../../etc', '%2E%2E%2F..%2Fetc'],
    ['..', '%2E%2E'],
    ['.hidden', '%2Ehidden'],
    ['a/b', 'a%2Fb'],
    ['a:b', 'a%3Ab'],
    ['a%2Fb', 'a%252Fb'],
  ])('of %s stays in a folder of its own', (id, folder) => {
    expect(pathOf(id)).toBe(`${folder}/cycle_1757937600000_7.json`);
  });

  it('never leaves the journal, and two traders never share a folder', () => {
    const ids = fc.string({ minLength: 1, maxLength: 64, unit: 'binary' });
    fc.assert(
      fc.property(ids, ids, (one, other) => {
        const file = path.posix.normalize(`/journal/${pathOf(one)}`);
        expect(file.split('/')).toHaveLength(4);
        expect(file.startsWith('/journal/')).toBe(true);
        if (one !== other) expect(pathOf(one)).not.toBe(pathOf(other));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a journal effect', () => {
  it('names its cycle, whatever the id holds', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(), (modelId, slotMs) => {
        expect(parseJournalTarget(journalEffect(modelId, slotMs).target)).toEqual({ modelId, slotMs });
      }),
    );
    expect(parseJournalTarget('holder')).toBeNull();
  });
});
