/** The past of a market: candles that are not there are asked for and stored, page by page. */

import { CANDLE_INTERVAL_MS } from '../domain/market.ts';
import { CodedError } from '../errors.ts';
import { type CandleGap, candleGaps } from '../store/candle-gaps.ts';
import { ANY_WATERMARK, storeBatch } from '../store/market-batch.ts';
import type { Stories } from './context.ts';

export type BackfillWish = { readonly symbols: readonly string[]; readonly fromMs: number; readonly toMs: number };
/** `missing`: candles that were not there at the beginning; `stored`: those that came. */
export type BackfillProgress = { readonly missing: number; readonly asked: number; readonly stored: number };

/**
 * Fills the gaps of a stretch. Only what is missing is asked for, and every page is stored as it comes: ended in the middle and begun
 * again it goes on where it was. Minutes that the provider has no candle for stay missing.
 *
 * @throws CodedError NOF0_INPUT_INVALID for a market that cannot be asked for its past
 */
export async function backfill(
  stories: Stories,
  wish: BackfillWish,
  onProgress: (progress: BackfillProgress) => void,
  signal?: AbortSignal,
): Promise<BackfillProgress> {
  const { db, market } = stories;
  if (!hasPast(stories))
    throw new CodedError('NOF0_INPUT_INVALID', `a ${market.provider} market cannot be asked for its past`);
  const gaps = [];
  for (const symbol of wish.symbols)
    for (const gap of await candleGaps(db, market.provider, symbol, wish)) gaps.push({ symbol, ...gap });
  let progress = { missing: gaps.reduce((sum, gap) => sum + gap.candles, 0), asked: 0, stored: 0 };
  onProgress(progress);
  for (const gap of gaps) {
    await fillGap(stories, gap.symbol, gap, signal, (stored) => {
      progress = { ...progress, stored: progress.stored + stored };
      onProgress(progress);
    });
    progress = { ...progress, asked: progress.asked + gap.candles };
    onProgress(progress);
  }
  return progress;
}

/** Whether the market can be asked for candles of the past. */
export const hasPast = ({ market }: Stories): boolean => market.history !== undefined;

/** Asks for the candles of one gap and stores them page by page; `onPage` hears how many came. */
export async function fillGap(
  { db, market }: Stories,
  symbol: string,
  { fromOpenMs, toOpenMs }: Pick<CandleGap, 'fromOpenMs' | 'toOpenMs'>,
  signal: AbortSignal | undefined,
  onPage: (stored: number) => void,
): Promise<void> {
  // Known at the close: a candle of the gap's last open is known one interval later.
  const range = { fromMs: fromOpenMs + CANDLE_INTERVAL_MS - 1, toMs: toOpenMs + CANDLE_INTERVAL_MS };
  await market.history?.(symbol, range, signal, async (candles) => {
    const batch = { ticks: [], candles, contexts: [], fundings: [], watermarkMs: 0 };
    await storeBatch(db, market.provider, ANY_WATERMARK, batch, []);
    onPage(candles.length);
  });
}
