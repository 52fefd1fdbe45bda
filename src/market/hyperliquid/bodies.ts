/** Market answers and frames of Hyperliquid → the market's vocabulary. */

import { z } from 'zod';
import type { Asset, AssetContext, Candle, Funding } from '../../domain/market.ts';
import type { BookLevel, OrderBook } from '../../domain/order-book.ts';
import { coin, decimal, unixMs } from '../../hyperliquid/wire.ts';

/** Prices have at most this many decimals, less those of the size. */
const PRICE_DECIMALS = 6;

export const universeRow = z.object({
  name: coin,
  szDecimals: z.int().min(0).max(PRICE_DECIMALS),
  // Left out of some answers; 1 is the least there is.
  maxLeverage: z.number().min(1).default(1),
  onlyIsolated: z.boolean().default(false),
  isDelisted: z.boolean().default(false),
});
export type UniverseRow = z.infer<typeof universeRow>;

/** An asset's number is its place: delisted ones keep theirs. A row of another shape would shift nobody, but nobody may trade it. */
export const metaBody = z.object({ universe: z.array(z.unknown()) });

/** One instrument; null for a row of another shape, which does not stop the others. */
export function readUniverseRow(row: unknown): UniverseRow | null {
  const parsed = universeRow.safeParse(row);
  return parsed.success ? parsed.data : null;
}

export function toAsset(row: UniverseRow): Asset {
  return {
    symbol: row.name,
    base: row.name,
    quote: 'USD',
    precision: PRICE_DECIMALS - row.szDecimals,
    sizeDecimals: row.szDecimals,
    maxLeverage: row.maxLeverage,
    onlyIsolated: row.onlyIsolated,
    isActive: !row.isDelisted,
  };
}

export const contextRow = z.object({
  funding: decimal,
  openInterest: decimal,
  dayNtlVlm: decimal,
  oraclePx: decimal,
  markPx: decimal.refine((price) => price > 0, 'a price above 0'),
  // Null where there is no book.
  midPx: decimal.nullable(),
});

export const metaAndContextsBody = z.tuple([metaBody, z.array(z.unknown())]);

/** What a row says; null for one of another shape. `openInterest` is in base units. */
export function readContext(symbol: string, tsMs: number, row: unknown): AssetContext | null {
  const parsed = contextRow.safeParse(row);
  return parsed.success ? toContext(symbol, tsMs, parsed.data) : null;
}

export function toContext(symbol: string, tsMs: number, row: z.infer<typeof contextRow>): AssetContext {
  const { markPx, midPx, oraclePx, funding, openInterest, dayNtlVlm } = row;
  return {
    symbol,
    tsMs,
    markPrice: markPx,
    midPrice: midPx,
    oraclePrice: oraclePx,
    fundingRate: funding,
    openInterest,
    volume24h: dayNtlVlm,
  };
}

const price = decimal.refine((value) => value > 0, 'a price above 0');

/** A bar; `T` is its last millisecond. */
export const candleRow = z
  .object({ t: unixMs, T: unixMs, s: coin, i: z.string(), o: price, h: price, l: price, c: price, v: decimal })
  .refine((bar) => bar.h >= bar.l && bar.h >= Math.max(bar.o, bar.c) && bar.l <= Math.min(bar.o, bar.c), {
    message: 'open and close between low and high',
  });
export type CandleRow = z.infer<typeof candleRow>;
export const candlesBody = z.array(candleRow);

export function toCandle(bar: CandleRow): Candle {
  return { symbol: bar.s, openTsMs: bar.t, open: bar.o, high: bar.h, low: bar.l, close: bar.c, volume: bar.v };
}

export const midsBody = z.record(z.string(), decimal);

const fundingRow = z.object({ coin, fundingRate: decimal, time: unixMs });
export const fundingBody = z.array(fundingRow);

export function toFunding(row: z.infer<typeof fundingRow>): Funding {
  return { symbol: row.coin, tsMs: row.time, rate: row.fundingRate };
}

const level = z.object({ px: price, sz: decimal, n: z.int().nonnegative() });
export const bookBody = z.object({ coin, time: unixMs.optional(), levels: z.tuple([z.array(level), z.array(level)]) });

/** `nowMs`: for answers of old, which carry no time. */
export function toBook(body: z.infer<typeof bookBody>, nowMs: number): OrderBook {
  const [bids, asks] = body.levels;
  return { tsMs: body.time ?? nowMs, bids: bids.map(toLevel), asks: asks.map(toLevel) };
}

function toLevel({ px, sz }: z.infer<typeof level>): BookLevel {
  return { price: px, size: sz };
}
