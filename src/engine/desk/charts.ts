/** Charts of stocks, read once a closed minute: however often the monitor looks, its bars change only then. */

import { closedBars } from '../../domain/bars.ts';
import { type Chart, chartOf } from '../../domain/desk/monitoring.ts';
import type { Candle } from '../../domain/market.ts';
import { lastBars } from '../../store/desk/stocks.ts';
import { ingestCursor } from '../../store/market.ts';
import type { Stories } from '../context.ts';

const MINUTE_MS = 60_000;
const FIVE_MINUTES_MS = 5 * MINUTE_MS;
/** Minutes that the five-minute MACD and its signal need, with some to spare. */
const MINUTES = 250;
/** Bars of a chart that was drawn this long ago are read on from where they ended. */
const RECENT_MINUTES = 5;
/** Minutes that the RSI is settled with. */
const RSI_MINUTES = 60;

export class Charts {
  readonly #stories: Stories;
  #known: { minute: number; charts: Map<string, Chart> } = { minute: -1, charts: new Map() };
  /** Bars behind the charts, each with the minute up to which they are known. */
  readonly #bars = new Map<string, { minute: number; bars: Candle[] }>();

  constructor(stories: Stories) {
    this.#stories = stories;
  }

  /** Charts of the symbols as of a moment, from the bars that the market has told by then. */
  async of(symbols: readonly string[], nowMs: number): Promise<ReadonlyMap<string, Chart>> {
    const { db, market } = this.#stories;
    const watermarkMs = (await ingestCursor(db, market.provider))?.watermarkMs ?? 0;
    const minute = Math.floor(Math.min(nowMs, watermarkMs) / MINUTE_MS);
    if (minute !== this.#known.minute) this.#known = { minute, charts: new Map() };
    const { charts } = this.#known;
    const missing = symbols.filter((symbol) => !charts.has(symbol));
    if (missing.length > 0) {
      const uptoMs = minute * MINUTE_MS;
      await this.#read(missing, minute);
      for (const symbol of missing) {
        const minutes = this.#bars.get(symbol)?.bars ?? [];
        charts.set(symbol, chartOf(minutes.slice(-RSI_MINUTES), closedBars(minutes, FIVE_MINUTES_MS, uptoMs)));
      }
    }
    return charts;
  }

  /** Brings the bars of the symbols up to a minute: of those that are known already only what came since is read. */
  async #read(symbols: readonly string[], minute: number): Promise<void> {
    const { db, market } = this.#stories;
    const isRecent = (symbol: string) => minute - (this.#bars.get(symbol)?.minute ?? 0) <= RECENT_MINUTES;
    for (const recent of [true, false]) {
      const own = symbols.filter((symbol) => isRecent(symbol) === recent);
      if (own.length === 0) continue;
      const count = recent ? RECENT_MINUTES + 1 : MINUTES;
      const read = await lastBars(db, market.provider, own, minute * MINUTE_MS, count);
      for (const symbol of own) {
        const known = recent ? (this.#bars.get(symbol)?.bars ?? []) : [];
        const newest = known.at(-1)?.openTsMs ?? 0;
        const fresh = (read.get(symbol) ?? []).filter(({ openTsMs }) => openTsMs > newest);
        this.#bars.set(symbol, { minute, bars: [...known, ...fresh].slice(-MINUTES) });
      }
    }
  }
}
