/**
 * A market without a network: six coins whose prices are a pure function of (seed, symbol, time). Two processes, or one
 * before and after a restart, see the same prices; nothing is stored and nothing depends on the order of questions.
 */

import type { Asset, AssetContext, Candle, Funding, MarketBatch, Tick } from '../domain/market.ts';
import { candlePath, CANDLE_INTERVAL_MS as MINUTE_MS } from '../domain/market.ts';
import { mix, uniform } from '../domain/random.ts';
import { CodedError } from '../errors.ts';
import type { MarketData } from './market-data.ts';

/** `historyMs`: how far back a first fetch reaches. `tickMs`: prices appear at its multiples. */
export type SyntheticOptions = { readonly seed: string; readonly historyMs: number; readonly tickMs: number };

type Coin = {
  readonly symbol: string;
  /** USD price that the path keeps returning to. */
  readonly price: number;
  readonly precision: number;
  readonly sizeDecimals: number;
  readonly maxLeverage: number;
  /** Standard deviation of a year's log return, and its correlation with the common market factor. */
  readonly volatility: number;
  readonly correlation: number;
  readonly dailyVolumeUsd: number;
  readonly openInterestUsd: number;
};

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const PROVIDER = 'synthetic';
/** A longer stretch is told by candle paths: catching up after an outage must not cost one row for every missed tick. */
const FULL_TICKS_MS = 2 * MINUTE_MS;
/** Hourly share of the interest part of the usual funding formula, 0.01 % for 8 h. */
const BASE_FUNDING = 0.0000125;

/** A row a coin, columns as in `COINS`. */
const TABLE = [
  ['BTC', 105_000, 0, 5, 40, 0.5, 0.88, 3.2e9, 2.6e9],
  ['ETH', 3_600, 1, 4, 25, 0.7, 0.85, 2.1e9, 1.6e9],
  ['SOL', 180, 2, 2, 20, 0.85, 0.8, 7e8, 6e8],
  ['BNB', 760, 2, 3, 10, 0.55, 0.75, 6e7, 7e7],
  ['DOGE', 0.22, 5, 0, 10, 0.9, 0.78, 1.6e8, 1.4e8],
  ['XRP', 2.9, 4, 0, 20, 0.8, 0.72, 3.5e8, 3e8],
] as const;

const COINS: readonly Coin[] = TABLE.map(([symbol, price, precision, sizeDecimals, maxLeverage, ...rest]) => {
  const [volatility, correlation, dailyVolumeUsd, openInterestUsd] = rest;
  const moves = { volatility, correlation, dailyVolumeUsd, openInterestUsd };
  return { symbol, price, precision, sizeDecimals, maxLeverage, ...moves };
});

/** The coins' terms; size and leverage are the ones of Hyperliquid. */
export const SYNTHETIC_ASSETS: readonly Asset[] = COINS.map(({ symbol, precision, sizeDecimals, maxLeverage }) => ({
  ...{ symbol, base: symbol, quote: 'USD', precision, sizeDecimals, maxLeverage },
  ...{ onlyIsolated: false, isActive: true },
}));

/*
 * The walk. Brownian motion by midpoint displacement: between two known points the midpoint is their mean plus noise whose
 * variance is a quarter of the stretch, halving from a root stretch of 2^16 minutes (45 days) down to a 64th of a minute;
 * below that the path is straight. Hence any instant costs 22 hashes, every scale from seconds to weeks moves like a random
 * walk, and the 65 points of a minute contain its true extremes. The roots' ends are independent bounded draws, scaled so
 * that their differences fit the walk: over years the price stays within a small factor of its base.
 */
const STEPS = 64;
const STEP_YEARS = MINUTE_MS / STEPS / YEAR_MS;
const ROOT = STEPS * 2 ** 16;

/** Bounded noise with mean 0 and variance 1: the two halves of one hash added, which is rounder than a uniform draw. */
function noise(seed: number, step: number): number {
  const wide = mix(seed, step, 0) * 65_536;
  const high = Math.floor(wide);
  return (high / 65_536 + (wide - high) - 1) * Math.sqrt(6);
}

const displacement = (steps: number): number => Math.sqrt(steps * STEP_YEARS) / 2;
const anchor = (seed: number, step: number): number => noise(seed, step) * Math.sqrt((ROOT * STEP_YEARS) / 2);

