/** The frame of a slot: what every model that decides in it sees. Built once, stored, then read by all. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { CandleHistory, CandleView } from '../domain/candle-history.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { FrameAsset, MarketFrame } from '../domain/decision.ts';
import { sha256 } from '../domain/random.ts';
import { CodedError } from '../errors.ts';
import { CandleReader } from '../store/candle-reader.ts';
import { findFrame, keepFrame, type StoredFrame } from '../store/frames.ts';
import { ingestCursor, type KnownAsset, marketAsOf } from '../store/market.ts';
import { isUnfired } from '../store/runs.ts';
import { outsideWork } from '../telemetry/work.ts';
import type { Stories } from './context.ts';
import { deskPackage } from './desk/desk-package.ts';

/** How long a slot waits for its prices; after that it decides on what is there. */
const WATERMARK_WAIT_MS = 3000;
/** A replay's prices come for certain, however long a crash holds them up, and in every replay it decides on the same. */
const REPLAYED_WAIT_MS = 120_000;
const WATERMARK_POLL_MS = 25;
/** After this long a replay asks whether the slot has to fire again. Then its prices come after jobs that need the place of this one. */
const UNFIRED_LOOK_MS = 500;
const UNFIRED_RETRY_MS = 200;
const KEPT_FRAMES = 4;

/** How far the prices are known, and how far stops and margins are worked through, Unix ms. */
type Reach = { readonly watermarkMs: number; readonly matchedMs: number };

/** What the market's tables say of a slot, and how far they went when they were read. */
type Known = {
  readonly assets: readonly KnownAsset[];
  readonly history: CandleHistory;
  readonly readMs: number;
};

type LookUp = { readonly stored: StoredFrame | null; readonly reach: Reach; readonly ahead: Promise<Known> | null };

/** `signal`: of the job that builds. */
type Build = { readonly frame: Promise<StoredFrame>; readonly signal: AbortSignal };

export class FrameBuilder {
  readonly #stories: Stories;
  readonly #candles: CandleReader;
  /** Stored frames of the newest slots that were asked for. */
  readonly #kept = new Map<number, StoredFrame>();
  /** Look-ups under way; models that begin at the same moment share one. */
  readonly #lookUps = new Map<number, Promise<LookUp>>();
  /** One build at a time; models of the same slot share it. */
  readonly #builds = new Map<number, Build>();

  constructor(stories: Stories) {
    this.#stories = stories;
    const { db, market, config } = stories;
    this.#candles = new CandleReader(db, market.provider, config.arena.barInterval);
  }

  /** The slot's frame: the stored one, else built and stored. `mayBuild` false: null when there is none. */
  async frame(slotMs: number, signal: AbortSignal, mayBuild = true): Promise<StoredFrame | null> {
    const atHand = this.#atHand(slotMs, signal, mayBuild);
    if (atHand) return atHand;
    const { stored, ...seen } = await this.#lookUp(slotMs);
    // Others asked with it: one of them may be building by now, or be done.
    const meanwhile = this.#atHand(slotMs, signal, mayBuild);
    if (meanwhile) return meanwhile;
    if (stored) return this.#keep(slotMs, stored);
    if (!mayBuild) return null;
    const frame = this.#build(slotMs, seen, signal)
      .then((built) => this.#keep(slotMs, built))
      .finally(() => this.#builds.delete(slotMs));
    this.#builds.set(slotMs, { frame, signal });
    return frame;
  }

  /** Begins to make a frame that somebody will ask for soon. What goes wrong is told to whoever asks. */
  begin(slotMs: number, signal: AbortSignal): void {
    this.frame(slotMs, signal).catch(() => {});
  }

  /**
   * Waits until the slot's prices are there and stops and margins are worked through up to them, a bounded time: only then may an account
   * be read that is decided on.
   */
  async settled(slotMs: number, signal: AbortSignal): Promise<void> {
    await this.#awaitPrices(slotMs, await this.#reach(), signal);
  }

  #atHand(slotMs: number, signal: AbortSignal, mayBuild: boolean): Promise<StoredFrame | null> | null {
    const kept = this.#kept.get(slotMs);
    if (kept) return Promise.resolve(kept);
    const building = this.#builds.get(slotMs);
    return building ? this.#shared(building, slotMs, signal, mayBuild) : null;
  }

  /** The frame that somebody else builds. When his job is given up, this one goes on by itself. */
  async #shared(building: Build, slotMs: number, signal: AbortSignal, mayBuild: boolean): Promise<StoredFrame | null> {
    try {
      return await building.frame;
    } catch (error) {
      if (!building.signal.aborted || signal.aborted) throw error;
      return this.frame(slotMs, signal, mayBuild);
    }
  }

