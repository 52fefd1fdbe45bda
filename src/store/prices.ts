/** Newest prices. */

import type { Queryable } from './database.ts';

export type LatestPrice = {
  readonly provider: string;
  readonly symbol: string;
  readonly price: number;
  readonly tsMs: number;
};

/** The newest price of every symbol, of one provider or of all. */
export function latestPrices(db: Queryable, provider: string | null = null): Promise<LatestPrice[]> {
  return db.query<LatestPrice>(
    `SELECT provider, symbol, price, ts_ms AS "tsMs" FROM price_latest WHERE $1::text IS NULL OR provider = $1 ORDER BY provider, symbol`,
    [provider],
  );
}
