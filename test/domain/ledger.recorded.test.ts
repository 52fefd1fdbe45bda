import { describe, expect, it } from 'vitest';
import { foldFills } from '../../src/domain/ledger.ts';
import { fill, hasShared, readShared, recordedFills } from './fills.ts';

const recording = 'hyperliquid/recorded/userFills.json';

describe.skipIf(!hasShared(recording))('recorded fills of the exchange', () => {
  const rows = hasShared(recording) ? recordedFills.parse(readShared(recording)) : [];
  // BTC begins in the middle of a position; the profit of its first close tells at which price that was entered.
  const opening = { kind: 'opening', symbol: 'BTC', price: 121362 - 22.2172 / 0.0067, size: 0.0118, tsMs: 0 } as const;

  it.each([
    ['HYPE', 2],
    ['XPL', 0],
    ['AVAX', 2],
    ['BTC', 5],
  ])('%s: gives the gross profit the exchange recorded', (coin, sizeDecimals) => {
    const own = rows.filter((row) => row.coin === coin);
    const fills = own.map((row) =>
      fill({
        id: String(row.tid),
        symbol: coin,
        side: row.side === 'B' ? 'buy' : 'sell',
        price: row.px,
        size: row.sz,
        startPosition: row.startPosition,
        seq: 0,
        oid: row.oid,
        feeUsd: row.fee,
        tsMs: row.time,
        liquidation: row.liquidation !== undefined,
      }),
    );
    const fold = foldFills(coin === 'BTC' ? [fill(opening), ...fills] : fills, { sizeDecimals });
    expect(fold.gapFillId).toBeNull();
    expect(fold.quantity).toBe(0);
    expect(fold.trades.length).toBe(new Set(own.filter((row) => row.closedPnl !== 0).map((row) => row.oid)).size);
    const recorded = own.reduce((total, row) => total + row.closedPnl, 0);
    // The exchange keeps its average entry price at the symbol's price decimals; ours is not rounded. Fees are not in it.
    const priceStep = 10 ** (sizeDecimals - 6);
    const closed = own.filter((row) => row.closedPnl !== 0).reduce((total, row) => total + row.sz, 0);
    expect(Math.abs(fold.grossPnl - recorded)).toBeLessThanOrEqual(priceStep * closed);
    expect(fold.feesUsd).toBeGreaterThan(10 * priceStep * closed);
  });
});
