/** What a projection is, and the one way its values get into Redis. */

import type { Config } from '../config.ts';
import { decodeId, encodeId } from '../domain/ids.ts';
import { FAMILIES, type Family, type KeyType } from '../redis/keys.ts';
import type { Database } from '../store/database.ts';

/** One key: its family and the ids in its pattern. */
export type Target = { readonly family: Family; readonly ids: readonly string[] };

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

/** A target as the text of an effect row: `family|id:id`. */
export function targetText(family: Family, ...ids: string[]): string {
  return `${family}|${ids.map(encodeId).join(':')}`;
}

/** The target of an effect row; null when the text is none of ours. */
export function parseTarget(text: string): Target | null {
  const [family, rest] = text.split('|');
  if (family === undefined || !(family in FAMILIES)) return null;
  return { family: family as Family, ids: rest ? rest.split(':').map(decodeId) : [] };
}