  #lookUp(slotMs: number): Promise<LookUp> {
    const underWay = this.#lookUps.get(slotMs);
    if (underWay) return underWay;
    const { db, market, clock } = this.#stories;
    // Nobody's work alone: an abort of the one who asked first must not fail the others.
    const asked = outsideWork(() => Promise.all([findFrame(db, market.provider, slotMs), this.#matchedUntil()]));
    // In a replay the slot's prices are there and its frame is not, unless somebody has crashed.
    const ahead = clock.repeats ? outsideWork(() => this.#known(slotMs)) : null;
    ahead?.catch(() => {});
    const found = asked
      .then(([{ stored, watermarkMs }, matchedMs]) => ({ stored, reach: { watermarkMs, matchedMs }, ahead }))
      .finally(() => this.#lookUps.delete(slotMs));
    this.#lookUps.set(slotMs, found);
    return found;
  }

  /** A stored frame never changes: the other models of its slot need not ask for it. */
  #keep(slotMs: number, stored: StoredFrame): StoredFrame {
    this.#kept.set(slotMs, stored);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_FRAMES && oldest !== undefined) this.#kept.delete(oldest);
    return stored;
  }

  async #build(slotMs: number, seen: Omit<LookUp, 'stored'>, signal: AbortSignal): Promise<StoredFrame> {
    const { db, market, config, clock } = this.#stories;
    const { watermarkMs, assets, history } = await this.#readMarket(slotMs, seen, signal);
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
  async #readMarket(slotMs: number, seen: Omit<LookUp, 'stored'>, signal: AbortSignal) {
    let { reach, ahead } = seen;
    for (;;) {
      const watermarkMs = await this.#awaitPrices(slotMs, reach, signal);
      const known = await (ahead ?? this.#known(slotMs));
      if (known.readMs >= watermarkMs || (ahead === null && known.assets.length === 0))
        return { watermarkMs, ...known };
      // What was read ahead of the prices is read again now that they are there.
      if (ahead === null) reach = await this.#reach();
      ahead = null;
    }
  }

  async #known(slotMs: number): Promise<Known> {
    const { db, market } = this.#stories;
    const [now, candles] = await Promise.all([marketAsOf(db, market.provider, slotMs), this.#candles.at(slotMs)]);
    const readMs = Math.min(now.watermarkMs, candles.watermarkMs);
    return { assets: now.assets, history: candles.history, readMs };
  }

  /**
   * Waits for the slot's prices and for the matcher, a bounded time. `seen`: as it was read just now. Returns the watermark. Throws
   * NOF0_FRAME_MISSING where a crash took back that the slot has fired.
   */
  async #awaitPrices(slotMs: number, seen: Reach, signal: AbortSignal): Promise<number> {
    const { repeats } = this.#stories.clock;
    const beganMs = Date.now();
    const deadline = beganMs + (repeats ? REPLAYED_WAIT_MS : WATERMARK_WAIT_MS);
    let reach = seen;
    // Who decides on these prices must find his stops and margins worked through up to them.
    while (Math.min(reach.watermarkMs, reach.matchedMs) < slotMs && Date.now() <= deadline) {
      await sleep(WATERMARK_POLL_MS, undefined, { signal });
      if (repeats && Date.now() - beganMs > UNFIRED_LOOK_MS) await this.#assertFired(slotMs);
      reach = await this.#reach();
    }
    return reach.watermarkMs;
  }

  async #assertFired(slotMs: number): Promise<void> {
    if (await isUnfired(this.#stories.db, slotMs))
      throw new CodedError(
        'NOF0_FRAME_MISSING',
        `a crash of the database took back that slot ${new Date(slotMs).toISOString()} has fired; it fires again`,
        { details: { retryAfterMs: UNFIRED_RETRY_MS } },
      );
  }

  async #reach(): Promise<Reach> {
    const { db, market } = this.#stories;
    const [cursor, matchedMs] = await Promise.all([ingestCursor(db, market.provider), this.#matchedUntil()]);
    return { watermarkMs: cursor?.watermarkMs ?? 0, matchedMs };
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
