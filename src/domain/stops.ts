/** No position stands without its stop: which ones do, and what is to be done about each. Pure. */

import type { Leg } from './ids.ts';

/** What is known of an order of a cycle after it was sent. */
type SentLeg = {
  readonly leg: Leg;
  readonly symbol: string;
  readonly status: string;
  readonly filledSize: number;
  readonly error: string | null;
};

/** Entries that were filled while the exchange did not take their stop, with the exchange's words about it. */
export function nakedEntries<T extends SentLeg>(legs: readonly T[]): { readonly entry: T; readonly error: string }[] {
  return legs
    .filter((leg) => leg.leg === 'entry' && leg.filledSize > 0)
    .flatMap((entry) => {
      const stop = legs.find((leg) => leg.leg === 'stop' && leg.symbol === entry.symbol);
      // Filled or canceled: it stood, and has done its duty or went with the position.
      if (stop !== undefined && stop.status !== 'rejected' && stop.status !== 'planned') return [];
      return [{ entry, error: stop?.error ?? 'there was none' }];
    });
}

/** A position as the exchange has it, and the stop that the ledger remembers for it. */
export type HeldPosition = {
  readonly symbol: string;
  /** Signed: short < 0. */
  readonly quantity: number;
  readonly markPrice: number;
  readonly stopLoss: number | null;
};

/** A stop that stands. `size` 0: whatever the position's size is. */
export type LiveStop = { readonly symbol: string; readonly side: 'buy' | 'sell'; readonly size: number };

/**
 * What to do about a position without a whole stop: place the remembered one for the part that has none, close it where the market is
 * beyond that stop already, or tell people where no stop is remembered (somebody else has opened it).
 */
export type StopRepair = { readonly symbol: string; readonly side: 'buy' | 'sell'; readonly size: number } & (
  | { readonly kind: 'place'; readonly triggerPrice: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'report' }
);

export function stopRepairs(positions: readonly HeldPosition[], stops: readonly LiveStop[]): StopRepair[] {
  return positions.flatMap((position): StopRepair[] => {
    const held = Math.abs(position.quantity);
    const side = position.quantity > 0 ? 'sell' : 'buy';
    const own = stops.filter((stop) => stop.symbol === position.symbol && stop.side === side);
    if (held === 0 || own.some((stop) => stop.size === 0)) return [];
    const covered = own.reduce((sum, stop) => sum + stop.size, 0);
    // Sizes are multiples of a lot; sums of them may carry binary dust.
    const size = Number((held - covered).toPrecision(12));
    if (size <= held * 1e-9) return [];
    const { stopLoss, markPrice, symbol } = position;
    if (stopLoss === null) return [{ kind: 'report', symbol, side, size }];
    const beyond = side === 'sell' ? markPrice <= stopLoss : markPrice >= stopLoss;
    return [
      beyond ? { kind: 'close', symbol, side, size } : { kind: 'place', symbol, side, size, triggerPrice: stopLoss },
    ];
  });
}
