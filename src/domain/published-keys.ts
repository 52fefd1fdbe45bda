/** Names of the published key families, and how a commit says which of them it changes. */

import { decodeId, encodeId } from './ids.ts';

export const KEY_FAMILIES = [
  'priceLatest',
  'priceLatestByProvider',
  'cryptoPrices',
  'marketAsset',
  'marketCtx',
  'marketFrame',
  'positions',
  'tradesRecent',
  'leaderboard',
  'leaderboardCache',
  'sinceInception',
  'inception',
  'accountTotals',
  'analytics',
  'analyticsAll',
  'conversations',
  'decisionLast',
  'traderState',
  'simOrders',
  'simBalances',
  'seasons',
  'stockPrice',
  'stockIndicators',
  'stockSentiment',
  'watchlist',
  'candidates',
  'stockPosition',
  'stockMonitoring',
  'stockSignal',
  'systemState',
  'performance',
  'marketContext',
] as const;

export type Family = (typeof KEY_FAMILIES)[number];

/** One published key: its family and the ids in its pattern. */
export type Target = { readonly family: Family; readonly ids: readonly string[] };

/** The effect that refreshes a key after a commit; with fewer ids than the key takes, all keys of the family that should be there. */
export function refresh(family: Family, ...ids: string[]): { readonly kind: 'project'; readonly target: string } {
  return { kind: 'project', target: `${family}|${ids.map(encodeId).join(':')}` };
}

/** The key that an effect's target names; null when the text is none of ours. */
export function parseTarget(text: string): Target | null {
  const [name, rest] = text.split('|');
  const family = KEY_FAMILIES.find((known) => known === name);
  return family === undefined ? null : { family, ids: rest ? rest.split(':').map(decodeId) : [] };
}
