/** Reads a provider's candles and carries their history on: each candle is read once, however often somebody looks. */

import { CandleHistory } from '../domain/candle-history.ts';
import { CANDLE_INTERVAL_MS, type Candle } from '../domain/market.ts';
import type { Queryable } from './database.ts';
import { candlesBetween, countCandles } from './market.ts';

export class CandleReader {
  readonly #db: Queryable;
  readonly #provider: string;
  readonly #intervalMs: number;
  /** Only what can no longer change: the candles behind the watermark. */
  #kept: CandleHistory | null = null;
  /** Where the kept history begins, and how many candles went into it. */
  #begunMs = 0;
  #count = 0;

  /** `intervalMs`: length of the bars that indicators are computed on. */
  constructor(db: Queryable, provider: string, intervalMs: number) {
    this.#db = db;
    this.#provider = provider;
    this.#intervalMs = intervalMs;
  }

  /**
   * What was known at `tsMs`. Candles behind the watermark are complete as a rule; with `recount` it is made sure that none came in among
   * those that were read before (a backfill does that), else all of them are read again.
   */
  async at(tsMs: number, watermarkMs: number, { recount = false } = {}): Promise<CandleHistory> {
    // Known at that moment: open + interval ≤ tsMs.
    const uptoMs = tsMs - CANDLE_INTERVAL_MS + 1;
    const empty = CandleHistory.before(tsMs, this.#intervalMs);
    const kept = await this.#reusable(empty.uptoMs, uptoMs, recount);
    const base = kept ?? empty;
    const fresh = await candlesBetween(this.#db, this.#provider, base.uptoMs, uptoMs);
    const whole = base.plus(fresh, uptoMs);
    this.#keep(base, whole, fresh, Math.min(uptoMs, watermarkMs - CANDLE_INTERVAL_MS + 1));
    return whole;
  }

  async #reusable(fromMs: number, uptoMs: number, recount: boolean): Promise<CandleHistory | null> {
    const kept = this.#kept;
    if (kept === null || kept.uptoMs > uptoMs || kept.uptoMs < fromMs) return null;
    if (!recount) return kept;
    const count = await countCandles(this.#db, this.#provider, this.#begunMs, kept.uptoMs);
    return count === this.#count ? kept : null;
  }

  #keep(
    base: CandleHistory,
    whole: CandleHistory,
    fresh: ReadonlyMap<string, readonly Candle[]>,
    completeMs: number,
  ): void {
    if (completeMs < base.uptoMs) return;
    const complete = completeMs === whole.uptoMs ? fresh : before(fresh, completeMs);
    const added = [...complete.values()].reduce((sum, candles) => sum + candles.length, 0);
    if (base === this.#kept) this.#count += added;
    else [this.#begunMs, this.#count] = [base.uptoMs, added];
    this.#kept = complete === fresh ? whole : base.plus(complete, completeMs);
  }
}

function before(candles: ReadonlyMap<string, readonly Candle[]>, tsMs: number): Map<string, Candle[]> {
  return new Map([...candles].map(([symbol, own]) => [symbol, own.filter((candle) => candle.openTsMs < tsMs)]));
}
