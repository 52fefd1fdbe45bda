/**
 * Price keys: `price:latest:{symbol}`, `price:latest:{provider}:{symbol}` and the hash `crypto_prices`. They change every second and
 * are fenced by the time of the price itself, so they need no token; all of them are written in one pipeline.
 */

import type { Target } from '../domain/published-keys.ts';
import { CodedError, messageOf } from '../errors.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import type { KeyRegistry } from '../redis/keys.ts';
import { type LatestPrice, latestPrices } from '../store/prices.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { announcePrices } from './announce.ts';
import type { LoadContext } from './projection.ts';

/** Price of a symbol as the API shows it. `timestamp` is Unix ms. */
export type CryptoPrice = { readonly symbol: string; readonly price: number; readonly timestamp: number };

export class PriceKeys {
  readonly #context: LoadContext;
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;
  readonly #metrics: Metrics;
  #reading: Promise<readonly CryptoPrice[]> | null = null;
  /** What the hash said last, and the prices that it stands for. */
  #known: { readonly hash: string; readonly prices: readonly CryptoPrice[] } | null = null;

  constructor(context: LoadContext, redis: ScriptedRedis, keys: KeyRegistry, metrics: Metrics) {
    this.#context = context;
    this.#redis = redis;
    this.#keys = keys;
    this.#metrics = metrics;
  }

  /** Writes the newest prices of every provider. Throws NOF0_CACHE_UNAVAILABLE when the cache is gone. */
  async refresh(): Promise<number> {
    const prices = await latestPrices(this.#context.db);
    if (prices.length === 0) return 0;
    try {
      const writes = () => prices.flatMap((price) => this.#writes(price));
      const fields = prices.flatMap((price) => [
        `${price.provider}:${price.symbol}`,
        price.tsMs,
        JSON.stringify(cryptoPrice(price)),
      ]);
      await crossing('write prices', () =>
        Promise.all([
          ...writes(),
          this.#redis.writePrices(this.#keys.key('cryptoPrices', []), this.#keys.ttlMs('cryptoPrices'), ...fields),
        ]),
      );
    } catch (error) {
      throw new CodedError('NOF0_CACHE_UNAVAILABLE', `writing price keys: ${messageOf(error)}`, { cause: error });
    }
    const own = prices.filter(({ provider }) => provider === this.#context.provider).map(cryptoPrice);
    await announcePrices(this.#redis, this.#keys, this.#metrics, own);
    return prices.length;
  }

  /**
   * Prices of the primary provider: from Redis, else from Postgres. Never fails because of the cache. Readers that come at the same moment
   * share one answer; whoever comes after it was asked for gets another one, which is the same list while the hash says the same.
   */
  read(): Promise<readonly CryptoPrice[]> {
    this.#reading ??= new Promise<void>((resolve) => {
      setImmediate(resolve);
    }).then(() => {
      this.#reading = null;
      return this.#read();
    });
    return this.#reading;
  }

  async #read(): Promise<readonly CryptoPrice[]> {
    const fields = await this.#hash();
    const current = fields === null ? [] : this.#current(fields);
    const found = current.length > 0;
    if (fields !== null) this.#metrics.cacheReads.inc({ family: 'cryptoPrices', result: found ? 'hit' : 'miss' });
    if (found) return current;
    const end = this.#metrics.readLatency.startTimer({ source: 'database', family: 'cryptoPrices' });
    const prices = await latestPrices(this.#context.db, this.#context.provider);
    end();
    return prices.map(cryptoPrice);
  }

  /** The primary provider's prices in the hash, by symbol. */
  #current(fields: Readonly<Record<string, string>>): readonly CryptoPrice[] {
    const hash = Object.entries(fields).flat().join();
    if (this.#known?.hash === hash) return this.#known.prices;
    const prefix = `${this.#context.provider}:`;
    const cached = Object.entries(fields)
      .filter(([field]) => field.startsWith(prefix))
      .map(([, value]) => JSON.parse(value) as CryptoPrice);
    // The hash lives on while one symbol is written; an entry left behind by the others is no current price.
    const newest = Math.max(...cached.map((price) => price.timestamp));
    const prices = cached
      .filter((price) => newest - price.timestamp <= this.#keys.ttlMs('cryptoPrices'))
      .sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
    this.#known = { hash, prices };
    return prices;
  }

  /** Every price key that should exist. */
  async allTargets(): Promise<Target[]> {
    const prices = await latestPrices(this.#context.db);
    if (prices.length === 0) return [];
    const own = prices.filter(({ provider }) => provider === this.#context.provider);
    return [
      { family: 'cryptoPrices', ids: [] },
      ...prices.map(({ provider, symbol }): Target => ({ family: 'priceLatestByProvider', ids: [provider, symbol] })),
      ...own.map(({ symbol }): Target => ({ family: 'priceLatest', ids: [symbol] })),
    ];
  }

  /** Warms the keys and compares them with Postgres, a few times while they differ; for the consistency check. */
  async check(looks = 5): Promise<{ compared: number; differences: string[] }> {
    await this.refresh();
    const found = await this.#compare();
    // A running market moves between two looks.
    return found.differences.length > 0 && looks > 1 ? this.check(looks - 1) : found;
  }

  async #compare(): Promise<{ compared: number; differences: string[] }> {
    const prices = await latestPrices(this.#context.db);
    const hash = await this.#redis.hgetall(this.#keys.key('cryptoPrices', []));
    const differences: string[] = [];
    const expect = (key: string, found: string | null | undefined, wanted: object) => {
      if (found !== JSON.stringify(wanted))
        differences.push(`${key}: ${found ?? '(missing)'} in Redis, ${JSON.stringify(wanted)} in Postgres`);
    };
    let compared = 0;
    for (const price of prices) {
      for (const { key, value } of this.#strings(price)) {
        expect(key, await this.#redis.get(key), value);
        compared += 1;
      }
      expect(
        `crypto_prices ${price.provider}:${price.symbol}`,
        hash[`${price.provider}:${price.symbol}`],
        cryptoPrice(price),
      );
      compared += 1;
    }
    return { compared, differences };
  }

  #strings(price: LatestPrice): { key: string; value: object; timeField: string }[] {
    const own = {
      key: this.#keys.key('priceLatestByProvider', [price.provider, price.symbol]),
      value: { price: price.price, ts_ms: price.tsMs },
      timeField: 'ts_ms',
    };
    if (price.provider !== this.#context.provider) return [own];
    return [
      own,
      { key: this.#keys.key('priceLatest', [price.symbol]), value: cryptoPrice(price), timeField: 'timestamp' },
    ];
  }

  #writes(price: LatestPrice): Promise<number>[] {
    return this.#strings(price).map(({ key, value, timeField }) =>
      this.#redis.writePrice(key, this.#keys.ttlMs('priceLatest'), price.tsMs, JSON.stringify(value), timeField),
    );
  }

  /** Null when the cache does not answer. */
  async #hash(): Promise<Record<string, string> | null> {
    if (this.#redis.status !== 'ready') return null;
    try {
      const end = this.#metrics.readLatency.startTimer({ source: 'cache', family: 'cryptoPrices' });
      const fields = await this.#redis.hgetall(this.#keys.key('cryptoPrices', []));
      end();
      return fields;
    } catch {
      // A dead cache is a slower answer from Postgres; the connection's own error handler reports it.
      this.#metrics.swallowed.inc({ reason: 'cache_read' });
      return null;
    }
  }
}

function cryptoPrice(price: LatestPrice): CryptoPrice {
  return { symbol: price.symbol, price: price.price, timestamp: price.tsMs };
}
