import { describe, expect, it } from 'vitest';
import { fillId } from '../../src/domain/fill.ts';

const dust = {
  provider: 'hyperliquid',
  account: '0xa',
  tid: 0,
  hash: '0xf1',
  symbol: '@142',
  tsMs: 1_762_732_800_049,
  startPosition: 0.5,
};

describe('the id of a fill', () => {
  it("is the exchange's number, on each account of a match another one", () => {
    const [buyer, seller] = ['0xa', '0xb'].map((account) => fillId({ ...dust, account, tid: 701625364644192 }));
    expect(buyer).toBe('hyperliquid:0xa:701625364644192');
    expect(seller).toBe('hyperliquid:0xb:701625364644192');
  });

  it.each([0, null])('comes from everything that tells it from others where the number is %s', (tid) => {
    const id = fillId({ ...dust, tid });
    expect(id).toMatch(/^hyperliquid:0xa:[0-9a-f]{32}$/);
    expect(fillId({ ...dust, tid })).toBe(id);
    const others = [
      { hash: '0xf2' },
      { symbol: '@143' },
      { tsMs: dust.tsMs + 1 },
      { startPosition: 0.6 },
      { account: 'b' },
    ];
    const ids = others.map((other) => fillId({ ...dust, tid, ...other }));
    expect(new Set([id, ...ids]).size).toBe(others.length + 1);
  });
});
