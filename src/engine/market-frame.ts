/** The frame of a slot: what every model that decides in it sees. Built once, stored, then read by all. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { CandleView } from '../domain/candle-history.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { FrameAsset, MarketFrame } from '../domain/decision.ts';
import { sha256 } from '../domain/random.ts';
import { CodedError } from '../errors.ts';
import { CandleReader } from '../store/candle-reader.ts';
import { findFrame, keepFrame, type StoredFrame } from '../store/frames.ts';
import { ingestCursor, type KnownAsset, marketAsOf } from '../store/market.ts';
import type { Stories } from './context.ts';
import { deskPackage } from './desk/desk-package.ts';

/** How long a slot waits for its prices; after that it decides on what is there. */
const WATERMARK_WAIT_MS = 3000;
/** A replay's prices come for certain, however long a crash holds them up, and in every replay it decides on the same. */
const REPLAYED_WAIT_MS = 120_000;
const WATERMARK_POLL_MS = 25;
const KEPT_FRAMES = 4;

export class FrameBuilder {
  readonly #stories: Stories;
  readonly #candles: CandleReader;
  /** Stored frames of the newest slots that were asked for. */
  readonly #kept = new Map<number, StoredFrame>();
  /** One build at a time; models of the same slot share it. */
  readonly #building = new Map<number, Promise<StoredFrame>>();

  constructor(stories: Stories) {
    this.#stories = stories;
    const { db, market, config } = stories;
    this.#candles = new CandleReader(db, market.provider, config.arena.barInterval);
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
    const { db, market, config, clock } = this.#stories;
    const { watermarkMs, assets, history } = await this.#readMarket(slotMs, seenMs, signal);
    if (assets.length === 0)
      throw new CodedError(
        'NOF0_FRAME_MISSING',
        `no price at or before slot ${new Date(slotMs).toISOString()} has been ingested yet`,
      );
    const desk = await deskPackage(this.#stories, slotMs);
    const frame: MarketFrame = {
      provider: market.provider,
      slotMs,
      watermarkMs: Math.min(watermarkMs, slotMs),
      barIntervalMs: config.arena.barInterval,
      assets: Object.fromEntries(
        assets.map((asset) => [asset.symbol, frameAsset(asset, history.view(asset.symbol, slotMs))]),
      ),
      ...(desk === null ? {} : { desk }),
    };
    return keepFrame(db, frame, frameDigest(frame), { relaxed: clock.repeats });
  }

  /** What was known at the slot. A database that crashed after the watermark was seen may have forgotten it: then its prices come again. */
  async #readMarket(slotMs: number, seenMs: number, signal: AbortSignal) {
    const { db, market } = this.#stories;
    let known = seenMs;
    for (;;) {
      const watermarkMs = await this.#awaitWatermark(slotMs, known, signal);
      const [now, candles] = await Promise.all([marketAsOf(db, market.provider, slotMs), this.#candles.at(slotMs)]);
      known = Math.min(now.watermarkMs, candles.watermarkMs);
      if (known >= watermarkMs || now.assets.length === 0)
        return { watermarkMs, assets: now.assets, history: candles.history };
    }
  }

  /** Waits for the slot's prices and for the matcher, a bounded time. `seenMs`: the watermark as it was read just now. */
  async #awaitWatermark(slotMs: number, seenMs: number, signal: AbortSignal): Promise<number> {
    const { db, market, clock } = this.#stories;
    const deadline = Date.now() + (clock.repeats ? REPLAYED_WAIT_MS : WATERMARK_WAIT_MS);
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
}

/** Digest under which a frame is stored. Stored and read back, it is still the same. */
export function frameDigest(frame: MarketFrame): string {
  return sha256(canonicalJson(frame));
}

function frameAsset(asset: KnownAsset, view: CandleView): FrameAsset {
  return {
    symbol: asset.symbol,
    price: asset.price,
    priceTsMs: asset.priceTsMs,
    fundingRate: asset.fundingRate,
    openInterest: asset.openInterest,
    volume24h: asset.volume24h,
    ...view,
    sizeDecimals: asset.sizeDecimals,
    ...(asset.tickSize === null ? {} : { tickSize: asset.tickSize }),
    maxLeverage: asset.maxLeverage,
  };
}
