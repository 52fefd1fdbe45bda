import { describe, expect, it } from 'vitest';
import { parseFilter, parseIds, parseJsonObject, parsePast, parseWord } from '../../src/cli/flags.ts';

const NOW = Date.UTC(2026, 0, 2);

describe('a moment in the past', () => {
  it.each([
    ['2h', NOW - 7_200_000],
    ['30d', NOW - 30 * 86_400_000],
    ['0s', NOW],
    ['2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1)],
    ['1767225600000', 1_767_225_600_000],
  ])('is read from "%s"', (text, at) => {
    expect(parsePast('--since', text, NOW)).toBe(at);
  });

  it('may be left out', () => {
    expect(parsePast('--since', undefined, NOW)).toBeUndefined();
  });

  it.each(['yesterday', '2 hours', '', '-1h'])('is not "%s"', (text) => {
    expect(() => parsePast('--since', text, NOW)).toThrow(`--since expects a moment such as`);
  });
});

describe('numbers of failed jobs', () => {
  it('are taken once each', () => {
    expect(parseIds(['3', '12', '3'])).toEqual([3, 12]);
  });

  it.each(['five', '1.5', '-1', '1e3', '99999999999999999999', ''])('are none like "%s"', (text) => {
    expect(() => parseIds(['1', text])).toThrow('the number of a dead letter');
  });
});

describe('a filter', () => {
  it('keeps what was given and leaves the rest open', () => {
    expect(parseFilter({})).toEqual({ job: undefined, modelId: undefined, error: undefined, sinceMs: undefined });
    expect(parseFilter({ job: 'snapshot', model: 'm', error: 'x' })).toMatchObject({
      ...{ job: 'snapshot', modelId: 'm', error: 'x' },
    });
  });

  it('knows the jobs, the outcomes and JSON', () => {
    expect(() => parseFilter({ job: 'snapshto' })).toThrow('did you mean snapshot?');
    expect(parseWord('--outcome', 'failed', ['done', 'failed'])).toBe('failed');
    expect(() => parseWord('--outcome', 'fialed', ['done', 'failed'])).toThrow('did you mean failed?');
    expect(parseJsonObject('--payload', '{"a":1}')).toEqual({ a: 1 });
    for (const text of ['[1]', 'null', '{', '7'])
      expect(() => parseJsonObject('--payload', text)).toThrow('--payload expects a JSON object');
  });
});
