/** Market time of work that nobody has put into a slot: a person's. */

import { ingestCursor } from '../store/market.ts';
import type { Stories } from './context.ts';

/** The present moment: the wall's, or as far as the market of a replay has come. */
export async function marketNow({ db, market, clock }: Stories): Promise<number> {
  return clock.now((await ingestCursor(db, market.provider))?.watermarkMs ?? 0);
}
