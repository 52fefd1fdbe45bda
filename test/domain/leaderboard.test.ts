import { describe, expect, it } from 'vitest';
import { leaderboardRow, rank, returnPct } from '../../src/domain/leaderboard.ts';
import { mean, median, sampleStd, sharpeRatio } from '../../src/domain/statistics.ts';

const standing = {
  modelId: 'claude-sonnet-4-5',
  initialEquityUsd: 10_000,
  equityUsd: 8552.7,
  sharpe: 0,
  numTrades: 1,
  numWins: 0,
  numLosses: 1,
  winDollars: 0,
  loseDollars: -90.55,
};

describe('leaderboardRow', () => {
  it('is the row the original shows, to the last bit', () => {
    expect(leaderboardRow(standing)).toEqual({
      id: 'claude-sonnet-4-5',
      num_trades: 1,
      sharpe: 0,
      win_dollars: 0,
      num_losses: 1,
      lose_dollars: -90.55,
      return_pct: -14.469999999999999,
      equity: 8552.7,
      num_wins: 0,
    });
    expect(returnPct(10900.67, 10_000)).toBe(9.01);
  });

  it('rounds a tiny loss to zero, not to minus zero', () => {
    expect(returnPct(9999.9, 10_000)).toBe(0);
  });

  it('refuses an account that began with nothing', () => {
    expect(() => returnPct(100, 0)).toThrow(expect.objectContaining({ code: 'NOF0_INPUT_INVALID' }));
  });
});

describe('rank', () => {
  it('puts the best return first and equal ones by id, and leaves its input alone', () => {
    const row = (modelId: string, equityUsd: number) => leaderboardRow({ ...standing, modelId, equityUsd });
    const rows = [row('c', 9000), row('b', 11_000), row('a', 9000), row('d', 12_000)];
    expect(rank(rows).map((ranked) => ranked.id)).toEqual(['d', 'b', 'a', 'c']);
    expect(rows.map((ranked) => ranked.id)).toEqual(['c', 'b', 'a', 'd']);
  });
});

describe('statistics', () => {
  it('says 0 of nothing, and of what does not vary', () => {
    expect([mean([]), sampleStd([]), sampleStd([5]), median([])]).toEqual([0, 0, 0, 0]);
    expect([sharpeRatio([], 8760), sharpeRatio([0.1], 8760), sharpeRatio([0.1, 0.1, 0.1], 8760)]).toEqual([0, 0, 0]);
  });

  it('uses n − 1 and the middle value', () => {
    expect(sampleStd([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 14);
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });

  it('annualises the ratio by the square root of the periods', () => {
    expect(sharpeRatio([0.01, 0.03], 4)).toBeCloseTo((0.02 / Math.sqrt(0.0002)) * 2, 12);
  });
});
