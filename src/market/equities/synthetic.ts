/**
 * Invented stocks: one session and those before it, minute by minute. Prices are random walks with a part that all share; now and then
 * somebody runs for a while on many times the volume. Everything is a hash of the seed: the same seed is the same day.
 */

import { type Session, sessionBefore, sessionOf } from '../../domain/desk/calendar.ts';
import type { Asset, Candle } from '../../domain/market.ts';
import { uniform } from '../../domain/random.ts';
import { CodedError } from '../../errors.ts';

type Stock = { readonly symbol: string; readonly sector: string; readonly price: number; readonly dailyShares: number };

const stocks = (sector: string, listed: readonly (readonly [string, number, number])[]): Stock[] =>
  listed.map(([symbol, price, millions]) => ({ symbol, sector, price, dailyShares: millions * 1_000_000 }));

const UNIVERSE: readonly Stock[] = [
  ...stocks('technology', [
    ['AAPL', 150, 55],
    ['MSFT', 290, 22],
    ['GOOGL', 125, 25],
    ['AMZN', 115, 48],
    ['META', 240, 20],
    ['NVDA', 420, 45],
  ]),
  ...stocks('healthcare', [
    ['JNJ', 158, 7],
    ['UNH', 480, 3],
    ['PFE', 38, 25],
    ['LLY', 440, 3],
  ]),
  ...stocks('financials', [
    ['JPM', 140, 10],
    ['BAC', 29, 45],
    ['GS', 330, 2.2],
    ['V', 228, 6],
  ]),
  ...stocks('consumer', [
    ['WMT', 152, 6],
    ['KO', 63, 13],
    ['NKE', 108, 8],
    ['HD', 295, 4],
  ]),
  ...stocks('energy', [
    ['XOM', 106, 16],
    ['CVX', 157, 8],
  ]),
];

/** Well-known stocks with their sectors. */
export const LISTED = UNIVERSE.map(({ symbol, sector }) => ({ symbol, sector }));

/** The volatility index, which is watched and not traded. */
export const VIX = 'VIX';
const VIX_LEVEL = 17;
const SESSIONS_BEFORE = 3;
const MINUTE_MS = 60_000;
const SESSION_MINUTES = 390;
/** Standard deviation of a minute's return: of the stock alone, and of what all share. */
const OWN_DEVIATION = 0.0006;
const SHARED_DEVIATION = 0.00025;
const GAP_DEVIATION = 0.006;
/** Runs of a stock a session, how long they take and how far they go. */
const RUNS = 3;
const RUN_MINUTES = 35;
const RUN_RETURN = 0.022;
const RUN_VOLUME = 3.5;

export type SyntheticEquities = { readonly assets: readonly Asset[]; readonly candles: ReadonlyMap<string, Candle[]> };

/** Stocks and their candles for the session of a day and three before it. Throws NOF0_INPUT_INVALID for a day without a session. */
export function inventStocks(seed: string, day: string): SyntheticEquities {
  const last = sessionOf(day);
  if (last === null)
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `the New York exchanges do not trade on ${day}; take another equities.day`,
    );
  const sessions: Session[] = [last];
  while (sessions.length <= SESSIONS_BEFORE) sessions.unshift(sessionBefore(sessions[0]?.day ?? day));
  const shared = new Map(sessions.map((session) => [session.day, sharedReturns(seed, session)]));
  const candles = new Map(UNIVERSE.map((stock) => [stock.symbol, candlesOf(seed, stock, sessions, shared)]));
  candles.set(VIX, volatilityOf(seed, sessions, shared));
  return { assets: [...UNIVERSE.map(assetOf), indexOf(VIX)], candles };
}

export function assetOf({ symbol, sector }: { readonly symbol: string; readonly sector: string }): Asset {
  return { ...indexOf(symbol), sector, isActive: true, assetClass: 'equity' };
}

/** Whole shares in whole cents; bought with up to twice the cash that the account has, if the guardrails let it. */
export function indexOf(symbol: string): Asset {
  return {
    ...{ symbol, base: symbol, quote: 'USD', precision: 2, sizeDecimals: 0, maxLeverage: 2, onlyIsolated: false },
    ...{ isActive: false, assetClass: 'index', tickSize: 0.01 },
  };
}

