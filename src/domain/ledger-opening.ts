/** What a history that begins in the middle of a position says about the position it began with. */

import type { Fill } from './fill.ts';
import { lotsOf, signOf, startOf } from './fill-order.ts';

/**
 * The opening entry that the first execution implies by starting elsewhere than flat; null when it starts flat, does not say, or
 * an opening entry is there. Its time is that of the first execution, because nobody knows the true one.
 *
 * @param ordered all entries of one (model, symbol) in their order, from the first one on.
 */
export function impliedOpening(ordered: readonly Fill[], lotsPerUnit: number): Fill | null {
  const first = ordered.find((fill) => fill.kind === 'trade' || fill.kind === 'opening');
  if (first === undefined || first.kind === 'opening') return null;
  const lots = startOf(first, lotsPerUnit);
  if (lots === 0) return null;
  return {
    ...first,
    id: `${first.id}:opening`,
    kind: 'opening',
    side: lots > 0 ? 'buy' : 'sell',
    price: impliedCost(ordered, lots, lotsPerUnit) ?? first.price,
    size: Math.abs(lots) / lotsPerUnit,
    startPosition: 0,
    feeUsd: 0,
    closedPnl: 0,
    oid: null,
    cloid: null,
    tid: null,
    liquidation: false,
  };
}

/**
 * Average cost of the opening lots, from the profit that the exchange recorded for the first execution that reduced them; null when
 * there is none yet. Until then the average is `opening · share + added`, which what is bought in between moves.
 */
function impliedCost(ordered: readonly Fill[], openingLots: number, lotsPerUnit: number): number | null {
  const sign = Math.sign(openingLots);
  let held = Math.abs(openingLots);
  let share = 1;
  let added = 0;
  for (const fill of ordered) {
    if (fill.kind !== 'trade') continue;
    const lots = lotsOf(fill.size, lotsPerUnit);
    if (signOf(fill) !== sign) {
      const closed = Math.min(lots, held) / lotsPerUnit;
      const cost = (fill.price - (sign * fill.closedPnl) / closed - added) / share;
      return cost > 0 && Number.isFinite(cost) ? cost : null;
    }
    share = (share * held) / (held + lots);
    added = (added * held + fill.price * lots) / (held + lots);
    held += lots;
  }
  return null;
}
