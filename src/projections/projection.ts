/** What a projection is, and the one way its values get into Redis. */

import type { Config } from '../config.ts';
import { FAMILIES, type Family, type KeyType } from '../redis/keys.ts';
import type { CandleReader } from '../store/candle-reader.ts';
import type { Database } from '../store/database.ts';

export type { Target } from '../domain/published-keys.ts';

/**
 * A value as Redis takes it, by type: string `[value]`, hash `[field, value, …]`, list `[item, …]`, zset `[score, member, …]`.
 * Empty: there is nothing, and that is remembered too.
 */
export type Members = readonly string[];

export type LoadContext = {
  readonly db: Database;
  readonly config: Config;
  /** Market provider whose prices mark positions. */
  readonly provider: string;
  /** The provider's candles, carried on from load to load. */
  readonly candles: CandleReader;
};

/** Postgres → Redis for one key family. Loading is batched: one call for any number of keys. */
export interface Projection {
  readonly family: Family;
  /** Values in the order of `ids`. Reads committed rows only, never Redis. */
  load(context: LoadContext, ids: readonly (readonly string[])[]): Promise<Members[]>;
  /** The ids of every key that should exist: for warm-up, rebuild and the consistency check. */
  all(context: LoadContext): Promise<string[][]>;
}

export function typeOf(family: Family): KeyType {
  return FAMILIES[family].type;
}
