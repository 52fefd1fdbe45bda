/** What a feed has heard and nobody has stored yet. Bounded: of what waits too long only what matters is kept. */

import type { AssetContext, Candle, Funding, MarketBatch, Tick } from '../domain/market.ts';

export type HeardRows = Partial<Pick<MarketBatch, 'ticks' | 'candles' | 'contexts' | 'fundings'>>;
export type Heard = MarketBatch & { readonly accounts: readonly string[] };

/** Waiting ticks of a symbol beyond which only their path is kept. */
const MAX_TICKS = 500;

export class PriceBuffer {
  #ticks = new Map<string, Tick[]>();
  #candles: Candle[] = [];
  /** The newest of a symbol is what counts. */
  #contexts = new Map<string, AssetContext>();
  #fundings: Funding[] = [];
  #accounts = new Set<string>();
  #watermarkMs = 0;
  #takenMs = 0;
  #rows = 0;

  /** Rows that were added since something was taken. */
  get rows(): number {
    return this.#rows;
  }

  get isEmpty(): boolean {
    return this.#rows + this.#accounts.size === 0 && this.#watermarkMs === this.#takenMs;
  }

  add({ ticks = [], candles = [], contexts = [], fundings = [] }: HeardRows): void {
    for (const tick of ticks) this.#addTick(tick);
    for (const context of contexts) this.#contexts.set(context.symbol, context);
    for (const candle of candles) this.#candles.push(candle);
    for (const funding of fundings) this.#fundings.push(funding);
    this.#rows += ticks.length + candles.length + contexts.length + fundings.length;
  }

  covered(untilMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, untilMs);
  }

  account(account: string): void {
    this.#accounts.add(account);
  }

  /** Everything that waits, ticks in the order of time; null when nothing does. */
  take(): Heard | null {
    if (this.isEmpty) return null;
    const taken: Heard = {
      ticks: [...this.#ticks.values()].flat().sort((a, b) => a.tsMs - b.tsMs),
      candles: this.#candles,
      contexts: [...this.#contexts.values()],
      fundings: this.#fundings,
      accounts: [...this.#accounts],
      watermarkMs: this.#watermarkMs,
    };
    this.#ticks = new Map();
    this.#candles = [];
    this.#contexts = new Map();
    this.#fundings = [];
    this.#accounts = new Set();
    this.#takenMs = taken.watermarkMs;
    this.#rows = 0;
    return taken;
  }

  /** What was taken could not be stored. */
  putBack(taken: Heard): void {
    const newer = [...this.#contexts.values()];
    this.add({ ticks: taken.ticks, contexts: [...taken.contexts, ...newer] });
    this.#candles = [...taken.candles, ...this.#candles];
    this.#fundings = [...taken.fundings, ...this.#fundings];
    this.#rows += taken.candles.length + taken.fundings.length;
    for (const account of taken.accounts) this.#accounts.add(account);
    this.#takenMs = 0;
  }

  #addTick(tick: Tick): void {
    const waiting = this.#ticks.get(tick.symbol);
    if (waiting === undefined) this.#ticks.set(tick.symbol, [tick]);
    else {
      waiting.push(tick);
      if (waiting.length > MAX_TICKS) this.#ticks.set(tick.symbol, pathOf(waiting));
    }
  }
}

/** Where a price began, how far it went both ways, and where it ended, in the order in which that happened. */
export function pathOf(ticks: readonly Tick[]): Tick[] {
  const sorted = ticks.toSorted((a, b) => a.tsMs - b.tsMs);
  const best = (better: (a: Tick, b: Tick) => boolean) =>
    sorted.reduce((one, tick) => (better(tick, one) ? tick : one));
  if (sorted.length < 5) return sorted;
  const kept = new Set([
    sorted[0],
    best((a, b) => a.price < b.price),
    best((a, b) => a.price > b.price),
    sorted.at(-1),
  ]);
  return sorted.filter((tick) => kept.has(tick));
}
