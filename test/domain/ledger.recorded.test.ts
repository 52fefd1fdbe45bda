import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Fill } from '../../src/domain/fill.ts';
import { foldFills, orderFills } from '../../src/domain/ledger.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { hasRecorded, recorded } from '../hyperliquid/recorded.ts';
import { fill, hasShared, readShared } from './fills.ts';

const OWNER = { account: 'm', address: '0x109a42c3ead059b041560cb6da71058516e7ba3e' };

describe.skipIf(!hasRecorded)('recorded fills of the exchange', () => {
  const fills = hasRecorded ? parseUserFills(recorded('userFills.json'), OWNER).fills : [];
  const of = (coin: string): Fill[] =>
    orderFills(fills.filter(({ symbol }) => symbol === coin).map((each) => ({ ...each, modelId: 'm' })));

  it.each([
    ['HYPE', 2, false],
    ['XPL', 0, false],
    ['AVAX', 2, false],
    ['BTC', 5, true],
    ['FARTCOIN', 1, true],
  ])('%s: every one gives back the profit that the exchange recorded', (coin, sizeDecimals, adopted) => {
    const own = of(coin);
    const fold = foldFills(own, { sizeDecimals });
    expect(fold).toMatchObject({ gapFillId: null, quantity: 0 });
    expect(fold.opening !== null).toBe(adopted);
    // The exchange keeps its average entry price at the symbol's price decimals, and profits at six; ours are not rounded.
    const priceStep = 10 ** (sizeDecimals - 6);
    // What an adopted position cost is told by its first exit, so folds of its beginning know it as soon as that is among them.
    const firstExit = own.findIndex(({ closedPnl }) => closedPnl !== 0);
    let before = 0;
    for (const [index, each] of own.entries()) {
      if (index < firstExit && adopted) continue;
      const gross = foldFills(own.slice(0, index + 1), { sizeDecimals }).grossPnl;
      expect(Math.abs(gross - before - each.closedPnl)).toBeLessThanOrEqual(priceStep * each.size + 1e-6);
      before = gross;
    }
    expect(fold.trades.length).toBe(new Set(own.filter(({ closedPnl }) => closedPnl !== 0).map(({ oid }) => oid)).size);
    expect(fold.feesUsd).toBeCloseTo(
      own.reduce((sum, { feeUsd }) => sum + feeUsd, 0),
      9,
    );
  });
});

const tradesFile = z.object({
  trades: z.array(
    z.object({
      id: z.string(),
      symbol: z.string(),
      side: z.enum(['long', 'short']),
      quantity: z.number(),
      entry_price: z.number(),
      exit_price: z.number(),
      entry_sz: z.number(),
      exit_sz: z.number(),
      entry_closed_pnl: z.number(),
      exit_closed_pnl: z.number(),
      entry_commission_dollars: z.number(),
      exit_commission_dollars: z.number(),
      total_commission_dollars: z.number(),
      realized_gross_pnl: z.number(),
      realized_net_pnl: z.number(),
    }),
  ),
});
const tradesPath = 'arena-data/trades.json';

describe.skipIf(!hasShared(tradesPath))('recorded trades of the original arena', () => {
  const trades = hasShared(tradesPath) ? tradesFile.parse(readShared(tradesPath)).trades : [];

  it('keep the identities that ours keep, but for the one that an exchange need not keep', () => {
    expect(trades.length).toBeGreaterThan(0);
    for (const trade of trades) {
      expect(trade.realized_net_pnl).toBeCloseTo(trade.entry_closed_pnl + trade.exit_closed_pnl, 9);
      expect(trade.entry_closed_pnl).toBeCloseTo(-trade.entry_commission_dollars, 9);
      const fees = trade.entry_commission_dollars + trade.exit_commission_dollars;
      expect(trade.total_commission_dollars).toBeCloseTo(fees, 9);
      expect(trade.realized_gross_pnl).toBeCloseTo(trade.quantity * (trade.exit_price - trade.entry_price), 6);
    }
    // Net is not always gross less fees there, which is why all three are stored.
    const derived = trades.filter(
      (trade) => Math.abs(trade.realized_net_pnl - trade.realized_gross_pnl + trade.total_commission_dollars) < 1e-6,
    );
    expect(derived.length).toBeLessThan(trades.length);
  });

  it('come out of the ledger from their entry and exit', () => {
    for (const trade of trades) {
      const [entry, exit] = trade.side === 'long' ? (['buy', 'sell'] as const) : (['sell', 'buy'] as const);
      const common = { symbol: trade.symbol, size: Math.abs(trade.quantity) };
      const fold = foldFills(
        [
          fill({ ...common, side: entry, price: trade.entry_price, feeUsd: trade.entry_commission_dollars }),
          fill({ ...common, side: exit, price: trade.exit_price, feeUsd: trade.exit_commission_dollars }),
        ],
        { sizeDecimals: 8 },
      );
      const [ours] = fold.trades;
      expect(ours?.side).toBe(trade.side);
      // Recorded sizes are sums with binary dust, ours lie on the grid.
      expect(ours?.entrySz).toBeCloseTo(trade.entry_sz, 9);
      expect(ours?.exitSz).toBeCloseTo(trade.exit_sz, 9);
      expect(ours?.quantity).toBeCloseTo(trade.quantity, 9);
      expect(ours?.realizedGrossPnl).toBeCloseTo(trade.realized_gross_pnl, 6);
      expect(ours?.totalCommission).toBeCloseTo(trade.total_commission_dollars, 9);
      expect(ours?.entryClosedPnl).toBeCloseTo(trade.entry_closed_pnl, 9);
    }
  });
});
