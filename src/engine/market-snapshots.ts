/**
 * The market as it is now: from the cache, else from the stored rows while they are fresh, else from the market itself. However many ask
 * at once, a process asks the market once.
 */

import type { MarketContext } from '../domain/market-context.ts';
import { CodedError, messageOf } from '../errors.ts';
import { SingleFlight } from '../store/single-flight.ts';
import type { Stories } from './context.ts';
import { ingestPrices } from './ingest-prices.ts';

/** Where published contexts come from. */
export type ContextSource = {
  /** Symbols of the market. */
  symbols(): Promise<readonly string[]>;
  /** As they stand in the cache; undefined where one is missing. Never rejects. */
  cached(symbols: readonly string[]): Promise<readonly (MarketContext | undefined)[]>;
  /** As the rows say, written into the cache on the way; undefined where there are none. */
  stored(symbols: readonly string[]): Promise<readonly (MarketContext | undefined)[]>;
};

type Contexts = ReadonlyMap<string, MarketContext>;

/** What the provider said longer ago is asked for anew. */
export const FRESH_MS = 30_000;
const MARKET = 'market';

export class MarketSnapshots {
  readonly #stories: Stories;
  readonly #source: ContextSource;
  readonly #flights: SingleFlight<typeof MARKET, Contexts>;
  /** Instruments are registered before anybody asks, and hardly ever later. */
  #symbols: readonly string[] = [];

  constructor(stories: Stories, source: ContextSource) {
    this.#stories = stories;
    this.#source = source;
    this.#flights = new SingleFlight({
      nameOf: (name) => name,
      look: async () => [await this.#fromCache()],
      load: async () => [await this.#fromRowsOrMarket()],
    });
  }

  /** Every symbol of which anything is known. One that could not be had anew says by its times how old it is. */
  async all(): Promise<Contexts> {
    const [contexts] = await this.#flights.get([MARKET]);
    return contexts ?? new Map();
  }

  /** Throws NOF0_SYMBOL_UNKNOWN. */
  async of(symbol: string): Promise<MarketContext> {
    const contexts = await this.all();
    const found = contexts.get(symbol);
    if (found !== undefined) return found;
    const known = [...contexts.keys()].join(', ') || 'none';
    throw new CodedError('NOF0_SYMBOL_UNKNOWN', `nothing is known of "${symbol}"; known are ${known}`);
  }

  async #fromCache(): Promise<Contexts | undefined> {
    if (this.#symbols.length === 0) return undefined;
    const contexts = byName(await this.#source.cached(this.#symbols));
    return contexts.size === this.#symbols.length && this.#fresh(contexts) ? contexts : undefined;
  }

  async #fromRowsOrMarket(): Promise<Contexts> {
    const { market, metrics, logger, clock } = this.#stories;
    this.#symbols = await this.#source.symbols();
    const stored = byName(await this.#source.stored(this.#symbols));
    if (stored.size > 0 && this.#fresh(stored)) return stored;
    try {
      // The same way as ever: prices, contexts and candles are stored, and the keys follow.
      await ingestPrices(this.#stories, clock.now(0), new AbortController().signal);
    } catch (error) {
      metrics.swallowed.inc({ reason: 'market_snapshot' });
      logger.warn(
        { provider: market.provider, error: messageOf(error) },
        'the market does not answer; showing what was',
      );
      return stored;
    }
    return byName(await this.#source.stored(this.#symbols));
  }

  /** A recorded market goes on by its own clock: what is known of it is never old. */
  #fresh(contexts: Contexts): boolean {
    const { market, clock } = this.#stories;
    if (market.extent !== null) return true;
    const oldestMs = clock.now(0) - FRESH_MS;
    return [...contexts.values()].every(
      (context) => (context.context_timestamp ?? context.price_timestamp) >= oldestMs,
    );
  }
}

function byName(contexts: readonly (MarketContext | undefined)[]): Contexts {
  return new Map(contexts.flatMap((context) => (context === undefined ? [] : [[context.symbol, context] as const])));
}