/** The walk's values at both ends of the `size` steps around `step` (a power of two), in units of a year's deviation. */
function ends(seed: number, step: number, size: number): [number, number] {
  let start = Math.floor(step / ROOT) * ROOT;
  let left = anchor(seed, start);
  let right = anchor(seed, start + ROOT);
  for (let half = ROOT / 2; half >= size; half /= 2) {
    const middle = (left + right) / 2 + displacement(2 * half) * noise(seed, start + half);
    if (step >= start + half) {
      left = middle;
      start += half;
    } else right = middle;
  }
  return [left, right];
}

function walkAt(seed: number, tsMs: number): number {
  const position = (tsMs * STEPS) / MINUTE_MS;
  const step = Math.floor(position);
  const [left, right] = ends(seed, step, 1);
  return left + (right - left) * (position - step);
}

/** The walk at the 65 points of a minute, both boundaries included: one hash a point instead of 22. */
function walkMinute(seed: number, minute: number): Float64Array {
  const points = new Float64Array(STEPS + 1);
  [points[0], points[STEPS]] = ends(seed, minute * STEPS, STEPS);
  for (let half = STEPS / 2; half >= 1; half /= 2) {
    const scale = displacement(2 * half);
    for (let at = half; at < STEPS; at += 2 * half) {
      const mean = ((points[at - half] ?? 0) + (points[at + half] ?? 0)) / 2;
      points[at] = mean + scale * noise(seed, minute * STEPS + at);
    }
  }
  return points;
}

/** Noise in [-1, 1] with a node at every whole `x`, straight in between; `lane` separates the uses of one seed. */
function wave(seed: number, x: number, lane: number): number {
  const node = Math.floor(x);
  const left = mix(seed, node, lane);
  return 2 * (left + (mix(seed, node + 1, lane) - left) * (x - node)) - 1;
}

const round = (value: number, decimals: number): number => Math.round(value * 10 ** decimals) / 10 ** decimals;

/** One coin's path: its own walk and the one all coins share, mixed by correlation. */
class Path {
  readonly coin: Coin;
  private readonly seed: number;
  private readonly sharedSeed: number;

  constructor(coin: Coin, seed: number, sharedSeed: number) {
    this.coin = coin;
    this.seed = seed;
    this.sharedSeed = sharedSeed;
  }

  tick(tsMs: number): Tick {
    const price = this.price(this.blend(walkAt(this.sharedSeed, tsMs), walkAt(this.seed, tsMs)));
    return { symbol: this.coin.symbol, tsMs, price, source: PROVIDER };
  }

  /** The candle over the minute's points. Its last point is the next one's first, so it is known exactly at the close. */
  candle(openTsMs: number): Candle {
    const minute = openTsMs / MINUTE_MS;
    const shared = walkMinute(this.sharedSeed, minute);
    const walk = walkMinute(this.seed, minute).map((own, i) => this.blend(shared[i] ?? 0, own));
    const close = this.price(walk[STEPS] ?? 0);
    return {
      ...{ symbol: this.coin.symbol, openTsMs, open: this.price(walk[0] ?? 0) },
      ...{ high: this.price(Math.max(...walk)), low: this.price(Math.min(...walk)), close },
      volume: round(this.volumeUsd(minute) / close, this.coin.sizeDecimals),
    };
  }

  /** The print of the hour at or before the time: a slow wave around the usual rate, at times below zero. */
  funding(tsMs: number): Funding {
    const hour = Math.floor(tsMs / HOUR_MS);
    const waves = wave(this.seed, hour / 2, 1) + wave(this.seed, hour / 8, 2) + wave(this.seed, hour / 32, 3);
    return { symbol: this.coin.symbol, tsMs: hour * HOUR_MS, rate: round(BASE_FUNDING * (1 + 1.2 * waves), 10) };
  }

  context(tsMs: number): AssetContext {
    const { price } = this.tick(tsMs);
    const interestUsd = this.coin.openInterestUsd * (1 + 0.2 * wave(this.seed, tsMs / (12 * HOUR_MS), 4));
    const minute = Math.floor(tsMs / MINUTE_MS);
    let volume24h = 0;
    for (let back = 1; back <= 24 * 60; back += 1) volume24h += this.volumeUsd(minute - back);
    return {
      ...{ symbol: this.coin.symbol, tsMs, markPrice: price, midPrice: price, oraclePrice: price },
      fundingRate: this.funding(tsMs).rate,
      openInterest: round(interestUsd / this.coin.price, this.coin.sizeDecimals),
      volume24h: round(volume24h, 2),
    };
  }

