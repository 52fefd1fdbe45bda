import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/errors.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { hasRecorded, recorded } from './recorded.ts';

const OWNER = { account: 'alpha', address: '0x109A42C3ead059b041560cb6da71058516e7ba3e' };
const ROW = {
  coin: 'BTC',
  px: '100.5',
  sz: '0.02',
  side: 'B',
  time: 1_700_000_000_000,
  startPosition: '-0.01',
  dir: 'Short > Long',
  closedPnl: '1.25',
  hash: '0xaa',
  oid: 7,
  crossed: true,
  fee: '0.01',
  tid: 42,
  feeToken: 'USDC',
  twapId: null,
};
const parse = (...rows: object[]) => parseUserFills(rows, OWNER).fills;

describe('an execution', () => {
  it('becomes a ledger entry: its side, its signed start, gross profit and fee apart', () => {
    expect(parse({ ...ROW, cloid: '0x01' })).toEqual([
      {
        id: 'hyperliquid:alpha:42',
        provider: 'hyperliquid',
        symbol: 'BTC',
        side: 'buy',
        price: 100.5,
        size: 0.02,
        startPosition: -0.01,
        seq: 1_700_000_000_000,
        feeUsd: 0.01,
        closedPnl: 1.25,
        oid: 7,
        cloid: '0x01',
        tid: 42,
        crossed: true,
        liquidation: false,
        kind: 'trade',
        tsMs: 1_700_000_000_000,
        dir: 'Short > Long',
      },
    ]);
  });

  it('keeps both sides of a match apart, which share an id, by their accounts', () => {
    const other = parseUserFills([{ ...ROW, side: 'A' }], { ...OWNER, account: 'beta' });
    expect([parse(ROW)[0]?.id, other.fills[0]?.id]).toEqual(['hyperliquid:alpha:42', 'hyperliquid:beta:42']);
  });

  it('without an id of its own is told apart by hash, coin, time and start position', () => {
    const zero = { ...ROW, tid: 0, hash: '0x00' };
    const { tid: _tid, ...none } = zero;
    const variants = [
      zero,
      { ...zero, hash: '0x01' },
      { ...zero, coin: 'ETH' },
      { ...zero, time: ROW.time + 1 },
      { ...zero, startPosition: '0.0' },
    ];
    const ids = parse(...variants).map((fill) => fill.id);
    expect(new Set(ids).size).toBe(variants.length);
    expect(parse(zero)[0]?.id).toBe(ids[0]);
    expect(parse(none)[0]).toMatchObject({ id: ids[0], tid: null });
  });

  it('is a liquidation when it is this account that was liquidated, not when it took the other side', () => {
    const taken = { ...ROW, liquidation: { liquidatedUser: `0x${'b'.repeat(40)}`, markPx: '1.0', method: 'market' } };
    const ours = { ...ROW, liquidation: { liquidatedUser: OWNER.address, markPx: '1.0', method: 'market' } };
    expect(parse(taken, ours).map((fill) => fill.liquidation)).toEqual([false, true]);
  });

  it('of a spot pair is no part of the ledger', () => {
    const { fills, spotRows } = parseUserFills([{ ...ROW, coin: '@107' }, { ...ROW, coin: 'PURR/USDC' }, ROW], OWNER);
    expect([fills.length, spotRows]).toEqual([1, 2]);
  });
});

describe('a body of another shape', () => {
  it('is refused as a whole, with the path of every fault', () => {
    const attempt = () => parse(ROW, { ...ROW, px: 100.5 }, { ...ROW, time: '1700000000000', side: 'X' });
    expect(attempt).toThrow(CodedError);
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({ code: 'NOF0_EXCHANGE_DATA', message: expect.stringContaining('userFills[1].px') });
      expect((error as CodedError).faults.map((fault) => fault.path).sort()).toEqual([
        'userFills[1].px',
        'userFills[2].side',
        'userFills[2].time',
      ]);
    }
  });

  it.each([null, {}, 'error', [null]])('is refused when it is %j', (body) => {
    expect(() => parseUserFills(body, OWNER)).toThrow(/unexpected shape/);
  });
});

describe.skipIf(!hasRecorded)('recorded answers', () => {
  it('keep every figure of a history with a liquidation', () => {
    const body = recorded('userFills.json');
    const { fills } = parseUserFills(body, OWNER);
    expect(fills).toHaveLength(50);
    expect(new Set(fills.map((fill) => fill.id)).size).toBe(50);
    for (const [i, fill] of fills.entries()) {
      const row = body[i];
      expect([fill.price, fill.size, fill.feeUsd, fill.closedPnl, fill.startPosition]).toEqual(
        [row.px, row.sz, row.fee, row.closedPnl, row.startPosition].map(Number),
      );
      expect([fill.tsMs, fill.oid, fill.tid, fill.crossed]).toEqual([row.time, row.oid, row.tid, row.crossed]);
      expect(fill.liquidation).toBe('liquidation' in row);
    }
    expect(fills.filter((fill) => fill.liquidation).length).toBeGreaterThan(0);
  });

  it('of dust and netting leave spot out and keep the rest', () => {
    const { fills, spotRows } = parseUserFills(recorded('userFills.dust.json'), OWNER);
    expect(spotRows).toBe(2);
    expect(fills.map((fill) => [fill.symbol, fill.dir])).toEqual([
      ['ARB', 'Open Long'],
      ['JUP', 'Close Short'],
      ['MANTA', 'Net Child Vaults'],
    ]);
  });

  it('of the WebSocket are the same rows', () => {
    for (const { data } of recorded('ws.userFills.json').frames) {
      const { fills, spotRows } = parseUserFills(data.fills, { account: 'alpha', address: data.user });
      expect(fills.length + spotRows).toBe(data.fills.length);
    }
  });
});
