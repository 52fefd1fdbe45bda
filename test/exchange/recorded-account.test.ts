/** The paper exchange against what the real one said: fees of trades, margins and liquidation prices of accounts. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { feeTierAt, feeUsd } from '../../src/domain/fees.ts';
import { liquidationPrice, maintenanceMargin } from '../../src/domain/margin.ts';
import { AccountBook } from '../../src/exchange/paper/account-book.ts';
import { accountStateOf } from '../../src/exchange/paper/account-view.ts';
import { SHARED } from '../paths.ts';
import { emptyRow, testRules } from './paper-books.ts';

const RECORDED = path.join(SHARED, 'hyperliquid/recorded');
const TRADES = path.join(SHARED, 'arena-data/trades.json');
const number = z.coerce.number();

const positionSchema = z.object({
  coin: z.string(),
  szi: number,
  leverage: z.object({ type: z.string(), value: number }),
  positionValue: number,
  liquidationPx: number.nullable(),
  marginUsed: number,
  maxLeverage: number.default(50),
});
const stateSchema = z.object({
  marginSummary: z.object({ accountValue: number, totalNtlPos: number }),
  crossMaintenanceMarginUsed: number.optional(),
  assetPositions: z.array(z.object({ position: positionSchema })),
});

function recordedState(file: string) {
  const state = stateSchema.parse(JSON.parse(readFileSync(path.join(RECORDED, file), 'utf8')));
  const positions = state.assetPositions.map(({ position }) => {
    const tiers = [{ fromUsd: 0, maxLeverage: position.maxLeverage }];
    const markPrice = position.positionValue / Math.abs(position.szi);
    return { ...position, tiers, markPrice, maintenanceUsd: maintenanceMargin(tiers, position.positionValue) };
  });
  const maintenanceUsd = positions.reduce((sum, position) => sum + position.maintenanceUsd, 0);
  return { ...state, positions, maintenanceUsd };
}

type Recorded = ReturnType<typeof recordedState>;

/** Liquidation prices of cross positions that `marginUsd` answers for. */
function crossPrices({ positions, maintenanceUsd }: Recorded, marginUsd: number): (number | null)[] {
  return positions.map((position) =>
    liquidationPrice({
      ...{ markPrice: position.markPrice, quantity: position.szi, marginUsd, tiers: position.tiers },
      othersMaintenanceUsd: maintenanceUsd - position.maintenanceUsd,
    }),
  );
}

