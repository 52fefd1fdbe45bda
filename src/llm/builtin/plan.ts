/** From "go long here" to an order that fits the account: size, leverage, stop and target. */

import type { DecisionContext, FrameAsset } from '../../domain/decision.ts';
import { symbolLimits } from '../../domain/limits.ts';

export type Side = 'long' | 'short';

/** How much of the equity one position binds as margin, and with which leverage. */
export type Sizing = { readonly equityFraction: number; readonly leverage: number };

/** Distance of the stop in ATRs, kept between two fractions of the price; the target is `reward` times as far. */
export type Stops = {
  readonly atrMultiple: number;
  readonly minFraction: number;
  readonly maxFraction: number;
  /** Used as long as the ATR is not known. */
  readonly fallbackFraction: number;
  readonly reward: number;
};

/** What is still free in this cycle; shrinks with every entry so that entries of one answer do not spend it twice. */
export type Room = { readonly slots: number; readonly marginUsd: number };

export type Sized = { readonly notionalUsd: number; readonly leverage: number; readonly room: Room };
export type Refused = { readonly refused: string };
export type Levels = { readonly stop: number; readonly target: number; readonly stopFraction: number };

/** Kept back from the free margin: fees and the move between the frame's price and the fill are paid from it too. */
const MARGIN_RESERVE = 0.03;
/** Above the exchange's minimum, because the size is rounded again at a slightly different price. */
const MINIMUM_HEADROOM = 1.02;

/** Free position slots and free margin, the latter within the limit on margin usage. */
export function roomOf(context: DecisionContext): Room {
  const { account, limits, positions } = context;
  const allowed = account.equityUsd * limits.maxMarginUsage - account.marginUsedUsd;
  const free = Math.min(account.availableUsd, allowed) * (1 - MARGIN_RESERVE);
  return { slots: limits.maxPositions - positions.length, marginUsd: Math.max(0, free) };
}

/** Notional and leverage of an entry within limits, asset and room, and the room that is left; or why there is none. */
export function sizeEntry(room: Room, context: DecisionContext, asset: FrameAsset, sizing: Sizing): Sized | Refused {
  const { account, limits } = context;
  if (room.slots <= 0) return { refused: `all ${limits.maxPositions} positions are taken` };
  const own = symbolLimits(limits, asset);
  const leverage = Math.max(1, Math.min(sizing.leverage, own.maxLeverage));
  const marginUsd = Math.min(account.equityUsd * sizing.equityFraction, room.marginUsd);
  const notionalUsd = Math.floor(Math.min(marginUsd * leverage, own.maxUsd) * 100) / 100;
  const tradable = roundedToLots(notionalUsd, asset);
  if (!(tradable > 0) || tradable < own.minUsd * MINIMUM_HEADROOM) {
    return { refused: `${usd(notionalUsd)} of free margin and limits is below the smallest position` };
  }
  const left = { slots: room.slots - 1, marginUsd: Math.max(0, room.marginUsd - notionalUsd / leverage) };
  return { notionalUsd, leverage, room: left };
}

function roundedToLots(notionalUsd: number, asset: FrameAsset): number {
  const lots = 10 ** asset.sizeDecimals;
  return (Math.floor((notionalUsd / asset.price) * lots) / lots) * asset.price;
}

/** Stop and target on the right sides of the price. */
export function levelsOf(asset: FrameAsset, side: Side, stops: Stops): Levels {
  const { atr14 } = asset.indicators;
  const wanted = atr14 === null ? stops.fallbackFraction : (atr14 * stops.atrMultiple) / asset.price;
  const stopFraction = Math.min(Math.max(wanted, stops.minFraction), stops.maxFraction);
  const sign = side === 'long' ? 1 : -1;
  return {
    stop: significant(asset.price * (1 - sign * stopFraction)),
    target: significant(asset.price * (1 + sign * stopFraction * stops.reward)),
    stopFraction,
  };
}

/** Six significant digits: far finer than any stop distance, and readable. */
function significant(price: number): number {
  return Number(price.toPrecision(6));
}

/** Money for a reason text. */
export function usd(value: number): string {
  return `$${value.toFixed(2)}`;
}

/** A fraction as a signed percentage for a reason text. */
export function pct(fraction: number, digits = 2): string {
  return `${fraction < 0 ? '-' : '+'}${Math.abs(fraction * 100).toFixed(digits)} %`;
}