const minutesOf = ({ openMs, closeMs }: Session): number => Math.round((closeMs - openMs) / MINUTE_MS);

/** Roughly normal, mean 0 and variance 1: twelve uniform numbers would do; three are near enough for an invented market. */
function noise(...parts: (string | number)[]): number {
  return 2 * (uniform(...parts, 'a') + uniform(...parts, 'b') + uniform(...parts, 'c') - 1.5);
}

function sharedReturns(seed: string, session: Session): number[] {
  return Array.from({ length: minutesOf(session) }, (_, i) => SHARED_DEVIATION * noise(seed, 'shared', session.day, i));
}

type Run = { readonly from: number; readonly until: number; readonly drift: number };

function runsOf(seed: string, symbol: string, day: string): Run[] {
  return Array.from({ length: RUNS }, (_, i) => {
    const from = Math.floor(uniform(seed, 'run', symbol, day, i) * (SESSION_MINUTES - RUN_MINUTES));
    const length = Math.ceil(RUN_MINUTES * (0.5 + uniform(seed, 'length', symbol, day, i)));
    // More of them go up: a desk that only buys should have something to do.
    const up = uniform(seed, 'direction', symbol, day, i) < 0.6 ? 1 : -1;
    return { from, until: from + length, drift: (up * RUN_RETURN * uniform(seed, 'size', symbol, day, i)) / length };
  });
}

function candlesOf(
  seed: string,
  { symbol, price: start, dailyShares }: Stock,
  sessions: readonly Session[],
  shared: ReadonlyMap<string, readonly number[]>,
): Candle[] {
  let price = start;
  return sessions.flatMap((session) => {
    const { day } = session;
    const runs = runsOf(seed, symbol, day);
    price *= 1 + GAP_DEVIATION * noise(seed, 'gap', symbol, day);
    return Array.from({ length: minutesOf(session) }, (_, i) => {
      const run = runs.find(({ from, until }) => i >= from && i < until);
      const own = OWN_DEVIATION * noise(seed, 'own', symbol, day, i);
      const open = price;
      price *= 1 + own + (shared.get(day)?.[i] ?? 0) + (run?.drift ?? 0);
      const reach = OWN_DEVIATION * uniform(seed, 'reach', symbol, day, i);
      const busy =
        busyness(i / minutesOf(session)) *
        (run ? RUN_VOLUME : 1) *
        (0.6 + 0.8 * uniform(seed, 'volume', symbol, day, i));
      return candle(symbol, session.openMs + i * MINUTE_MS, open, price, reach, (dailyShares / SESSION_MINUTES) * busy);
    });
  });
}

/** The first and the last hour of a session are the busiest. */
const busyness = (part: number): number => 0.6 + 1.6 * (2 * part - 1) ** 2;

/** An index that rises when the shared part of the market falls. */
function volatilityOf(
  seed: string,
  sessions: readonly Session[],
  shared: ReadonlyMap<string, readonly number[]>,
): Candle[] {
  let level = VIX_LEVEL;
  return sessions.flatMap((session) =>
    (shared.get(session.day) ?? []).map((change, i) => {
      const open = level;
      level = Math.max(
        10,
        level * (1 - 4 * change + 0.0008 * noise(seed, VIX, session.day, i)) + 0.002 * (VIX_LEVEL - level),
      );
      return candle(VIX, session.openMs + i * MINUTE_MS, open, level, 0.0002, 0);
    }),
  );
}

function candle(symbol: string, openTsMs: number, from: number, to: number, reach: number, volume: number): Candle {
  const [open, close] = [cents(from), cents(to)];
  return {
    ...{ symbol, openTsMs, open, close, volume: Math.round(volume) },
    high: Math.max(open, close, cents(Math.max(from, to) * (1 + reach))),
    low: Math.min(open, close, cents(Math.min(from, to) * (1 - reach))),
  };
}

const cents = (value: number): number => Math.round(value * 100) / 100;
