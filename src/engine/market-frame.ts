/** The frame of a slot: what every model that decides in it sees. Built once, stored, then read by all. */

import { setTimeout as sleep } from 'node:timers/promises';
import { aggregate } from '../domain/bars.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { FrameAsset, MarketFrame } from '../domain/decision.ts';
import { changeOver, computeIndicators } from '../domain/indicators.ts';
import { CANDLE_INTERVAL_MS, type Candle } from '../domain/market.ts';
import { sha256 } from '../domain/random.ts';
import { CodedError } from '../errors.ts';
import { candlesBetween, findFrame, ingestCursor, keepFrame, marketAsOf, type StoredFrame } from '../store/market.ts';
import type { Stories } from './context.ts';

/** Bars that the longest indicator (EMA 200) needs to be settled. */
const BARS = 260;
const CLOSES = 30;
/** How long a slot waits for its prices; after that it decides on what is there. */
const WATERMARK_WAIT_MS = 3000;
const WATERMARK_POLL_MS = 25;
const KEPT_FRAMES = 4;

const HOUR_MS = 3_600_000;

export class FrameBuilder {
  readonly #stories: Stories;
  /** Candles behind the newest frame, so that the next one reads only what came since. */
  #recent: { uptoMs: number; candles: Map<string, Candle[]> } | null = null;
  /** Stored frames of the newest slots that were asked for. */
  readonly #kept = new Map<number, StoredFrame>();
  /** One build at a time; models of the same slot share it. */
  readonly #building = new Map<number, Promise<StoredFrame>>();

  constructor(stories: Stories) {
    this.#stories = stories;
  }

  /** The slot's frame: the stored one, else built and stored. `mayBuild` false: null when there is none. */
  async frame(slotMs: number, signal: AbortSignal, mayBuild = true): Promise<StoredFrame | null> {
    const kept = this.#kept.get(slotMs) ?? this.#building.get(slotMs);
    if (kept) return kept;
    const { db, market } = this.#stories;
    const { stored, watermarkMs } = await findFrame(db, market.provider, slotMs);
    if (stored) return this.#keep(slotMs, stored);
    if (!mayBuild) return null;
    const build =
      this.#building.get(slotMs) ??
      this.#build(slotMs, watermarkMs, signal)
        .then((built) => this.#keep(slotMs, built))
        .finally(() => this.#building.delete(slotMs));
    this.#building.set(slotMs, build);
    return build;
  }

  /** A stored frame never changes: the other models of its slot need not ask for it. */
  #keep(slotMs: number, stored: StoredFrame): StoredFrame {
    this.#kept.set(slotMs, stored);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_FRAMES && oldest !== undefined) this.#kept.delete(oldest);
    return stored;
  }

  async #build(slotMs: number, seenMs: number, signal: AbortSignal): Promise<StoredFrame> {
    const { db, market, config } = this.#stories;
    const watermarkMs = await this.#awaitWatermark(slotMs, seenMs, signal);
    const assets = await marketAsOf(db, market.provider, slotMs);
    if (assets.length === 0)
      throw new CodedError(
        'NOF0_FRAME_MISSING',
        `no price at or before slot ${new Date(slotMs).toISOString()} has been ingested yet`,
      );
    const candles = await this.#candles(slotMs, watermarkMs);
    const frame: MarketFrame = {
      provider: market.provider,
      slotMs,
      watermarkMs: Math.min(watermarkMs, slotMs),
      barIntervalMs: config.arena.barInterval,
      assets: Object.fromEntries(
        assets.map((asset) => [
          asset.symbol,
          frameAsset(asset, candles.get(asset.symbol) ?? [], slotMs, config.arena.barInterval),
        ]),
      ),
    };
    return keepFrame(db, frame, frameDigest(frame));
  }

  /** Waits for the slot's prices and for the matcher, a bounded time. `seenMs`: the watermark as it was read just now. */
  async #awaitWatermark(slotMs: number, seenMs: number, signal: AbortSignal): Promise<number> {
    const { db, market } = this.#stories;
    const deadline = Date.now() + WATERMARK_WAIT_MS;
    let watermarkMs = seenMs;
    // Who decides on these prices must find his stops and margins worked through up to them.
    while ((watermarkMs < slotMs || (await this.#matchedUntil()) < slotMs) && Date.now() <= deadline) {
      await sleep(WATERMARK_POLL_MS, undefined, { signal });
      watermarkMs = (await ingestCursor(db, market.provider))?.watermarkMs ?? 0;
    }
    return watermarkMs;
  }

  /** An exchange of its own has no ticks of ours to work through. */
  async #matchedUntil(): Promise<number> {
    return (await this.#stories.exchange.matchedUntil?.()) ?? Number.POSITIVE_INFINITY;
  }

  /** Candles that were closed at the slot, as many as the indicators need. */
  async #candles(slotMs: number, watermarkMs: number): Promise<Map<string, Candle[]>> {
    const { db, market, config } = this.#stories;
    const span = BARS * config.arena.barInterval;
    // Known at the slot: open + interval ≤ slot.
    const uptoMs = slotMs - CANDLE_INTERVAL_MS + 1;
    const cached = this.#recent;
    const reuse = cached !== null && cached.uptoMs <= uptoMs && uptoMs - cached.uptoMs < span;
    const fresh = await candlesBetween(db, market.provider, reuse ? cached.uptoMs : uptoMs - span, uptoMs);
    const candles = new Map<string, Candle[]>();
    for (const symbol of new Set([...(reuse ? cached.candles.keys() : []), ...fresh.keys()])) {
      const all = [...(reuse ? (cached.candles.get(symbol) ?? []) : []), ...(fresh.get(symbol) ?? [])];
      const first = all.findIndex((candle) => candle.openTsMs >= uptoMs - span);
      candles.set(symbol, first > 0 ? all.slice(first) : all);
    }
    this.#recent = complete(candles, Math.min(uptoMs, watermarkMs - CANDLE_INTERVAL_MS + 1));
    return candles;
  }
}

/** What may be kept for later frames: beyond the watermark candles can still come. */
function complete(candles: ReadonlyMap<string, Candle[]>, uptoMs: number) {
  const kept = [...candles].map(([symbol, all]) => {
    const behind = all.findIndex((candle) => candle.openTsMs >= uptoMs);
    return [symbol, behind < 0 ? all : all.slice(0, behind)] as const;
  });
  return { uptoMs, candles: new Map(kept) };
}

/** Digest under which a frame is stored. Stored and read back, it is still the same. */
export function frameDigest(frame: MarketFrame): string {
  return sha256(canonicalJson(frame));
}

function frameAsset(
  asset: Awaited<ReturnType<typeof marketAsOf>>[number],
  candles: readonly Candle[],
  slotMs: number,
  barInterval: number,
): FrameAsset {
  const bars = aggregate(candles, barInterval, slotMs);
  return {
    symbol: asset.symbol,
    price: asset.price,
    priceTsMs: asset.priceTsMs,
    fundingRate: asset.fundingRate,
    openInterest: asset.openInterest,
    volume24h: asset.volume24h,
    change1h: changeOver(candles, HOUR_MS, slotMs),
    change4h: changeOver(candles, 4 * HOUR_MS, slotMs),
    indicators: computeIndicators(bars),
    closes: bars.slice(-CLOSES).map((bar) => bar.close),
    sizeDecimals: asset.sizeDecimals,
    ...(asset.tickSize === null ? {} : { tickSize: asset.tickSize }),
    maxLeverage: asset.maxLeverage,
  };
}