describe.skipIf(!existsSync(RECORDED))('a recorded account', () => {
  it('with an isolated position comes out of the paper exchange as it was: margin, values, liquidation price', () => {
    const rules = testRules({ slippageBps: 0 });
    const book = new AccountBook(emptyRow({ cashUsd: 83.347684 }), new Map(), [], rules);
    book.execute({
      ...{ oid: 1, cloid: 'c', symbol: 'HYPE', side: 'buy', size: 2, price: 37.829, crossed: true, liquidation: false },
      ...{ setting: { leverage: 10, marginMode: 'isolated' }, tsMs: 1, mark: () => 37.826 },
    });
    const state = accountStateOf(book, () => 37.826, 1);
    const recorded = recordedState('clearinghouseState.isolated.json');
    const [position] = recorded.positions;
    expect(state.equityUsd).toBeCloseTo(recorded.marginSummary.accountValue, 6);
    expect(state.availableUsd).toBeCloseTo(75.781884, 6);
    expect(state.positions[0]?.marginUsedUsd).toBeCloseTo(position?.marginUsed ?? 0, 6);
    expect(state.positions[0]?.liquidationPrice).toBeCloseTo(position?.liquidationPx ?? 0, 6);
    expect(position?.liquidationPx).toBe(35.8559189474);
  });

  it('with a long that its equity covers wholly cannot be liquidated', () => {
    const state = recordedState('clearinghouseState.small-long.json');
    expect(crossPrices(state, state.marginSummary.accountValue)).toEqual([null]);
    expect(state.positions[0]?.liquidationPx).toBeNull();
  });

  it.each(['clearinghouseState.json', 'clearinghouseState.shorts.json', 'clearinghouseState.small-long.json'])(
    'has the maintenance and initial margin it was told to have: %s',
    (file) => {
      const { positions, maintenanceUsd, crossMaintenanceMarginUsed } = recordedState(file);
      expect(maintenanceUsd).toBeCloseTo(crossMaintenanceMarginUsed ?? 0, 5);
      for (const { positionValue, leverage, marginUsed } of positions)
        expect(positionValue / leverage.value).toBeCloseTo(marginUsed, 5);
    },
  );

  it('whose spot balance answers too has one collateral behind all its liquidation prices', () => {
    const state = recordedState('clearinghouseState.shorts.json');
    const [first] = state.positions;
    // More than the perpetuals account holds; the capture does not tell the rest, so the first price says how much it is.
    const freeUsd = ((first?.liquidationPx ?? 0) - (first?.markPrice ?? 0)) * Math.abs(first?.szi ?? 0) * (1 + 1 / 80);
    const prices = crossPrices(state, freeUsd + state.maintenanceUsd);
    expect(prices).toHaveLength(3);
    for (const [index, price] of prices.entries())
      expect(price).toBeCloseTo(state.positions[index]?.liquidationPx ?? 0, 4);
  });

  it('of 2023 has prices of the formula of those days, which left the last division out', () => {
    const state = recordedState('clearinghouseState.2023-03.json');
    const prices = crossPrices(state, state.marginSummary.accountValue);
    let compared = 0;
    for (const [index, { szi, markPrice, liquidationPx }] of state.positions.entries()) {
      const price = prices[index] ?? null;
      if (liquidationPx === null || price === null) {
        expect([liquidationPx, price]).toEqual([null, null]);
        continue;
      }
      const divided = (price - markPrice) * (1 - Math.sign(szi) / 100);
      expect(divided / (liquidationPx - markPrice)).toBeCloseTo(1, 6);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(3);
  });
});

const legSchema = z.object({ size: number, price: number, fee: number, crossed: z.boolean() });
type Leg = z.infer<typeof legSchema>;

function recordedLegs(): Leg[] {
  const { trades } = z
    .object({ trades: z.array(z.record(z.string(), z.unknown())) })
    .parse(JSON.parse(readFileSync(TRADES, 'utf8')));
  return trades.flatMap((trade) =>
    ['entry', 'exit'].map((side) =>
      legSchema.parse({
        size: trade[`${side}_sz`],
        price: trade[`${side}_price`],
        fee: trade[`${side}_commission_dollars`],
        crossed: trade[`${side}_crossed`],
      }),
    ),
  );
}

/** A book that traded so much in the days before that its tier is the given one. */
function bookOfTier(fromVolumeUsd: number): AccountBook {
  return new AccountBook(emptyRow({ volumes: { 99: fromVolumeUsd } }), new Map(), [], testRules());
}

describe.skipIf(!existsSync(TRADES))('recorded fees', () => {
  it('are those of the first two tiers, taker or maker; an order filled as both lies between', () => {
    const tiers = [bookOfTier(0), bookOfTier(5_000_000)].map((book) => ({
      taker: book.feeBps(true, 100 * 86_400_000),
      maker: book.feeBps(false, 100 * 86_400_000),
    }));
    expect(tiers).toEqual([
      { taker: 4.5, maker: 1.5 },
      { taker: 4, maker: 1.2 },
    ]);
    let between = 0;
    for (const { size, price, fee, crossed } of recordedLegs()) {
      // The recorded price is the rounded average of an order's fills, so its fee is known to a few thousandths of a basis point.
      const paper = tiers.map((tier) => feeUsd(size * price, crossed ? tier.taker : tier.maker));
      if (paper.some((mine) => Math.abs(mine / fee - 1) < 5e-4)) continue;
      between += 1;
      const bps = (fee / (size * price)) * 10_000;
      expect(tiers.some((tier) => bps > tier.maker && bps < tier.taker)).toBe(true);
    }
    expect(between).toBeLessThanOrEqual(1);
  });

  it('are cut after a millionth of a dollar', () => {
    const fills = z
      .array(z.object({ px: number, sz: number, fee: number }))
      .parse(JSON.parse(readFileSync(path.join(RECORDED, 'userFills.json'), 'utf8')));
    expect(fills.length).toBeGreaterThan(40);
    for (const { px, sz, fee } of fills) {
      const known = [0, 5_000_000, 25_000_000].map((usd) => feeTierAt(testRules().feeTiers, usd).takerFeeBps);
      expect(known.map((bps) => feeUsd(px * sz, bps))).toContain(fee);
    }
  });
});
