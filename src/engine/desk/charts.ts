/** Charts of stocks, read once a closed minute: however often the monitor looks, its bars change only then. */

import { closedBars } from '../../domain/bars.ts';
import { type Chart, chartOf } from '../../domain/desk/monitoring.ts';
import { lastBars } from '../../store/desk/stocks.ts';
import { ingestCursor } from '../../store/market.ts';
import type { Stories } from '../context.ts';

const MINUTE_MS = 60_000;
const FIVE_MINUTES_MS = 5 * MINUTE_MS;
/** Minutes that the five-minute MACD and its signal need, with some to spare. */
const MINUTES = 250;
/** Minutes that the RSI is settled with. */
const RSI_MINUTES = 60;

export class Charts {
  readonly #stories: Stories;
  #known: { minute: number; charts: Map<string, Chart> } = { minute: -1, charts: new Map() };

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
      const bars = await lastBars(db, market.provider, missing, uptoMs, MINUTES);
      for (const symbol of missing) {
        const minutes = bars.get(symbol) ?? [];
        charts.set(symbol, chartOf(minutes.slice(-RSI_MINUTES), closedBars(minutes, FIVE_MINUTES_MS, uptoMs)));
      }
    }
    return charts;
  }
}
