/** Ticks, and the two plain ways of writing them that the path is compared with. */

import type { Asset, Tick } from '../src/domain/market.ts';
import type { Database } from '../src/store/database.ts';
import { saveAssets } from '../src/store/market.ts';

export const PROVIDER = 'synthetic';
export const SYMBOLS = Array.from({ length: 20 }, (_, index) => `COIN${index}`);

export async function registerSymbols(db: Database): Promise<void> {
  const assets: Asset[] = SYMBOLS.map((symbol) => ({
    ...{ symbol, base: symbol, quote: 'USD', precision: 2, sizeDecimals: 3, maxLeverage: 20 },
    ...{ onlyIsolated: false, isActive: true },
  }));
  await saveAssets(db, PROVIDER, assets);
}

/** Ticks first … first + count, one a symbol and millisecond: no two are the same, and they come in the order of time. */
export function ticksFrom(beginMs: number, first: number, count: number): Tick[] {
  return Array.from({ length: count }, (_, offset) => {
    const index = first + offset;
    const symbol = SYMBOLS[index % SYMBOLS.length] ?? '';
    const tsMs = beginMs + Math.floor(index / SYMBOLS.length);
    return { symbol, tsMs, price: 100 + (index % SYMBOLS.length) + Math.sin(index / 5000), source: 'bench' };
  });
}

const INSERT = `INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq, source)
  SELECT '${PROVIDER}', t.* FROM unnest($1::text[], $2::float8[], $3::bigint[], $4::bigint[], $5::text[]) AS t(symbol, price, ts_ms, seq, source)`;

/** The rows and nothing else: one statement a batch. */
export async function insertAlone(db: Database, ticks: readonly Tick[], batch: number): Promise<void> {
  for (let first = 0; first < ticks.length; first += batch) {
    const part = ticks.slice(first, first + batch);
    await db.query(INSERT, [
      part.map((tick) => tick.symbol),
      part.map((tick) => tick.price),
      part.map((tick) => tick.tsMs),
      part.map((_, index) => first + index + 1),
      part.map((tick) => tick.source),
    ]);
  }
}

const UPSERT_ONE = `INSERT INTO price_ticks (provider, symbol, price, ts_ms, seq, source) VALUES ('${PROVIDER}', $1, $2, $3, $4, $5)
  ON CONFLICT (symbol, ts_ms, provider) DO UPDATE SET price = excluded.price, seq = excluded.seq`;

/** A statement a tick, one after the other. */
export async function rowByRow(db: Database, ticks: readonly Tick[]): Promise<void> {
  for (const [index, tick] of ticks.entries())
    await db.query(UPSERT_ONE, [tick.symbol, tick.price, tick.tsMs, index + 1, tick.source]);
}
