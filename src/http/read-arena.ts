/** Answers over the whole arena: prices, positions, ranking, seasons. */

import type { z } from 'zod';
import { type LeaderboardRow, rank } from '../domain/leaderboard.ts';
import type { PublishedPosition } from '../domain/published.ts';
import type { CryptoPrice } from '../projections/price-keys.ts';
import type { Resources } from '../resources.ts';
import type { seasons } from './answer-schemas.ts';
import type { Reader } from './known-models.ts';

const answered = new WeakMap<readonly CryptoPrice[], { prices: Record<string, CryptoPrice> }>();

/** The same object again for the same list of prices. */
export async function readCryptoPrices({ prices }: Resources) {
  const all = await prices.read();
  const known = answered.get(all) ?? { prices: Object.fromEntries(all.map((price) => [price.symbol, price])) };
  answered.set(all, known);
  return known;
}

/** Open positions of the models, of the first `limit` of them by id if there is a limit. */
export async function readPositions({ knownModels, publisher }: Reader, limit: number | undefined) {
  const ids = (await knownModels.ids()).slice(0, limit);
  const values = await publisher.readMany(ids.map((id) => ({ family: 'positions', ids: [id] })));
  return { accountTotals: ids.map((id, index) => ({ model_id: id, positions: bySymbol(values[index] ?? []) })) };
}

/** A hash of Redis comes as field, value, field, value, in an order of its own. */
function bySymbol(members: readonly string[]): Record<string, PublishedPosition> {
  const entries = members.flatMap((symbol, index) =>
    index % 2 === 0 ? [[symbol, JSON.parse(members[index + 1] ?? 'null') as PublishedPosition] as const] : [],
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export async function readLeaderboard({ publisher }: Resources) {
  const [text] = await publisher.read({ family: 'leaderboardCache', ids: [] });
  const { leaderboard } = JSON.parse(text ?? '{"leaderboard":[]}') as { leaderboard: LeaderboardRow[] };
  return { leaderboard: rank(leaderboard) };
}

/** All seasons; that of the open one is as old as its key at most. */
export async function readSeasons({ publisher }: Resources) {
  const [text] = await publisher.read({ family: 'seasons', ids: [] });
  return JSON.parse(text ?? '{"seasons":[]}') as z.output<typeof seasons>;
}
