/** Leverage and margin mode of a symbol, for the position it has and those to come. Pure. */

import { maxLeverageAt } from '../../domain/margin.ts';
import { REFUSALS } from '../../domain/order-rules.ts';
import type { Marks } from '../../domain/paper-balances.ts';
import { available, notional } from '../../domain/paper-balances.ts';
import type { LeverageSetting } from '../../domain/paper-book.ts';
import type { AccountBook } from './account-book.ts';

/** Why it may not be; null when it is done. More leverage frees margin, less binds more of it, which must be there. */
export function changeLeverage(
  book: AccountBook,
  symbol: string,
  setting: LeverageSetting,
  mark: Marks,
): string | null {
  const terms = book.terms(symbol);
  const held = book.positions.get(symbol);
  if (terms === undefined) return REFUSALS.unknownAsset;
  const most = maxLeverageAt(terms.tiers, held === undefined ? 0 : notional(symbol, held, mark));
  if (!(setting.leverage >= 1) || setting.leverage > most) return REFUSALS.leverage;
  if (setting.marginMode === 'cross' && terms.onlyIsolated) return REFUSALS.onlyIsolated;
  if (held !== undefined) {
    if (held.marginMode !== setting.marginMode) return REFUSALS.leverageType;
    const moreUsd = notional(symbol, held, mark) * (1 / setting.leverage - 1 / held.leverage);
    if (moreUsd > 0 && moreUsd > available(book, mark)) return REFUSALS.margin;
    const isolatedUsd = held.marginMode === 'isolated' ? Math.max(0, moreUsd) : 0;
    book.cashUsd -= isolatedUsd;
    book.positions.set(symbol, { ...held, leverage: setting.leverage, marginUsd: held.marginUsd + isolatedUsd });
  }
  book.settings[symbol] = { leverage: setting.leverage, marginMode: setting.marginMode };
  book.touch();
  return null;
}
