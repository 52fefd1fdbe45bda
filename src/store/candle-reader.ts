/** Reads a provider's candles and carries their history on: each candle is read once, however often somebody looks. */

import { CandleHistory } from '../domain/candle-history.ts';
import { CANDLE_INTERVAL_MS, type Candle } from '../domain/market.ts';
import type { Queryable } from './database.ts';
import { candlesBetween, countCandles } from './market.ts';

/** Only what can no longer change: the candles behind the watermark. `count`: those that opened from `begunMs` on. */
type Kept = { readonly history: CandleHistory; readonly begunMs: number; readonly count: number };

export class CandleReader {
  readonly #db: Queryable;
  readonly #provider: string;
  readonly #intervalMs: number;
  #kept: Kept | null = null;

  /** `intervalMs`: length of the bars that indicators are computed on. */
  constructor(db: Queryable, provider: string, intervalMs: number) {
    this.#db = db;
    this.#provider = provider;
    this.#intervalMs = intervalMs;
  }

  /**
   * What was known at `tsMs`, and how far the provider had been ingested when that was read. Candles behind the watermark are complete as
   * a rule; with `recount` it is made sure that none came in among those that were read before (a backfill does that), else all of them
   * are read again.
   */
  async at(
    tsMs: number,
    { recount = false } = {},
  ): Promise<{ readonly history: CandleHistory; readonly watermarkMs: number }> {
    // Known at that moment: open + interval ≤ tsMs.
    const uptoMs = tsMs - CANDLE_INTERVAL_MS + 1;
    const empty = CandleHistory.before(tsMs, this.#intervalMs);
    const kept = await this.#reusable(empty.uptoMs, uptoMs, recount);
    const base = kept ?? { history: empty, begunMs: empty.uptoMs, count: 0 };
    const { candles: fresh, watermarkMs } = await candlesBetween(this.#db, this.#provider, base.history.uptoMs, uptoMs);
    const whole = base.history.plus(fresh, uptoMs);
    const completeMs = Math.min(uptoMs, watermarkMs - CANDLE_INTERVAL_MS + 1);
    if (completeMs === uptoMs) this.#keep(base, whole, fresh);
    else if (completeMs > base.history.uptoMs) {
      const complete = before(fresh, completeMs);
      this.#keep(base, base.history.plus(complete, completeMs), complete);
    }
    return { history: whole, watermarkMs };
  }

  async #reusable(fromMs: number, uptoMs: number, recount: boolean): Promise<Kept | null> {
    const kept = this.#kept;
    if (kept === null || kept.history.uptoMs > uptoMs || kept.history.uptoMs < fromMs) return null;
    if (!recount) return kept;
    const count = await countCandles(this.#db, this.#provider, kept.begunMs, kept.history.uptoMs);
    return count === kept.count ? kept : null;
  }

  #keep(base: Kept, history: CandleHistory, added: ReadonlyMap<string, readonly Candle[]>): void {
    const more = [...added.values()].reduce((sum, candles) => sum + candles.length, 0);
    this.#kept = { history, begunMs: base.begunMs, count: base.count + more };
  }
}

function before(candles: ReadonlyMap<string, readonly Candle[]>, tsMs: number): Map<string, Candle[]> {
  return new Map([...candles].map(([symbol, own]) => [symbol, own.filter((candle) => candle.openTsMs < tsMs)]));
}