  /** The coin's log return since its base price. */
  private blend(shared: number, own: number): number {
    const { volatility, correlation } = this.coin;
    return volatility * (correlation * shared + Math.sqrt(1 - correlation * correlation) * own);
  }

  private price(logReturn: number): number {
    return round(this.coin.price * Math.exp(logReturn), this.coin.precision);
  }

  /** A minute's notional: busy and quiet hours times mostly small, sometimes large minutes; the mean of both is 1. */
  private volumeUsd(minute: number): number {
    const busy = 0.5 + mix(this.seed, Math.floor(minute / 60), 5);
    return (this.coin.dailyVolumeUsd / 1440) * busy * (0.25 + 3 * mix(this.seed, minute, 6) ** 3);
  }
}

/** The multiples of `step` in (fromMs, toMs]. */
function multiples(step: number, fromMs: number, toMs: number): number[] {
  const first = Math.floor(fromMs / step) + 1;
  return Array.from({ length: Math.max(0, Math.floor(toMs / step) - first + 1) }, (_, i) => (first + i) * step);
}

class SyntheticMarket implements MarketData {
  readonly provider = PROVIDER;
  readonly extent = null;
  private readonly options: SyntheticOptions;
  private readonly paths: readonly Path[];

  constructor(options: SyntheticOptions) {
    const seedOf = (name: string): number => Math.floor(uniform(options.seed, 'synthetic-market', name) * 2 ** 32);
    this.options = options;
    this.paths = COINS.map((coin) => new Path(coin, seedOf(coin.symbol), seedOf('shared')));
  }

  async assets(): Promise<Asset[]> {
    return [...SYNTHETIC_ASSETS];
  }

  async fetch(fromMs: number | null, toMs: number, signal?: AbortSignal): Promise<MarketBatch> {
    signal?.throwIfAborted();
    const sinceMs = fromMs ?? toMs - this.options.historyMs;
    const newestMs = Math.floor(toMs / this.options.tickMs) * this.options.tickMs;
    const candles = multiples(MINUTE_MS, sinceMs, toMs).flatMap((closeMs) =>
      this.paths.map((p) => p.candle(closeMs - MINUTE_MS)),
    );
    return {
      ticks: this.ticks(fromMs, toMs, newestMs, candles),
      candles,
      // A stretch shorter than a tick may hold none: then nothing new is known either.
      contexts: fromMs !== null && newestMs <= fromMs ? [] : this.paths.map((path) => path.context(newestMs)),
      fundings: multiples(HOUR_MS, sinceMs, toMs).flatMap((tsMs) => this.paths.map((path) => path.funding(tsMs))),
      watermarkMs: toMs,
    };
  }

  private ticks(fromMs: number | null, toMs: number, newestMs: number, candles: readonly Candle[]): Tick[] {
    const ticksAt = (tsMs: number): Tick[] => this.paths.map((path) => path.tick(tsMs));
    if (fromMs === null) return ticksAt(newestMs);
    if (toMs - fromMs <= FULL_TICKS_MS) return multiples(this.options.tickMs, fromMs, toMs).flatMap(ticksAt);
    const told = candles.flatMap((candle) => candlePath(candle, MINUTE_MS, PROVIDER).filter((t) => t.tsMs > fromMs));
    told.sort((a, b) => a.tsMs - b.tsMs);
    return newestMs > (told.at(-1)?.tsMs ?? fromMs) ? [...told, ...ticksAt(newestMs)] : told;
  }
}

/** Opens the synthetic market. Throws NOF0_CONFIG_INVALID unless `tickMs` ≥ 1 and `historyMs` ≥ 0 are whole numbers. */
export function syntheticMarket(options: SyntheticOptions): MarketData {
  const { tickMs, historyMs } = options;
  const valid = Number.isInteger(tickMs) && tickMs >= 1 && Number.isInteger(historyMs) && historyMs >= 0;
  if (valid) return new SyntheticMarket(options);
  const message = `Synthetic market: tickMs ${tickMs}, historyMs ${historyMs}; expected whole numbers, tickMs at least 1.`;
  throw new CodedError('NOF0_CONFIG_INVALID', message);
}
