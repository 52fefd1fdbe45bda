/** The key families of the market: terms of the instruments, what is known of each now, and the frames of the newest slots. */

import { type MarketContext, publishedIndicators } from '../domain/market-context.ts';
import { newestFrameSlots, readFrames } from '../store/frames.ts';
import { ingestCursor, marketAsOf, marketAssets } from '../store/market.ts';
import type { LoadContext, Projection } from './projection.ts';

/** A context is shown as of the last full stretch of this length: between two of them its key does not change. */
export const CONTEXT_STEP_MS = 10_000;
/** Frames in the cache: models decide on the newest, and late ones on the ones before. */
const FRAMES = 4;

const nameOf = (provider: string, symbol: string) => JSON.stringify([provider, symbol]);

const marketAsset: Projection = {
  family: 'marketAsset',
  all: async ({ db }) => (await marketAssets(db, null)).map(({ provider, symbol }) => [provider, symbol]),
  async load({ db }, ids) {
    const assets = new Map(
      (await marketAssets(db, null)).map((asset) => [nameOf(asset.provider, asset.symbol), asset]),
    );
    return ids.map(([provider = '', symbol = '']) => {
      const asset = assets.get(nameOf(provider, symbol));
      if (asset === undefined) return [];
      const { base, quote, precision, sizeDecimals, maxLeverage, onlyIsolated, isActive } = asset;
      const terms = { size_decimals: sizeDecimals, max_leverage: maxLeverage, only_isolated: onlyIsolated };
      return [JSON.stringify({ symbol, base, quote, precision, ...terms, is_active: isActive })];
    });
  },
};

const marketCtx: Projection = {
  family: 'marketCtx',
  all: async ({ db, provider }) => (await marketAssets(db, provider)).map(({ symbol }) => [provider, symbol]),
  async load(context, ids) {
    const contexts = await marketContexts(context);
    return ids.map(([provider, symbol = '']) => {
      const found = provider === context.provider ? contexts.get(symbol) : undefined;
      return found === undefined ? [] : [JSON.stringify(found)];
    });
  },
};

/** What is known of every symbol of the run's market, as of the last full step of market time. */
async function marketContexts({ db, provider, candles }: LoadContext): Promise<Map<string, MarketContext>> {
  const watermarkMs = (await ingestCursor(db, provider))?.watermarkMs ?? 0;
  const tsMs = Math.floor(watermarkMs / CONTEXT_STEP_MS) * CONTEXT_STEP_MS;
  const [{ assets }, { history }] = await Promise.all([
    marketAsOf(db, provider, tsMs),
    candles.at(tsMs, { recount: true }),
  ]);
  return new Map(
    assets.map((asset) => {
      const { symbol } = asset;
      const { change1h, change4h, indicators } = history.view(symbol, tsMs);
      const shown: MarketContext = {
        symbol,
        timestamp: tsMs,
        price: asset.price,
        price_timestamp: asset.priceTsMs,
        context_timestamp: asset.tsMs,
        mark_price: asset.markPrice,
        mid_price: asset.midPrice,
        oracle_price: asset.oraclePrice,
        funding_rate: asset.fundingRate,
        open_interest: asset.openInterest,
        volume_24h: asset.volume24h,
        change_1h: change1h,
        change_4h: change4h,
        indicators: publishedIndicators(indicators),
      };
      return [symbol, shown];
    }),
  );
}

/** A frame never changes once it is stored: its key needs no refresh, the first reader writes it. */
const marketFrame: Projection = {
  family: 'marketFrame',
  all: async ({ db, provider }) => (await newestFrameSlots(db, provider, FRAMES)).map((slotMs) => [String(slotMs)]),
  async load({ db, provider }, ids) {
    const slots = ids.map(([slot]) => Number(slot)).filter(Number.isSafeInteger);
    const frames = await readFrames(db, provider, slots);
    return ids.map(([slot]) => {
      const stored = frames.get(Number(slot));
      return stored === undefined ? [] : [JSON.stringify(stored)];
    });
  },
};

export const MARKET_PROJECTIONS: readonly Projection[] = [marketAsset, marketCtx, marketFrame];
